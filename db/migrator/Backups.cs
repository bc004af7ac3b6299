using System.Globalization;

namespace OpenReadings.Migrator;

/// <summary>What must be so before anything is applied: a backup that is young enough, a command that succeeds.</summary>
public sealed record BackupOptions(TimeSpan? NewerThan = null, string? Directory = null, string? Hook = null);

/// <summary>No change without a way back, where the operator asks for that.</summary>
internal static class Backups
{
    public static async Task GuardAsync(Turn turn, BackupOptions options, bool somethingToApply, CancellationToken ct)
    {
        if (!somethingToApply) return;
        if (options.Hook is { } hook)
        {
            turn.Log($"backup hook: {hook}");
            var (exit, said) = await Tools.RunAsync("/bin/sh", ["-c", hook], [("SERVICE", turn.Target.Service)], ct);
            if (exit != 0) throw MigrationException.Refused($"The backup hook ended with {exit}: {said.Trim()}");
        }
        if (options.NewerThan is not { } most) return;
        var directory = options.Directory ?? Environment.GetEnvironmentVariable("BACKUP_DIRECTORY")
            ?? throw MigrationException.Usage("Say where backups are: --backups DIR or BACKUP_DIRECTORY.");
        var newest = Newest(directory)
            ?? throw MigrationException.Refused($"{directory} holds no finished backup.");
        var age = DateTimeOffset.UtcNow - newest;
        if (age > most)
            throw MigrationException.Refused($"The newest backup in {directory} is {age.TotalHours:0.0} h old; "
                + $"{most.TotalHours:0.#} h are allowed. Run: ops backup run");
    }

    // ops backup run makes a folder 20261121T093000Z, and writes its manifest when all else is there.
    private static DateTimeOffset? Newest(string directory) => !Directory.Exists(directory) ? null
        : Directory.EnumerateDirectories(directory)
            .Where(folder => File.Exists(Path.Combine(folder, "manifest.json")))
            .Select(folder => DateTimeOffset.TryParseExact(Path.GetFileName(folder), "yyyyMMdd'T'HHmmss'Z'",
                CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : (DateTimeOffset?)null)
            .Max();
}
