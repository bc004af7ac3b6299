using System.Diagnostics;

namespace OpenReadings.Benchmarks;

internal static class Shell
{
    /// <summary>Runs a program to its end and returns what it printed; another exit code than 0 is an exception.</summary>
    public static async Task<string> RunAsync(
        string program, IEnumerable<string> arguments, IEnumerable<KeyValuePair<string, string>>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = Platform.Root, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        foreach (var (name, value) in environment ?? []) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode == 0) return said.Trim();
        throw new MeasurementFailedException($"{Path.GetFileName(program)} ended with {process.ExitCode}: {said}{await error}");
    }

    public static Task<string> BashAsync(string script) => RunAsync("bash", ["-c", script]);

    /// <summary>Starts a program in the background; its output goes to a file.</summary>
    public static Process Launch(
        string program, string argument, string folder, string log, IEnumerable<KeyValuePair<string, string>> environment)
    {
        // exec: the program takes the shell's place and its pid.
        var start = new ProcessStartInfo("bash", ["-c", "exec \"$0\" \"$1\" >>\"$2\" 2>&1 </dev/null", program, argument, log])
        {
            WorkingDirectory = folder,
        };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Asks a process to end, and after 40 s does not ask again.</summary>
    public static async Task FinishAsync(Process process)
    {
        if (!process.HasExited)
        {
            await RunAsync("kill", ["-TERM", process.Id.ToString()]);
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(40));
            await process.WaitForExitAsync(patience.Token).ContinueWith(_ => { }, TaskScheduler.Default);
            if (!process.HasExited) process.Kill();
        }
        process.Dispose();
    }
}
