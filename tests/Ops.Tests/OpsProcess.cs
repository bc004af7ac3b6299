using System.Diagnostics;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests;

/// <summary>The program as an operator starts it.</summary>
internal static class OpsProcess
{
    public static async Task<(int Exit, string Output, string Errors)> RunAsync(IEnumerable<(string Name, string Value)> settings, params string[] arguments)
    {
        using var process = Start(settings, arguments);
        var output = process.StandardOutput.ReadToEndAsync(Given.Ct);
        var errors = await process.StandardError.ReadToEndAsync(Given.Ct);
        await process.WaitForExitAsync(Given.Ct);
        return (process.ExitCode, await output, errors);
    }

    public static Process Start(IEnumerable<(string Name, string Value)> settings, params string[] arguments)
    {
        // Where it was built: the copy beside the tests has their framework.
        var program = Path.Combine(AppContext.BaseDirectory.Replace("tests/Ops.Tests", "db/ops", StringComparison.Ordinal), "ops.dll");
        var start = new ProcessStartInfo("dotnet", [program, .. arguments])
        {
            WorkingDirectory = TestServers.Root, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["SECRETS_DIRECTORY"] = "/nonexistent";
        foreach (var (name, value) in settings) start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
