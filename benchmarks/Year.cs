using System.Text.Json;

namespace OpenReadings.Benchmarks;

/// <summary>
/// A person with a year of minute values from each of two watches, sent hour by hour as watches do, and a source with twenty
/// metrics.
/// </summary>
internal sealed class Year : IDisposable
{
    public const string Metric = "heart_rate";
    private const int PerRequest = 60, Days = 365;
    private static readonly TimeZoneInfo Zone = TimeZoneInfo.FindSystemTimeZoneById("Europe/Ljubljana");

    private Year(Person person, Guid watch, Guid scale, double bytesPerReading)
    {
        (Person, Watch, Scale, BytesPerReading) = (person, watch, scale, bytesPerReading);
    }

    public Person Person { get; }
    public Guid Watch { get; }
    public Guid Scale { get; }

    /// <summary>By how much all tables and indexes together grew, for each reading.</summary>
    public double BytesPerReading { get; }

    public static DateTime To { get; } = Midnight(0);
    public static DateTime From { get; } = Midnight(Days);
    public static DateTime Day { get; } = Midnight(100);

    public static async Task<Year> LoadAsync(Bench bench)
    {
        var platform = bench.Platform;
        var person = await Person.SignUpAsync(platform);
        Guid[] watches = [await person.AddSourceAsync("Watch", (Metric, "/min", Metric)), await person.AddSourceAsync("Ring", (Metric, "/min", Metric))];
        var scale = await person.AddSourceAsync("Scale", [.. Enumerable.Range(1, 20).Select(i => ($"part_{i}", "kg", (string?)null))]);
        using var outbox = new Outbox(platform);

        var before = await SizeAsync(platform);
        var hours = (int)(To - From).TotalHours;
        for (var month = 0; month < 12; month++)              // in parts: a token holds for ten minutes
        {
            var token = await person.TokenAsync();
            Clients.Run(client =>
            {
                using var wire = new Wire(platform.Address("readings"));
                for (var hour = hours * month / 12; hour < hours * (month + 1) / 12; hour++)
                {
                    var run = new Run(client, From.AddHours(hour), TimeSpan.FromMinutes(1), PerRequest);
                    var request = Wire.Request("POST", $"/readings/v1/sources/{watches[client]}/readings", token, run.AsColumns(Metric));
                    wire.Store(request, PerRequest);
                }
            }, outbox.WaitUntilEmpty);
        }
        var bytes = (double)(await SizeAsync(platform) - before) / (2 * hours * PerRequest);

        using (var wire = new Wire(platform.Address("readings")))
        {
            for (var part = 1; part <= 20; part++)
            {
                var run = new Run(part, To.AddDays(-50).AddSeconds(part), TimeSpan.FromHours(12), 100);
                wire.Store(Wire.Request(
                    "POST", $"/readings/v1/sources/{scale}/readings", await person.TokenAsync(), run.AsColumns($"part_{part}")), 100);
            }
        }
        await platform.QueryAsync<object>("vacuum (analyze)");
        return new Year(person, watches[0], scale, bytes);
    }

    public static async Task<IReadOnlyList<Figure>> BytesAsync(Bench bench)
    {
        var year = await bench.YearAsync();
        return
        [
            new Figure("bytes_per_reading", "<=", 90, [year.BytesPerReading],
                "growth of all tables and indexes of the database, outbox and rollups included, after a year of minute values from two "
                + "sources in requests of 60, and a vacuum",
                $"{2 * (To - From).TotalMinutes:F0} readings"),
        ];
    }

    /// <summary>Throws when the answer does not hold what it should.</summary>
    public static void Expect(ReadOnlySpan<byte> body, int count, Func<JsonElement, int> counted)
    {
        using var answer = JsonDocument.Parse(body.ToArray());
        if (counted(answer.RootElement) is var found && found != count)
            throw new MeasurementFailedException($"The answer holds {found} items and not {count}.");
    }

    private static DateTime Midnight(int daysAgo) =>
        TimeZoneInfo.ConvertTimeToUtc(TimeZoneInfo.ConvertTime(DateTime.UtcNow, Zone).Date.AddDays(-daysAgo), Zone);

    private static async Task<long> SizeAsync(Platform platform)
    {
        await platform.QueryAsync<object>("vacuum");          // as autovacuum will: the outbox's sent rows are gone
        return (long)await platform.QueryAsync<decimal>(
            "select sum(pg_total_relation_size(oid)) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace");
    }

    public void Dispose() => Person.Dispose();
}
