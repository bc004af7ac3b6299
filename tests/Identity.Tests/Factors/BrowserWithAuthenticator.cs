using System.Diagnostics;
using System.Text.Json;
using OpenReadings.Support;

namespace OpenReadings.Identity.Tests.Factors;

/// <summary>Chromium with a virtual authenticator (tests/clients/passkeys.mjs).</summary>
public sealed class BrowserWithAuthenticator : IAsyncDisposable
{
    private readonly Process process = Process.Start(new ProcessStartInfo("/bin/sh",
        ["-c", "node --experimental-global-webcrypto -e 0 2>/dev/null && exec node --experimental-global-webcrypto \"$0\" || exec node \"$0\"", Path.Combine(TestServers.Root, ".dev", "tools", "clients", "passkeys.mjs")])
    {
        RedirectStandardInput = true, RedirectStandardOutput = true,
    })!;
    private readonly SemaphoreSlim one = new(1);

    /// <summary>A new authenticator in place of the one of before, with nothing on it.</summary>
    public Task NewAuthenticatorAsync() => DoAsync(new { @do = "authenticator" });

    public Task<JsonElement> CreateAsync(JsonElement options, string origin) => DoAsync(new { @do = "create", origin, options });

    public Task<JsonElement> GetAsync(JsonElement options, string origin) => DoAsync(new { @do = "get", origin, options });

    /// <summary>Whether the authenticator finds that its person is who they are.</summary>
    public Task VerifiesAsync(bool @is) => DoAsync(new { @do = "verified", @is });

    /// <summary>What is on the authenticator, private keys included.</summary>
    public Task<JsonElement> CredentialsAsync() => DoAsync(new { @do = "credentials" });

    /// <summary>Opens a page of the service in a window with nothing in it, on the origin that the service says it has.</summary>
    public Task<JsonElement> OpenAsync(string origin, Uri address, string path) => DoAsync(new { @do = "open", origin, address, path });

    public Task<JsonElement> GoAsync(string address) => DoAsync(new { @do = "go", address });

    public Task FillAsync(string field, string value) => DoAsync(new { @do = "fill", field, value });

    /// <summary>Presses a button, and waits until the page shows something.</summary>
    public Task<JsonElement> PressAsync(string button, string shows) => DoAsync(new { @do = "press", button, shows });

    /// <summary>Follows a link, and waits until the page shows something.</summary>
    public Task<JsonElement> FollowAsync(string link, string shows) => DoAsync(new { @do = "follow", link, shows });

    /// <summary>What of the page is not accessible, not styled or does not fit a small phone; pictures of it are kept in .dev/pictures.</summary>
    public async Task<IReadOnlyList<string>> InspectAsync(string name)
    {
        var seen = await DoAsync(new { @do = "inspect", name, pictures = Directory.CreateDirectory(Path.Combine(TestServers.Root, ".dev", "pictures")).FullName });
        return [.. seen.GetProperty("violations").EnumerateArray().Select(violation => violation.ToString()), .. seen.GetProperty("styled").GetBoolean() ? [] : new[] { "without its styles" }];
    }

    /// <summary>Throws the cookies of the window away.</summary>
    public Task ForgetAsync() => DoAsync(new { @do = "forget" });

    public Task<JsonElement> SeeAsync() => DoAsync(new { @do = "see" });

    /// <summary>A picture that the browser made.</summary>
    public async Task<byte[]> DrawAsync(string type, int width, int height, double quality = 0.8) => (await DoAsync(new { @do = "draw", type, width, height, quality })).GetBytesFromBase64();

    /// <summary>What the browser shows of a picture: how wide and high, and every pixel.</summary>
    public async Task<(int Width, int Height, string Pixels)> LookAsync(string type, byte[] bytes)
    {
        var seen = await DoAsync(new { @do = "look", type, bytes });
        return (seen.GetProperty("width").GetInt32(), seen.GetProperty("height").GetInt32(), seen.GetProperty("pixels").GetString()!);
    }

    private async Task<JsonElement> DoAsync(object what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(1));
        await one.WaitAsync(limit.Token);
        try
        {
            await process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(what));
            await process.StandardInput.FlushAsync(limit.Token);
            var line = await process.StandardOutput.ReadLineAsync(limit.Token) ?? throw new InvalidOperationException("The browser is gone.");
            var said = JsonDocument.Parse(line).RootElement;
            return said.TryGetProperty("error", out var error) ? throw new BrowserRefusedException(error.GetString()!) : said.GetProperty("result");
        }
        finally
        {
            one.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        process.StandardInput.Close();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        try { await process.WaitForExitAsync(limit.Token); }
        catch (OperationCanceledException) { process.Kill(entireProcessTree: true); }
        process.Dispose();
        one.Dispose();
    }
}

/// <summary>What the browser itself does not do.</summary>
public sealed class BrowserRefusedException(string message) : Exception(message);
