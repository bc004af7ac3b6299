using System.Diagnostics;

namespace OpenReadings.Support;

/// <summary>A service as a process of its own, which can be killed as a crash would and started again.</summary>
public sealed class ServiceProcess(string service, Func<Dictionary<string, string>> settings) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly List<string> lines = [];
    private Process? process;

    public Uri Address { get; } = new($"http://127.0.0.1:{Ports.Free()}");

    public IReadOnlyList<string> Lines
    {
        get { lock (lines) return [.. lines]; }
    }

    public async Task StartAsync()
    {
        var build = AppContext.BaseDirectory.Contains("/Release/", StringComparison.Ordinal) ? "Release" : "Debug";
        var name = char.ToUpperInvariant(service[0]) + service[1..];
        var folder = Path.Combine(TestServers.Root, "services", service, "bin", build, "net10.0");
        var start = new ProcessStartInfo("dotnet", [Path.Combine(folder, $"OpenReadings.{name}.dll")])
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        foreach (var (key, value) in settings()) start.Environment[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        start.Environment["Urls"] = Address.ToString();
        process = Process.Start(start)!;
        process.OutputDataReceived += Keep;
        process.ErrorDataReceived += Keep;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        await UntilReadyAsync();
    }

    /// <summary>Ends it at once, as a crash or an out-of-memory killer would.</summary>
    public async Task KillAsync()
    {
        process!.Kill();
        await process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (process is { HasExited: false }) await KillAsync();
        process?.Dispose();
    }

    private async Task UntilReadyAsync()
    {
        using var http = new HttpClient { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(5) };
        for (var limit = Stopwatch.StartNew(); limit.Elapsed < Patience; await Task.Delay(50))
        {
            if (process!.HasExited) break;
            try
            {
                if ((await http.GetAsync(new Uri("/readyz", UriKind.Relative))).IsSuccessStatusCode) return;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException) { }
        }
        throw new InvalidOperationException($"{service} did not start:\n{string.Join('\n', Lines.TakeLast(20))}");
    }

    private void Keep(object _, DataReceivedEventArgs line)
    {
        if (line.Data is not null) lock (lines) lines.Add(line.Data);
    }
}
