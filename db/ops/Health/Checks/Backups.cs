using System.Globalization;
using System.Text.Json;
using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>How old the newest backup of each service is, by the manifests in the folders of the backups.</summary>
internal static class Backups
{
    public static IReadOnlyList<Section> Look(Scope scope)
    {
        var section = new Section("backups", "backups");
        if (scope.Backups is not { } targets)
        {
            section.Summary = "not looked at: OPENREADINGS_BACKUP_TARGET is not set";
            return [section];
        }
        var folders = targets.Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(Directory.Exists).ToList();
        if (folders.Count == 0)
        {
            section.Summary = $"not looked at: {targets} is no folder here; `ops backup verify` says more";
            return [section];
        }
        var oneBelow = new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 1 };
        var newest = folders.SelectMany(folder => Directory.EnumerateFiles(folder, "manifest.json", oneBelow)).SelectMany(Manifest)
            .GroupBy(backup => backup.Service).ToDictionary(backups => backups.Key, backups => backups.Max(backup => backup.At));
        section.Figures = newest;
        var ages = scope.Places.Select(place => (place.Service,
            Age: newest.TryGetValue(place.Service, out var at) ? (DateTimeOffset.UtcNow - at).TotalSeconds : double.PositiveInfinity)).ToList();
        foreach (var (service, age) in ages)
        {
            section.Measure(Metric.BackupAge, age, service);
            section.Judge(age, scope.Limits.BackupAgeSeconds,
                double.IsInfinity(age) ? $"{service} has no backup" : $"the newest backup of {service} is {Words.Age(age)} old",
                "`ops backup run`, and look why its timer did not");
        }
        section.Summary = newest.Count == 0 ? "none" : $"the oldest of the newest is {Words.Age(ages.Max(backup => backup.Age))} old";
        return [section];
    }

    private static IEnumerable<(string Service, DateTimeOffset At)> Manifest(string file)
    {
        var name = Path.GetFileName(Path.GetDirectoryName(file));
        if (!DateTimeOffset.TryParseExact(
            name, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)) return [];
        try
        {
            using var manifest = JsonDocument.Parse(File.ReadAllBytes(file));
            var services = manifest.RootElement.GetProperty("services").EnumerateArray();
            return [.. services.Select(service => (service.GetProperty("service").GetString()!, at))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return [];
        }
    }
}
