using System.Globalization;
using OpenReadings.Migrator;
using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>What <c>migrate status</c> says, by its own code.</summary>
internal static class Schema
{
    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        var place = scope.Places.First(place => place.Service == database.Service);
        var report = await Migrations.StatusAsync(place.Service, place.ConnectionString, ct);
        var pending = report.Scripts.Where(script => script.State is "pending" or "partial" or "late").Select(script => script.Name).ToList();
        section.Figures = report;
        section.Summary = report.Message?.Split('\n')[0] ?? "";
        if (report.Exit is ExitCode.Usage or ExitCode.Unreachable) return;
        section.Measure(Metric.SchemaPending, pending.Count, section.Of);
        if (report.Scripts.Where(script => script.State == "applied").Select(script => script.Name).Max(StringComparer.Ordinal) is { } newest)
            section.Measure(Metric.SchemaVersion, double.Parse(newest.AsSpan(0, 14), CultureInfo.InvariantCulture), section.Of);
        if (report.Exit == ExitCode.Invalid) section.Find(Severity.Bad, report.Message!.ReplaceLineEndings("; "), $"`migrate status -s {section.Of}`");
        if (pending.Count > 0)
            section.Find(Severity.Warn, $"{pending.Count} script(s) are not applied, first {pending[0]}", $"`migrate up -s {section.Of}`");
    }
}
