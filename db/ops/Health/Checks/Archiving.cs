using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>Whether WAL files reach their archive.</summary>
internal static class Archiving
{
    private sealed record Archiver(string Mode, long Archived, long Failed, string? LastFailed, bool Failing, double? AgeSeconds);

    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        var archiver = await database.OneAsync<Archiver>(
            """
            select current_setting('archive_mode') as mode, archived_count as archived, failed_count as failed,
                last_failed_wal as last_failed,
                coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) as failing,
                extract(epoch from now() - last_archived_time)::float8 as age_seconds
            from pg_stat_archiver
            """, ct);
        section.Figures = archiver;
        section.Summary = archiver.Mode == "off" ? "off" : $"{archiver.Archived} archived, {archiver.Failed} failed";
        section.Measure(Metric.ArchiveFailures, archiver.Failed, section.Of);
        if (archiver.Mode == "off") return;
        if (archiver.AgeSeconds is { } age) section.Measure(Metric.ArchiveAge, age, section.Of);
        if (archiver.Failing)
            section.Find(Severity.Bad, $"{archiver.LastFailed} cannot be archived, and WAL piles up until the disk is full",
                "the server's log has what archive_command said; `ops pitr archive` is the command");
    }
}
