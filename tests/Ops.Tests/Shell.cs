using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests;

/// <summary>Runs scripts as an operator does, from the root of the checkout.</summary>
internal static class Shell
{
    public static async Task<(int Exit, string Said)> RunAsync(
        string script, IReadOnlyDictionary<string, string>? environment, params string[] arguments)
    {
        // Its own file and not a pipe: a server that the script starts keeps what it was given open.
        var said = Path.GetTempFileName();
        var start = new ProcessStartInfo("bash", ["-c", "exec >\"$0\" 2>&1 </dev/null\n" + script, said, .. arguments]) { WorkingDirectory = TestServers.Root };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync();
        var text = await File.ReadAllTextAsync(said);
        File.Delete(said);
        return (process.ExitCode, text);
    }

    public static async Task<string> MustAsync(string script, IReadOnlyDictionary<string, string>? environment, params string[] arguments)
    {
        var (exit, said) = await RunAsync(script, environment, arguments);
        return exit == 0 ? said : throw new InvalidOperationException($"exit {exit}: {said}");
    }

    /// <summary>A folder that the accounts of the servers can enter.</summary>
    public static string TemporaryFolder()
    {
        var folder = Directory.CreateTempSubdirectory("openreadings");
        folder.UnixFileMode |= UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        return folder.FullName;
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
