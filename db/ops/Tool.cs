using System.Diagnostics;
using Npgsql;
using OpenReadings.Ops.Standbys;

namespace OpenReadings.Ops;

/// <summary>Runs PostgreSQL's own programs. A password goes by the environment, never as an argument.</summary>
internal static class Tool
{
    /// <summary>
    /// Runs to the end and fails with the program's last words unless it exits with 0. <paramref name="feed"/> writes its
    /// standard input, <paramref name="drain"/> reads its standard output, both while it runs.
    /// </summary>
    public static async Task RunAsync(
        ProcessStartInfo start, Func<Stream, Task>? feed, Func<Stream, Task>? drain, CancellationToken ct)
    {
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        using var process = Process.Start(start)!;
        var said = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            // The first that fails ends it: the other would wait for the program, and the program for its input.
            await foreach (var through in Task.WhenEach(FeedAsync(process, feed), (drain ?? DiscardAsync)(process.StandardOutput.BaseStream)))
                await through;
            await process.WaitForExitAsync(ct);
        }
        catch
        {
            // Ours is the first news: what the program says of its cut pipe is not.
            process.Kill(entireProcessTree: true);
            throw;
        }
        if (process.ExitCode != 0)
        {
            var name = Path.GetFileName(start.ArgumentList.FirstOrDefault(a => a.Contains("/bin/")) ?? start.FileName);
            throw new OpsException(Exit.Failed, $"{name} failed: {LastLines(await said)}");
        }

        Task DiscardAsync(Stream output) => output.CopyToAsync(Stream.Null, ct);
    }

    public static ProcessStartInfo Of(string program, params IEnumerable<string> arguments) => new(Find(program), arguments);

    /// <summary>A client program that connects as the connection string says.</summary>
    public static ProcessStartInfo Client(string connection, string program, params IEnumerable<string> arguments)
    {
        var start = Of(program, arguments);
        var to = new NpgsqlConnectionStringBuilder(connection);
        var hosts = Node.Of(connection);
        (string, string?)[] settings =
        [
            ("PGHOST", string.Join(',', hosts.Select(node => node.Host))), ("PGPORT", string.Join(',', hosts.Select(node => node.Port))),
            ("PGTARGETSESSIONATTRS", hosts.Count > 1 ? "primary" : null), ("PGUSER", to.Username), ("PGPASSWORD", to.Password),
            ("PGDATABASE", to.Database), ("PGSSLROOTCERT", to.RootCertificate), ("PGAPPNAME", "ops"),
            ("PGOPTIONS", "-c row_security=off -c statement_timeout=0 -c lock_timeout=60s"), ("PGSSLMODE", to.SslMode switch
            {
                SslMode.VerifyFull => "verify-full", SslMode.VerifyCA => "verify-ca", SslMode.Require => "require",
                SslMode.Disable => "disable", _ => "prefer",
            }),
        ];
        foreach (var (name, value) in settings)
            if (value is { Length: > 0 }) start.Environment[name] = value;
        return start;
    }

    /// <summary>A program of the server, which refuses to run as root: root runs it as postgres.</summary>
    public static ProcessStartInfo Server(string program, params IEnumerable<string> arguments)
    {
        var start = !Environment.IsPrivilegedProcess
            ? Of(program, arguments)
            : new ProcessStartInfo("setpriv", ["--reuid=postgres", "--regid=postgres", "--init-groups", Find(program), .. arguments]) { WorkingDirectory = "/" };
        // It would look for certificates in root's home, and fail because it may not; and the operator's PGPORT is a client's.
        start.Environment["HOME"] = "/";
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("PG", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        return start;
    }

    /// <summary>Makes the folder that of who runs the server.</summary>
    public static void GiveToServer(string folder)
    {
        using var process = Process.Start(new ProcessStartInfo("chown", ["postgres:", folder]))!;
        process.WaitForExit();
        if (process.ExitCode != 0) throw new OpsException(Exit.Failed, $"{folder} cannot be given to postgres.");
    }

    private static async Task FeedAsync(Process process, Func<Stream, Task>? feed)
    {
        try
        {
            if (feed is not null) await feed(process.StandardInput.BaseStream);
            process.StandardInput.Close();
        }
        catch (IOException e) when (e.Message.Contains("Broken pipe", StringComparison.Ordinal))
        {
            // The program ended before it had read everything: its exit code and last words say why.
        }
    }

    // Debian keeps the server's programs out of PATH; the newest version serves all older servers.
    private static string Find(string program) =>
        !Directory.Exists("/usr/lib/postgresql")
            ? program
            : Directory.EnumerateDirectories("/usr/lib/postgresql")
                .OrderByDescending(path => double.TryParse(Path.GetFileName(path), out var version) ? version : 0)
                .Select(path => Path.Combine(path, "bin", program))
                .FirstOrDefault(File.Exists) ?? program;

    private static string LastLines(string text)
    {
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length == 0 ? "it said nothing" : string.Join("; ", lines.TakeLast(3));
    }
}
