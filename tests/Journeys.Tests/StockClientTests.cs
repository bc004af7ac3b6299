using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using OpenReadings.Support;

namespace OpenReadings.Journeys;

/// <summary>The provider as integrators meet it: with the clients that they use (tests/clients), a real browser, and the readings that a token opens.</summary>
public sealed class StockClientTests(RunningPlatform platform)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private static string Folder => Path.Combine(TestServers.Root, "tests", "clients");

    [Fact]
    public async Task Openid_client_goes_through_every_flow_in_a_browser_with_pages_for_everybody()
    {
        var (ada, setting) = await SettingAsync(isPublic: false);
        var said = await RunAsync(Node("openid-client.mjs"), setting);
        Assert.Equal((ada.Id.ToString(), ada.Email), (said.GetProperty("claims").GetProperty("sub").GetString(), said.GetProperty("claims").GetProperty("email").GetString()));
        Assert.Equal((ada.Id.ToString(), "Ada"), (said.GetProperty("userinfo").GetProperty("sub").GetString(), said.GetProperty("userinfo").GetProperty("name").GetString()));
        Assert.Equal("openid profile email readings:read readings:write offline_access", Text("scope"));
        Assert.Equal(ada.Id.ToString(), said.GetProperty("access").GetProperty("sub").GetString());
        Assert.Equal((200, 401), (said.GetProperty("sources").GetInt32(), said.GetProperty("sourcesAfterRevocation").GetInt32()));
        Assert.Equal((ada.Id.ToString(), ada.Id.ToString()), (Text("refreshed"), Text("silent")));
        Assert.True(said.GetProperty("active").GetBoolean());
        Assert.False(said.GetProperty("activeAfterRevocation").GetBoolean());
        Assert.True(said.GetProperty("authTimeIsNew").GetBoolean());
        Assert.Equal(("invalid_grant", "readings:read", "readings:write", "/bye?state=bye-1", "login_required"), (Text("refusal"), Text("own"), Text("device"), Text("bye"), Text("afterSignOut")));

        var seen = said.GetProperty("seen").EnumerateArray().ToList();
        Assert.Equal(["sign-in", "forgotten-password", "sign-up", "sign-up-done", "sign-in-wrong", "consent", "device", "device-consent", "device-done"], seen.Select(page => page.GetProperty("name").GetString()));
        Assert.All(seen, page =>
        {
            Assert.Empty(page.GetProperty("violations").EnumerateArray().Select(violation => $"{page.GetProperty("name")} {violation}"));
            Assert.True(page.GetProperty("styled").GetBoolean());
            foreach (var scheme in new[] { "light", "dark" })
                Assert.True(new FileInfo(Path.Combine(Pictures, $"{page.GetProperty("name").GetString()}-{scheme}.png")).Length > 5000);
        });
        Assert.All(platform.Services.Values, service => Assert.DoesNotContain(service.Lines, line =>
            new[] { "oc_", "od_", "os_", "rt_", "eyJ", ada.Email, ada.Password }.Any(secret => line.Contains(secret, StringComparison.Ordinal))));

        string? Text(string name) => said.GetProperty(name).GetString();
    }

    [Fact]
    public async Task Oauth4webapi_goes_through_the_code_flow_in_a_browser_without_scripts()
    {
        var (_, setting) = await SettingAsync(isPublic: true);
        var said = await RunAsync(Node("oauth4webapi.mjs"), setting);
        Assert.Equal((Issuer, Issuer), (said.GetProperty("oidc").GetString(), said.GetProperty("oauth2").GetString()));
        Assert.Equal("openid offline_access", said.GetProperty("scope").GetString());
        Assert.True(said.GetProperty("refreshed").GetBoolean());
    }

    [Fact]
    public async Task Authlib_goes_through_the_code_flow_and_speaks_for_itself()
    {
        var (ada, setting) = await SettingAsync(isPublic: false);
        var said = await RunAsync(("/usr/bin/python3", [Path.Combine(Folder, "authlib_client.py")]), setting);
        Assert.Equal(("openid readings:read offline_access", "n-1", ada.Id.ToString(), "readings:read"),
            (said.GetProperty("scope").GetString(), said.GetProperty("nonce").GetString(), said.GetProperty("userinfo").GetString(), said.GetProperty("own").GetString()));
        Assert.True(said.GetProperty("refreshed").GetBoolean());
    }

    private string Issuer => new Uri(platform.Services["identity"].Address, "/identity").ToString();

    private static string Pictures => Directory.CreateDirectory(Path.Combine(TestServers.Root, ".dev", "pictures")).FullName;

    private async Task<(RunningPlatform.Person Person, object Setting)> SettingAsync(bool isPublic)
    {
        var (ada, maker) = (await platform.SignUpAsync(), await platform.SignUpAsync());
        using var made = await maker.Http.PostAsJsonAsync("/identity/v1/me/applications", new
        {
            name = "Sleep lab", is_public = isPublic, redirect_uris = new[] { "http://127.0.0.1/callback" }, post_logout_redirect_uris = new[] { "http://127.0.0.1/bye" },
            scopes = new[] { "openid", "profile", "email", "readings:read", "readings:write", "offline_access" },
        }, Ct);
        made.EnsureSuccessStatusCode();
        var application = await made.Content.ReadFromJsonAsync<JsonElement>(Ct);
        return (ada, new
        {
            issuer = Issuer, readings = platform.Services["readings"].Address.ToString().TrimEnd('/'), email = ada.Email, password = ada.Password, pictures = Pictures,
            client_id = application.GetProperty("client_id").GetString(), client_secret = application.GetProperty("client_secret").GetString(),
        });
    }

    // Node 18, as Debian has it, hides what the clients need behind this; later ones know the option no more, and need it no more.
    private static (string Program, string[] Arguments) Node(string script) => ("/bin/sh",
        ["-c", "node --experimental-global-webcrypto -e 0 2>/dev/null && exec node --experimental-global-webcrypto \"$0\" || exec node \"$0\"", Path.Combine(TestServers.Root, ".dev", "tools", "clients", script)]);

    private static async Task<JsonElement> RunAsync((string Program, string[] Arguments) command, object setting)
    {
        var start = new ProcessStartInfo(command.Program, command.Arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromMinutes(2));
        try
        {
            await process.StandardInput.WriteAsync(JsonSerializer.Serialize(setting));
            process.StandardInput.Close();
            var (said, complained) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
            await process.WaitForExitAsync(limit.Token);
            Assert.True(process.ExitCode == 0, await complained);
            return JsonDocument.Parse(await said).RootElement;
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}
