using System.CommandLine;
using System.Diagnostics;
using OpenReadings.Ops.Backup;

namespace OpenReadings.Ops.Pitr;

/// <summary>Copies the running server's files as a base for recovery, and proves the copy against its own manifest.</summary>
internal static class BaseBackup
{
    public sealed record Answer(string Folder, long Bytes, double Seconds)
    {
        public override string ToString() => $"{Folder}: {Bytes:N0} bytes, verified, {Seconds:F1} s. Older bases, and WAL from before the oldest one, can go.";
    }

    public static Command Verb()
    {
        Option<string> to = new("--to") { Description = "The folder of base backups", HelpName = "FOLDER", Required = true };
        return new Command("base", "Take a base backup and verify it") { to }.Runs(async (line, _, ct) =>
            (Exit.Ok, await RunAsync(Settings.Connection("admin"), line.GetValue(to)!, DateTimeOffset.UtcNow, ct)));
    }

    public static async Task<Answer> RunAsync(string admin, string folder, DateTimeOffset now, CancellationToken ct)
    {
        var clock = Stopwatch.StartNew();
        var name = Path.Combine(Path.GetFullPath(folder), Manifest.NameOf(now));
        // A copy gets its name when it is proven; what a broken run left has another.
        var unfinished = name + ".part";
        try
        {
            Directory.CreateDirectory(folder);
            await Tool.RunAsync(Tool.Client(admin, "pg_basebackup", "--pgdata", unfinished, "--checkpoint", "fast", "--wal-method", "stream",
                "--manifest-checksums", "SHA256", "--no-password"), null, null, ct);
            await Tool.RunAsync(Tool.Of("pg_verifybackup", "--quiet", unfinished), null, null, ct);
            Directory.Move(unfinished, name);
        }
        finally
        {
            if (Directory.Exists(unfinished)) Directory.Delete(unfinished, recursive: true);
        }
        return new Answer(name, new DirectoryInfo(name).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length), clock.Elapsed.TotalSeconds);
    }

    /// <summary>The newest base that was finished before the time.</summary>
    public static string NewestBefore(string folder, DateTimeOffset time) =>
        (Directory.Exists(folder) ? Directory.EnumerateDirectories(folder) : [])
            .Where(path => Sets.IsName(Path.GetFileName(path)) && string.CompareOrdinal(Path.GetFileName(path), Manifest.NameOf(time)) < 0)
            .Max(StringComparer.Ordinal)
        ?? throw new OpsException(Exit.Failed, $"{folder} holds no base backup from before {time:O}.");
}
