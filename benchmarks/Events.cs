using System.Diagnostics;
using System.Text.Json;

namespace OpenReadings.Benchmarks;

/// <summary>How soon an outsider knows, and how fast the relay sends.</summary>
internal static class Events
{
    private const string Metric = "heart_rate";

    public static async Task<IReadOnlyList<Figure>> LatencyAsync(Bench bench)
    {
        var (platform, writes) = (bench.Platform, bench.IsQuick ? 50 : 200);
        using var person = await Person.SignUpAsync(platform);
        var source = await person.AddSourceAsync("Watch", (Metric, "/min", Metric));
        using var wire = new Wire(platform.Address("readings"));
        await using var outsider = await Sink.BindAsync(platform);
        using var arrived = new SemaphoreSlim(0);
        var at = 0L;
        await outsider.ConsumeAsync((moment, _) =>
        {
            Volatile.Write(ref at, moment);
            arrived.Release();
        });

        var (medians, all, minute) = (new List<double>(), new List<double>(), 0);
        for (var round = 0; round <= bench.Rounds; round++)
        {
            var (token, latencies) = (await person.TokenAsync(), new List<double>());
            for (var i = 0; i < writes; i++)
            {
                // People do not write at the beat of the relay.
                Thread.Sleep(Random.Shared.Next(1, 10));
                wire.Store(Post(source, token, minute++), 1);
                var answered = Stopwatch.GetTimestamp();
                if (!await arrived.WaitAsync(TimeSpan.FromSeconds(10))) throw new MeasurementFailedException("An event did not arrive in 10 s.");
                latencies.Add(Math.Max(0, Stopwatch.GetElapsedTime(answered, Volatile.Read(ref at)).TotalMilliseconds));
            }
            if (round == 0) continue;
            medians.Add(Statistics.Median(latencies));
            all.AddRange(latencies);
        }
        return
        [
            new Figure("event_latency", "<=", 20, [.. medians],
                "ms from the answer to a write of one reading until a RabbitMQ.Client of somebody else has the event from a quorum "
                + "queue; p50 of each round, one write at a time",
                $"p95 {Statistics.Percentile(all, 0.95):F1} ms, p99 {Statistics.Percentile(all, 0.99):F1} ms"),
        ];
    }

    public static async Task<IReadOnlyList<Figure>> DrainAsync(Bench bench)
    {
        var (platform, count) = (bench.Platform, bench.IsQuick ? 5000 : 20_000);
        using var person = await Person.SignUpAsync(platform);
        var source = await person.AddSourceAsync("Watch", (Metric, "/min", Metric));
        using var wire = new Wire(platform.Address("readings"));
        using var outbox = new Outbox(platform);
        outbox.WaitUntilEmpty();
        var body = await CaptureAsync(platform, wire, Post(source, await person.TokenAsync(), 0));
        using var envelope = JsonDocument.Parse(body);
        var data = envelope.RootElement.GetProperty("data").GetRawText().Replace("'", "''", StringComparison.Ordinal);
        await using var sink = await Sink.BindAsync(platform);
        await using var raw = await RawPublisher.ConnectAsync(platform);

        var (shares, peers, ours, cpu) = (new List<double>(), new List<double>(), new List<double>(), Cpu.None);
        for (var round = 0; round <= bench.Rounds; round++)
        {
            var peer = await raw.SendAsync(body, count);
            await sink.EmptyAsync(count);
            var wake = Post(source, await person.TokenAsync(), round + 1);
            await platform.QueryAsync<object>(
                $"""
                insert into outbox (id, event_type, subject, data, traceparent)
                select ('0{round}a1fabf-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'readings.recorded.v1',
                    '{source}/{Metric}', '{data}', '00-' || md5(n::text) || '-00f067aa0ba902b7-01'
                from generate_series(1, {count}) n
                """);
            var (started, before) = (Stopwatch.GetTimestamp(), Cpu.Of(platform, "readings"));
            wire.Store(wake, 1);                                 // its commit wakes the relay
            outbox.WaitUntilEmpty();
            var (our, used) = (Stopwatch.GetElapsedTime(started).TotalSeconds, Cpu.Of(platform, "readings") - before);
            await sink.EmptyAsync(count + 1);
            if (round == 0) continue;
            cpu += used;
            shares.Add(peer / our);
            peers.Add(count / peer);
            ours.Add(count / our);
        }
        return
        [
            new Figure("outbox_drain", ">=", 0.4, [.. shares],
                $"{count} events in the outbox until it is empty, as a share of publishing as many messages of the same size "
                + $"({body.Length} bytes) with RabbitMQ.Client and confirms in batches of 200; one durable quorum queue is bound",
                $"{Statistics.Median(ours):F0} events/s against {Statistics.Median(peers):F0}/s; {cpu.Per((double)count * bench.Rounds, "event")}"),
        ];
    }

    private static byte[] Post(Guid source, string token, int minute) => Wire.Request(
        "POST", $"/readings/v1/sources/{source}/readings", token,
        new Run(1, new DateTime(2025, 11, 1, 0, 0, 0, DateTimeKind.Utc).AddMinutes(minute), TimeSpan.Zero, 1).AsRows(Metric));

    private static async Task<byte[]> CaptureAsync(Platform platform, Wire wire, byte[] request)
    {
        await using var sink = await Sink.BindAsync(platform);
        var body = new TaskCompletionSource<byte[]>();
        await sink.ConsumeAsync((_, arrived) => body.TrySetResult(arrived.ToArray()));
        wire.Store(request, 1);
        return await body.Task.WaitAsync(TimeSpan.FromSeconds(10));
    }
}
