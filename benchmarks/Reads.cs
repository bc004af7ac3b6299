using System.Diagnostics;
using System.Text.Json;

namespace OpenReadings.Benchmarks;

/// <summary>What a chart asks for: over HTTP, against the same SQL, and the same in a database that has grown.</summary>
internal static class Reads
{
    private static readonly TimeSpan LongestRound = TimeSpan.FromSeconds(4);

    private sealed record Read(string Name, string What, Func<Year, string> Path, int Count, Func<JsonElement, int> Counted);

    private static readonly Read
        Day = new("read_day", "1 440 minute values",
            year => $"{Of(year.Watch)}/readings?metric={Year.Metric}&from={Year.Day:O}&to={Year.Day.AddDays(1):O}&limit=1440",
            1440, answer => answer.GetProperty("readings").GetArrayLength()),
        Days = new("read_year", "a year of minutes as 365 local days",
            year => $"{Of(year.Watch)}/buckets?metric={Year.Metric}&bucket=1d&time_zone=Europe/Ljubljana&from={Year.From:O}&to={Year.To:O}",
            365, answer => answer.GetProperty("buckets").GetArrayLength()),
        Latest = new("read_latest", "the latest values of 20 metrics",
            year => $"{Of(year.Scale)}/latest", 20, answer => answer.GetProperty("latest").EnumerateObject().Count());

    public static IEnumerable<Measurement> Measurements =>
        new[] { Day, Days, Latest }.Select(read => new Measurement([read.Name], bench => AgainstSqlAsync(bench, read)))
            .Concat(new[] { Day, Days, Latest }.Select(read => new Measurement([$"{read.Name}_grown"], bench => GrownAsync(bench, read))));

    private static async Task<IReadOnlyList<Figure>> AgainstSqlAsync(Bench bench, Read read)
    {
        var (platform, year) = (bench.Platform, await bench.YearAsync());
        using var wire = new Wire(platform.Address("readings"));
        var request = Wire.Request("GET", read.Path(year), await year.Person.TokenAsync());
        Warm(wire, request, read);
        var statements = await SqlLog.CaptureAsync(platform, "readings_app", () => wire.Send(request));
        using var sql = PreparedSql.Open(platform.As("readings_app"), year.Person.Id, statements);
        if (sql.Run() < 2) throw new MeasurementFailedException("The SQL of the request found nothing.");

        var cpu = Cpu.Of(platform, "readings");
        var (ratios, peers, ours, count) = Compare(bench, () => wire.Send(request), () => sql.Run());
        cpu = Cpu.Of(platform, "readings") - cpu;
        return
        [
            new Figure(read.Name, "<=", 3, ratios,
                $"{read.What}: p50 over HTTP on one connection, as a multiple of the p50 of the same SQL ({statements.Count} "
                + "statement(s), taken from the server's log) prepared, with the user set in the same batch",
                $"{ours:F0} µs against {peers:F0} µs; both together: {cpu.Per(count, "pair")}"),
        ];
    }

    private static async Task<IReadOnlyList<Figure>> GrownAsync(Bench bench, Read read)
    {
        await bench.GrownAsync();
        var (platform, year) = (bench.Platform, await bench.YearAsync());
        using Wire plain = new(platform.Address("readings")), grown = new(platform.Address("grown"));
        var request = Wire.Request("GET", read.Path(year), await year.Person.TokenAsync());
        Warm(plain, request, read);
        Warm(grown, request, read);
        var (ratios, peers, ours, _) = Compare(bench, () => grown.Send(request), () => plain.Send(request));
        return
        [
            new Figure($"{read.Name}_grown", "<=", 1.3, ratios,
                $"{read.What}: p50 over HTTP with {Grown.Readings / 1_000_000} M other readings of {Grown.People} other people in the "
                + "database, as a multiple of the p50 without",
                $"{ours:F0} µs against {peers:F0} µs"),
        ];
    }

    // In turns of twenty, so that whatever else the machine does meets both.
    private static (double[] Ratios, double Peer, double Ours, int Count) Compare(Bench bench, Action ours, Action peer)
    {
        var count = 0;
        var rounds = Enumerable.Range(0, bench.Rounds).Select(_ =>
        {
            var (a, b, started) = (new List<double>(), new List<double>(), Stopwatch.GetTimestamp());
            while (a.Count < 600 && (a.Count < 100 || Stopwatch.GetElapsedTime(started) < LongestRound))
            {
                for (var i = 0; i < 20; i++) b.Add(Time(peer));
                for (var i = 0; i < 20; i++) a.Add(Time(ours));
            }
            count += a.Count;
            return (Ours: Statistics.Median(a), Peer: Statistics.Median(b));
        }).ToArray();
        return ([.. rounds.Select(round => round.Ours / round.Peer)],
            Statistics.Median(rounds.Select(round => round.Peer)), Statistics.Median(rounds.Select(round => round.Ours)), count);
    }

    private static double Time(Action action)
    {
        var started = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(started).TotalMicroseconds;
    }

    private static void Warm(Wire wire, byte[] request, Read read)
    {
        var started = Stopwatch.GetTimestamp();
        for (var i = 0; i < 1000 && (i < 100 || Stopwatch.GetElapsedTime(started) < LongestRound); i++) wire.Send(request);
        Year.Expect(wire.Body, read.Count, read.Counted);
    }

    private static string Of(Guid source) => $"/readings/v1/sources/{source}";
}
