using System.Globalization;
using System.Runtime.InteropServices;
using OpenReadings.Benchmarks;

CultureInfo.CurrentCulture = CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;
if (Options.Parse(args) is not { } options)
{
    Console.Error.WriteLine(Options.Usage);
    return 2;
}

// In the order in which they are cheap: the year first, into an empty database; the imports last.
Measurement[] all =
[
    new(["bytes_per_reading"], Year.BytesAsync),
    .. Reads.Measurements,
    new(["ingest_columnar"], Ingest.ColumnarAsync),
    new(["ingest_rows"], Ingest.RowsAsync),
    new(["ingest_single"], IngestSingle.MeasureAsync),
    new(["event_latency"], Events.LatencyAsync),
    new(["outbox_drain"], Events.DrainAsync),
    new(["sign_ins", "sign_ins_p99"], SignIns.MeasureAsync),
    new(["token_verification"], Tokens.VerificationAsync),
    new(["revocation"], Tokens.RevocationAsync),
    new(["import_apple_health"], Import.SpeedAsync),
    new(["import_memory", "import_memory_ratio", "import_memory_peak"], Import.MemoryAsync),
];
var wanted = all.Where(measurement => measurement.Names.Any(options.Wants)).ToArray();
if (wanted.Length == 0)
{
    Console.Error.WriteLine($"No figure has such a name. There are: {string.Join(' ', all.SelectMany(measurement => measurement.Names))}");
    return 2;
}

var (figures, failed, load) = (new List<Figure>(), 0, Results.Load());
await using var platform = await Platform.TryStartAsync();
if (platform is null) return 1;
using var bench = new Bench(platform, options);
// Without its servers the measurement under way fails, and the end of this file cleans up.
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    failed++;
    wanted = [];
    foreach (var name in new[] { "broker", "postgres" }) Shell.RunAsync("kill", ["-QUIT", platform.Pid(name).ToString()]).Wait();
}
using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

for (var i = 0; i < wanted.Length; i++)
{
    try
    {
        foreach (var figure in await wanted[i].RunAsync(bench))
        {
            figures.Add(figure);
            Console.WriteLine(figure.Line);
            if (!options.IsWhole) Console.WriteLine($"    {figure.Detail} ({Figure.Text(figure.Least)}–{Figure.Text(figure.Most)})");
        }
    }
    catch (Exception e)
    {
        failed++;
        Console.WriteLine($"{wanted.ElementAtOrDefault(i)?.Names[0]} failed: {e.Message}");
        foreach (var line in platform.Complaints()) Console.Error.WriteLine($"    {line}");
    }
}
if (options.IsWhole && failed == 0) await Results.WriteAsync(figures, load);
return failed == 0 ? 0 : 1;
