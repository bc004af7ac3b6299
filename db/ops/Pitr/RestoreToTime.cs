using System.CommandLine;
using System.Globalization;

namespace OpenReadings.Ops.Pitr;

/// <summary>
/// Lays a base backup into a new data folder and tells it to replay the archived WAL up to a time. Starting it is left to who
/// runs servers here; nothing that runs is touched.
/// </summary>
internal static class RestoreToTime
{
    public sealed record Answer(string Base, string Data, DateTimeOffset To, string Action)
    {
        public override string ToString() => $"{Data} is {Path.GetFileName(Base)} and will be replayed up to {To:O}. Start it:\n"
            + $"  pg_ctl start -D {Data}\n"
            + (Action == "pause" ? "It stops there, read-only, to be looked at: select pg_wal_replay_resume() makes it writable.\n" : "It becomes writable there.\n")
            + "When it ends before that time (FATAL: recovery ended before configured recovery target), WAL is missing in the archive.";
    }

    public static Command Verb()
    {
        Option<string> bases = new("--base") { Description = "The folder of base backups", HelpName = "FOLDER", Required = true };
        Option<string> archive = new("--archive") { Description = "The folder of archived WAL", HelpName = "FOLDER", Required = true };
        Option<string> data = new("--data") { Description = "The new data folder; it must not exist, or be empty", HelpName = "FOLDER", Required = true };
        Option<DateTimeOffset> to = new("--to")
        {
            Description = "The time, with its offset: 2026-11-26T21:30:00+01:00", HelpName = "TIME", Required = true,
            CustomParser = result => ParseTime(result.Tokens[0].Value, result.AddError),
        };
        Option<string> action = new("--action") { Description = "What to do there", DefaultValueFactory = _ => "pause" };
        action.AcceptOnlyFromAmong("pause", "promote");
        return new Command("restore", "Prepare a data folder that recovers to a time") { bases, archive, data, to, action }.Runs(async (line, _, ct) =>
            (Exit.Ok, await RunAsync(line.GetValue(bases)!, line.GetValue(archive)!, line.GetValue(data)!, line.GetValue(to), line.GetValue(action)!, ct)));
    }

    public static async Task<Answer> RunAsync(string bases, string archive, string data, DateTimeOffset to, string action, CancellationToken ct)
    {
        if (!Directory.Exists(archive)) throw new OpsException(Exit.Usage, $"There is no folder {archive}.");
        if (Directory.Exists(data) && Directory.EnumerateFileSystemEntries(data).Any())
            throw new OpsException(Exit.Refused, $"{data} is not empty: a recovery never goes over what is there.");
        var from = BaseBackup.NewestBefore(bases, to);
        await Tool.RunAsync(Tool.Of("pg_verifybackup", "--quiet", from), null, null, ct);
        await Tool.RunAsync(new("cp", ["--recursive", "--preserve=mode,timestamps", "--no-target-directory", from, data]), null, null, ct);

        // The base's own settings stay; these come last and win.
        await File.AppendAllTextAsync(Path.Combine(data, "postgresql.auto.conf"), string.Create(CultureInfo.InvariantCulture,
            $"""

            restore_command = 'cp "{Escape(Path.GetFullPath(archive))}/%f" "%p"'
            recovery_target_time = '{to.UtcDateTime:yyyy-MM-dd HH:mm:ss.ffffff}+00'
            recovery_target_action = '{action}'
            archive_mode = off

            """), ct);
        await File.WriteAllTextAsync(Path.Combine(data, "recovery.signal"), "", ct);
        if (Environment.IsPrivilegedProcess) await Tool.RunAsync(new("chown", ["--recursive", "postgres:", data]), null, null, ct);
        return new Answer(from, data, to, action);
    }

    private static string Escape(string path) => path.Replace("%", "%%", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal);

    // A time without an offset would be a guess, and the wrong hour loses what was to be saved.
    private static DateTimeOffset ParseTime(string text, Action<string> error)
    {
        if (text.Length > 19 && DateTimeOffset.TryParseExact(text,
                ["yyyy-MM-dd'T'HH:mm:sszzz", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFzzz", "yyyy-MM-dd'T'HH:mm:ss'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'"],
                CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)) return time;
        error($"--to: {text} is no time with an offset. Write 2026-11-26T21:30:00+01:00 or 2026-11-26T20:30:00Z.");
        return default;
    }
}
