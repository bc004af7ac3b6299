using System.Globalization;
using System.Text.RegularExpressions;

namespace OpenReadings.Benchmarks;

/// <summary>One reading a request against pgbench's prepared insert of one row, two connections each.</summary>
internal static partial class IngestSingle
{
    private const string Metric = "heart_rate";
    private static readonly DateTime Begin = new(2025, 11, 1, 0, 0, 0, DateTimeKind.Utc);

    public static async Task<IReadOnlyList<Figure>> MeasureAsync(Bench bench)
    {
        var (platform, requests) = (bench.Platform, bench.IsQuick ? 2000 : 8000);
        await KeyedTable.CreateAsync(platform);
        var script = Path.Combine(platform.Files, "insert.sql");
        await File.WriteAllTextAsync(script,
            """
            \set n :n + 1
            insert into keyed (at, value, series_id, utc_offset) values (to_timestamp(:n * 60::float8), 61, :client_id + 1, 120);
            """);
        using var outbox = new Outbox(platform);
        await using var sink = await Sink.BindAsync(platform);
        using Person first = await Person.SignUpAsync(platform), second = await Person.SignUpAsync(platform);
        Guid[] sources = [await first.AddSourceAsync("Watch", (Metric, "/min", Metric)), await second.AddSourceAsync("Watch", (Metric, "/min", Metric))];
        using Wire wire = new(platform.Address("readings")), otherWire = new(platform.Address("readings"));

        var (shares, peers, ours, cpu) = (new List<double>(), new List<double>(), new List<double>(), Cpu.None);
        for (var round = 0; round <= bench.Rounds; round++)
        {
            string[] tokens = [await first.TokenAsync(), await second.TokenAsync()];
            byte[][][] bodies = [.. sources.Select((source, c) => Enumerable.Range(round * requests, requests).Select(i => Wire.Request(
                "POST", $"/readings/v1/sources/{source}/readings", tokens[c],
                new Run(c, Begin.AddMinutes(i), TimeSpan.Zero, 1).AsRows(Metric))).ToArray())];

            await bench.SettleAsync();
            var peer = await PgbenchAsync(platform, script, round, 2 * requests);
            await bench.SettleAsync();
            var before = Cpu.Of(platform, "readings");
            var our = 2 * requests / Clients.Run(client =>
            {
                foreach (var request in bodies[client]) (client == 0 ? wire : otherWire).Store(request, 1);
            }, outbox.WaitUntilEmpty);
            var used = Cpu.Of(platform, "readings") - before;
            await sink.EmptyAsync(atLeast: 2 * requests);
            if (round == 0) continue;                        // warm: code compiled, statements prepared
            cpu += used;
            shares.Add(our / peer);
            peers.Add(peer);
            ours.Add(our);
        }
        return
        [
            new Figure("ingest_single", ">=", 0.4, [.. shares],
                "HTTP JSON, one reading a request, 2 connections, until the outbox is empty; a share of pgbench -M prepared -c 2 -j 2 "
                + "inserting one row a transaction into a plain table with the same columns and key",
                $"{Statistics.Median(ours):F0} requests/s against {Statistics.Median(peers):F0} transactions/s; "
                + cpu.Per(2.0 * requests * bench.Rounds, "request")),
        ];
    }

    private static async Task<double> PgbenchAsync(Platform platform, string script, int round, int transactions)
    {
        var said = await Shell.BashAsync($"""
            PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
            PGPASSFILE={platform.PostgresFolder}/pgpass pgbench -n -M prepared -c 2 -j 2 -t {transactions} -D n={round * transactions} \
              -f {script} -h 127.0.0.1 -p {platform.PostgresPort} -U postgres {KeyedTable.Database} 2>&1
            """);
        var found = TransactionsPerSecond().Match(said);
        return found.Success
            ? double.Parse(found.Groups[1].Value, CultureInfo.InvariantCulture)
            : throw new MeasurementFailedException($"pgbench said: {said}");
    }

    [GeneratedRegex(@"tps = ([\d.]+) \(without")]
    private static partial Regex TransactionsPerSecond();
}
