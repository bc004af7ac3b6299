using Npgsql;

namespace OpenReadings.Benchmarks;

/// <summary>1 000 readings a request against binary COPY: the same readings in the same order on two connections each.</summary>
internal static class Ingest
{
    private const string Metric = "heart_rate";
    private const int PerRequest = 1000, SourcesPerClient = 10;
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(30);
    private static readonly DateTime Begin = new(2025, 11, 1, 0, 0, 0, DateTimeKind.Utc);

    public static Task<IReadOnlyList<Figure>> ColumnarAsync(Bench bench) =>
        MeasureAsync(bench, "ingest_columnar", 0.35, run => run.AsColumns(Metric));

    public static Task<IReadOnlyList<Figure>> RowsAsync(Bench bench) =>
        MeasureAsync(bench, "ingest_rows", 0.25, run => run.AsRows(Metric));

    private static async Task<IReadOnlyList<Figure>> MeasureAsync(Bench bench, string name, double goal, Func<Run, string> body)
    {
        var (platform, requests) = (bench.Platform, bench.IsQuick ? 100 : 300);
        await KeyedTable.CreateAsync(platform);
        using var outbox = new Outbox(platform);
        await using var sink = await Sink.BindAsync(platform);
        using Person first = await Person.SignUpAsync(platform), second = await Person.SignUpAsync(platform);
        var sources = await Task.WhenAll(new[] { first, second }.Select(SourcesAsync));
        using Wire wire = new(platform.Address("readings")), otherWire = new(platform.Address("readings"));
        using NpgsqlConnection copying = new(platform.AsSuperuser(KeyedTable.Database)), alsoCopying = new(copying.ConnectionString);
        await Task.WhenAll(copying.OpenAsync(), alsoCopying.OpenAsync());

        var (shares, peers, ours, cpu) = (new List<double>(), new List<double>(), new List<double>(), Cpu.None);
        for (var round = 0; round <= bench.Rounds; round++)
        {
            Run[][] runs = [RunsOf(0, round, requests), RunsOf(1, round, requests)];
            string[] tokens = [await first.TokenAsync(), await second.TokenAsync()];
            byte[][][] bodies = [.. runs.Select((client, c) => client.Select(run => Wire.Request(
                "POST", $"/readings/v1/sources/{sources[c][run.Series % SourcesPerClient]}/readings", tokens[c], body(run))).ToArray())];

            await bench.SettleAsync();
            var peer = Clients.Run(client => KeyedTable.Copy(client == 0 ? copying : alsoCopying, runs[client]));
            await bench.SettleAsync();
            var before = Cpu.Of(platform, "readings");
            var our = Clients.Run(client =>
            {
                foreach (var request in bodies[client]) (client == 0 ? wire : otherWire).Store(request, PerRequest);
            }, outbox.WaitUntilEmpty);
            var used = Cpu.Of(platform, "readings") - before;
            await sink.EmptyAsync(atLeast: requests * 2);
            if (round == 0) continue;                        // warm: code compiled, statements prepared
            cpu += used;
            shares.Add(peer / our);
            peers.Add(2 * requests * PerRequest / peer);
            ours.Add(2 * requests * PerRequest / our);
        }
        return
        [
            new Figure(name, ">=", goal, [.. shares],
                "HTTP JSON, 1 000 readings a request, 2 connections, until the outbox is empty; a share of binary COPY of the same "
                + "readings on 2 connections into a plain table with the same columns and key",
                $"{Statistics.Median(ours) / 1000:F0} k readings/s against {Statistics.Median(peers) / 1000:F0} k/s; "
                + cpu.Per(2.0 * requests * PerRequest * bench.Rounds, "reading")),
        ];
    }

    private static async Task<Guid[]> SourcesAsync(Person person)
    {
        var sources = new Guid[SourcesPerClient];
        for (var i = 0; i < sources.Length; i++) sources[i] = await person.AddSourceAsync($"Watch {i}", (Metric, "/min", Metric));
        return sources;
    }

    private static Run[] RunsOf(int client, int round, int requests) =>
    [
        .. Enumerable.Range(round * requests, requests).Select(i => new Run(
            client * SourcesPerClient + i % SourcesPerClient, Begin + Step * PerRequest * (i / SourcesPerClient), Step, PerRequest)),
    ];
}
