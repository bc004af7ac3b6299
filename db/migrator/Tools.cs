using System.ComponentModel;
using System.Diagnostics;
using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>PostgreSQL's own programs, where nothing of ours could be as right: pg_dump and psql.</summary>
internal static class Tools
{
    public static Task<string> DumpAsync(Target target, string[] arguments, CancellationToken ct) =>
        ForAsync(target, "pg_dump", arguments, ct);

    public static Task<string> PsqlAsync(
        Target target, string file, CancellationToken ct, params (string Name, string Value)[] environment) =>
        ForAsync(target, "psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file], ct, environment);

    /// <summary>Runs to the end, and is killed when the run is stopped.</summary>
    public static async Task<(int Exit, string Output)> RunAsync(
        string program, string[] arguments, (string Name, string Value)[] environment, CancellationToken ct)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Start(start);
        await using var kill = ct.Register(() => process.Kill(entireProcessTree: true));
        var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var output = await process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        ct.ThrowIfCancellationRequested();
        return (process.ExitCode, process.ExitCode == 0 ? output : await error);
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw MigrationException.Usage(
                $"{start.FileName} is not installed (Debian: postgresql-client): {e.Message}", e);
        }
    }

    private static async Task<string> ForAsync(
        Target target, string program, string[] arguments, CancellationToken ct,
        params (string Name, string Value)[] environment)
    {
        var to = target.Parse();
        var ssl = to.SslMode switch
        {
            SslMode.VerifyCA => "verify-ca",
            SslMode.VerifyFull => "verify-full",
            var mode => mode.ToString().ToLowerInvariant(),
        };
        (string, string?)[] connection =
        [
            ("PGHOST", to.Host), ("PGPORT", $"{to.Port}"), ("PGDATABASE", to.Database), ("PGUSER", to.Username),
            ("PGPASSWORD", to.Password), ("PGPASSFILE", to.Passfile), ("PGSSLMODE", ssl),
            ("PGSSLROOTCERT", to.RootCertificate), ("PGOPTIONS", to.Options),
        ];
        var given = connection.Where(pair => !string.IsNullOrEmpty(pair.Item2)).Select(pair => (pair.Item1, pair.Item2!));
        var (exit, output) = await RunAsync(program, arguments, [.. given, .. environment], ct);
        return exit == 0 ? output
            : throw new MigrationException(ExitCode.Failed, $"{program} ended with {exit}: {output.Trim()}");
    }
}
