using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace OpenReadings.Benchmarks;

/// <summary>A whole Apple Health export, end to end, and what it costs sync in memory.</summary>
internal static class Import
{
    private const int Many = 1_000_000, Few = 100_000;

    public static async Task<IReadOnlyList<Figure>> SpeedAsync(Bench bench)
    {
        var platform = bench.Platform;
        var (file, records) = Export(bench, bench.IsQuick ? Few : Many);
        var (small, few) = Export(bench, Few, madeUp: true);
        await ImportAsync(platform, small, few);                // warm
        var (rates, cpu, readings) = (new List<double>(), Cpu.None, 0.0);
        for (var round = 0; round < Math.Min(3, bench.Rounds); round++)
        {
            await bench.SettleAsync();
            var (before, other) = (Cpu.Of(platform, "sync"), Cpu.Of(platform, "readings"));
            rates.Add(records / await ImportAsync(platform, file, records));
            cpu += Cpu.Of(platform, "sync") - before;
            readings += (Cpu.Of(platform, "readings") - other).Service;
        }
        return
        [
            new Figure("import_apple_health", ">=", 100_000, [.. rates],
                $"records/s of an Apple Health export of {records} records, from the start of its upload until the import is completed",
                $"{new FileInfo(file).Length >> 20} MB; {cpu.Per((double)records * rates.Count, "record")}, "
                + $"readings {Figure.Text(readings * 1e6 / records / rates.Count)} (service: sync)"),
        ];
    }

    public static async Task<IReadOnlyList<Figure>> MemoryAsync(Bench bench)
    {
        var (few, many) = (Export(bench, Few, madeUp: true), Export(bench, Many));
        var (ratios, peaks, small) = (new List<double>(), new List<double>(), new List<double>());
        for (var round = 0; round < (bench.IsQuick ? 1 : 3); round++)
        {
            small.Add(await PeakAsync(bench.Platform, few));
            peaks.Add(await PeakAsync(bench.Platform, many));
            ratios.Add(peaks[^1] / small[^1]);
        }
        var detail = $"{Statistics.Median(small):F0} MB at {few.Records} records, {Statistics.Median(peaks):F0} MB at {many.Records}";
        const string how = "peak resident memory (VmHWM) of a sync process of its own for each import";
        return
        [
            new Figure("import_memory", "<=", 1, [.. ratios.Zip(peaks, (ratio, peak) => Math.Max(ratio / 1.15, peak / 300))],
                "the worse of the two below, each as a share of its limit", detail),
            new Figure("import_memory_ratio", "<=", 1.15, [.. ratios], how + ": at 1 M records, as a multiple of that at 0.1 M", detail),
            new Figure("import_memory_peak", "<=", 300, [.. peaks], how + ", in MB, at 1 M records", detail),
        ];
    }

    private static (string File, int Records) Export(Bench bench, int records, bool madeUp = false)
    {
        if (bench.Export is { } given && !madeUp) return (given, File.ReadLines(given).Count(line => line.Contains("<Record ", StringComparison.Ordinal)));
        var file = Path.Combine(bench.Platform.Files, $"export-{records}.xml");
        return (file, AppleHealthExport.Write(file, records));
    }

    /// <summary>Somebody new uploads the file; the seconds until all of it is stored.</summary>
    private static async Task<double> ImportAsync(Platform platform, string file, int records)
    {
        using var person = await Person.SignUpAsync(platform);
        await person.TokenAsync();
        var started = Stopwatch.GetTimestamp();
        JsonElement import;
        await using (var stream = File.OpenRead(file))
            import = await person.SendAsync(HttpMethod.Post, "sync", "/sync/v1/imports?format=apple-health", new StreamContent(stream, 1 << 20));
        var path = $"/sync/v1/imports/{import.GetProperty("import_id").GetString()}";
        while (true)
        {
            import = await person.SendAsync(HttpMethod.Get, "sync", path);
            var state = import.GetProperty("state").GetString();
            if (state == "completed") break;
            if (state is "failed" or "cancelled") throw new MeasurementFailedException($"The import {state}: {import.GetRawText()}");
            await Task.Delay(20);
        }
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        var receipt = import.GetProperty("receipt");
        // A correlation and what is in it, a workout and its statistics: what counts as one is the importer's to say.
        if (receipt.GetProperty("stored").GetInt64() < records * 0.95 || receipt.GetProperty("rejected").GetInt64() > 0)
            throw new MeasurementFailedException($"Of {records} records came in: {receipt.GetRawText()}");
        return seconds;
    }

    private static async Task<double> PeakAsync(Platform platform, (string File, int Records) export)
    {
        await platform.RestartAsync("sync");
        await ImportAsync(platform, export.File, export.Records);
        var line = (await File.ReadAllLinesAsync($"/proc/{platform.Pid("sync")}/status")).First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return double.Parse(line[6..^2], CultureInfo.InvariantCulture) / 1024;
    }
}
