using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace OpenReadings.Chassis;

/// <summary>Traces, metrics and logs over OTLP (HTTP), and nothing at all unless <c>Otlp:Endpoint</c> is set.</summary>
internal static class Telemetry
{
    public static void Add(WebApplicationBuilder builder, string service)
    {
        if (builder.Configuration["Otlp:Endpoint"] is not { Length: > 0 } endpoint) return;
        void To(OtlpExporterOptions options, string signal)
        {
            options.Protocol = OtlpExportProtocol.HttpProtobuf;
            options.Endpoint = new Uri($"{endpoint.TrimEnd('/')}/v1/{signal}");
        }

        // OpenTelemetry.Extensions.Hosting cannot be restored here: the container holds the SDK and flushes it at the end.
        builder.Services.AddSingleton(_ => OpenTelemetrySdk.Create(sdk => sdk
            .ConfigureResource(resource => resource.AddService($"openreadings-{service}", "openreadings",
                typeof(Telemetry).Assembly.GetName().Version?.ToString()))
            .WithTracing(tracing => tracing
                .AddSource("Microsoft.AspNetCore", "System.Net.Http", "Npgsql", EventSender.SourceName)
                .AddOtlpExporter(options => To(options, "traces")))
            .WithMetrics(metrics => metrics
                .AddMeter("Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Net.Http", "System.Runtime", "Npgsql",
                    "OpenReadings.*")
                .AddOtlpExporter(options => To(options, "metrics")))
            .WithLogging(logging => logging.AddOtlpExporter(options => To(options, "logs")))));
        builder.Services.AddHostedService<Start>();
        builder.Services.AddSingleton<ILoggerProvider, Forward>();
    }

    /// <summary>The framework's server span has a bare name and no tags: give it the route and the outcome.</summary>
    public static void UseSpanNames(WebApplication app) => app.Use(async (http, next) =>
    {
        var activity = http.Features.Get<IHttpActivityFeature>()?.Activity;
        await next(http);
        if (activity is not { IsAllDataRequested: true }) return;
        var route = (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "unknown";
        activity.DisplayName = $"{http.Request.Method} {route}";
        activity.SetTag("http.request.method", http.Request.Method);
        activity.SetTag("http.route", route);
        activity.SetTag("http.response.status_code", http.Response.StatusCode);
        if (http.Response.StatusCode >= 500) activity.SetStatus(ActivityStatusCode.Error);
    });

    private sealed class Start(OpenTelemetrySdk sdk) : IHostedService
    {
        public Task StartAsync(CancellationToken ct)
        {
            _ = sdk.TracerProvider;
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken ct) => Task.CompletedTask;
    }

    private sealed class Forward(OpenTelemetrySdk sdk) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => sdk.GetLoggerFactory().CreateLogger(categoryName);
        public void Dispose() { }
    }
}
