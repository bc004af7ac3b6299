using System.Diagnostics;
using System.Diagnostics.Metrics;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace OpenReadings.Migrator;

/// <summary>Spans of run, script and statement, and what alerts ask for. Costs nothing unless OTLP is configured.</summary>
internal static class Telemetry
{
    private const string Name = "OpenReadings.Migrator";
    private static readonly Meter Meter = new(Name);

    public static readonly ActivitySource Spans = new(Name);
    public static readonly Counter<long> Applied = Meter.CreateCounter<long>("migrations_applied_total");
    public static readonly Counter<long> Retries = Meter.CreateCounter<long>("ddl_lock_retries_total");
    public static readonly Counter<long> Backfilled = Meter.CreateCounter<long>("backfill_rows_total");
    public static readonly Histogram<double> Duration = Meter.CreateHistogram<double>("migration_duration_seconds", "s");
    public static readonly Histogram<double> LockWait = Meter.CreateHistogram<double>("lock_wait_seconds", "s");
    public static readonly Gauge<int> Pending = Meter.CreateGauge<int>("migration_pending");

    public static KeyValuePair<string, object?> Tag(Target target) => new("service", target.Service);

    /// <summary>Sends to OTEL_EXPORTER_OTLP_ENDPOINT, the last of it when disposed; null if that is not set.</summary>
    public static IDisposable? Start() =>
        Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT") is { Length: > 0 } ? Send() : null;

    private static OpenTelemetrySdk Send()
    {
        var sdk = OpenTelemetrySdk.Create(sdk => sdk
            .ConfigureResource(resource => resource.AddService("openreadings-migrate", "openreadings"))
            .WithTracing(tracing => tracing.AddSource(Name).AddOtlpExporter(Protobuf))
            .WithMetrics(metrics => metrics.AddMeter(Name).AddOtlpExporter(Protobuf)));
        _ = (sdk.TracerProvider, sdk.MeterProvider);
        return sdk;
    }

    private static void Protobuf(OtlpExporterOptions options) => options.Protocol = OtlpExportProtocol.HttpProtobuf;
}
