using OpenReadings.Ops.Health;
using OpenReadings.Ops.Health.Checks;
using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Tests.Health;

public sealed class BackupAndGrowthTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("ops-backups").FullName;

    [Fact]
    public void A_backup_that_is_old_or_missing_is_found_for_each_service()
    {
        Write(DateTimeOffset.UtcNow.AddHours(-1), """{"services": [{"service": "readings"}]}""");
        Write(DateTimeOffset.UtcNow.AddHours(-60), """{"services": [{"service": "readings"}, {"service": "sync"}]}""");
        Write(DateTimeOffset.UtcNow, "{\"services\": [{\"serv");
        var section = Backups.Look(new Scope([new("readings", ""), new("sync", ""), new("catalog", "")]) { Backups = $"s3://bucket/there {folder}" }).Single();
        Assert.Equal(["sync", "catalog"], section.Findings.Select(finding => finding.What.Split(' ').First(word => word is "readings" or "sync" or "catalog")));
        Assert.All(section.Findings, finding => Assert.Equal(Severity.Bad, finding.Severity));
        Assert.InRange(section.Samples.Single(sample => sample.Labels is ["readings"]).Value, 3590, 3700);
        var text = new PrometheusText(new Diagnosis(DateTimeOffset.UtcNow, [section])).ToString();
        Assert.Contains("openreadings_backup_age_seconds{service=\"catalog\"} +Inf\n", text, StringComparison.Ordinal);
        Assert.Contains("openreadings_findings{check=\"backups\",severity=\"bad\"} 2\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Growth_is_told_from_the_second_day_on()
    {
        var clock = new Clock { Now = new(2026, 11, 1, 9, 0, 0, TimeSpan.Zero) };
        var history = new SizeHistory(Path.Combine(folder, "state", "sizes.jsonl"), clock);
        Assert.Null(history.PerDay("readings", 1000));
        history.Remember(new() { ["readings"] = 1000 });
        Assert.Null(history.PerDay("readings", 1500));

        clock.Now += TimeSpan.FromDays(2);
        Assert.Equal(500, history.PerDay("readings", 2000));
        Assert.Null(history.PerDay("sync", 2000));
        for (var day = 0; day < 200; day++)
        {
            history.Remember(new() { ["readings"] = 2000 });
            clock.Now += TimeSpan.FromDays(1);
        }
        Assert.Equal(90, File.ReadLines(Path.Combine(folder, "state", "sizes.jsonl")).Count());
    }

    [Fact]
    public void A_history_that_cannot_be_read_or_written_stops_nothing()
    {
        var file = Path.Combine(folder, "broken.jsonl");
        File.WriteAllText(file, "not json\n");
        var history = new SizeHistory(file, TimeProvider.System);
        Assert.Null(history.PerDay("readings", 1));
        new SizeHistory("/proc/none/sizes.jsonl", TimeProvider.System).Remember(new() { ["readings"] = 1 });
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private void Write(DateTimeOffset at, string manifest)
    {
        var set = Directory.CreateDirectory(Path.Combine(folder, $"{at.UtcDateTime:yyyyMMdd'T'HHmmss'Z'}")).FullName;
        File.WriteAllText(Path.Combine(set, "manifest.json"), manifest);
    }

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; }
        public override DateTimeOffset GetUtcNow() => Now;
    }
}
