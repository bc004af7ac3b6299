using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using OpenReadings.Support;

namespace OpenReadings.PlatformTests;

/// <summary>Runs the project's own scripts, from the root of the checkout.</summary>
internal static class Shell
{
    public static async Task<(int Exit, string Said)> RunAsync(
        string script, IEnumerable<KeyValuePair<string, string?>>? environment = null, params string[] arguments)
    {
        var start = new ProcessStartInfo("bash", ["-c", script, "bash", .. arguments])
        {
            WorkingDirectory = TestServers.Root, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
        };
        foreach (var (name, value) in environment ?? []) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var said = process.StandardOutput.ReadToEndAsync();
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await said + errors);
    }

    /// <summary>A folder that the accounts of the servers can enter.</summary>
    public static string TemporaryFolder()
    {
        var folder = Directory.CreateTempSubdirectory("openreadings");
        if (!OperatingSystem.IsWindows()) folder.UnixFileMode |= (UnixFileMode)Convert.ToInt32("055", 8);
        return folder.FullName;
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
