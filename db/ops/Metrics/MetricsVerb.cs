using System.CommandLine;
using System.Net;
using System.Text;
using OpenReadings.Ops.Health;

namespace OpenReadings.Ops.Metrics;

/// <summary>The figures of <c>doctor</c> for Prometheus: once on stdout, or over HTTP for as long as it runs.</summary>
internal static class MetricsVerb
{
    public static Command Verb()
    {
        var listen = new Option<string>("--listen")
        {
            Description = "Serve /metrics there until stopped, looking anew at each request",
            HelpName = "127.0.0.1:9187|:9187",
        };
        return new Command("metrics", "The figures of doctor in Prometheus' text format (docs/metrics.md)") { Place.Which, listen }
            .Runs(async (line, log, ct) =>
            {
                var scope = Scope.Of(line);
                if (line.GetValue(listen) is { } address) await ServeAsync(address, scope, log, ct);
                return (Exit.Ok, new PrometheusText(await Examination.RunAsync(scope, ct)));
            });
    }

    // One request after the other: however many ask, a database is looked at by one connection at a time.
    private static async Task ServeAsync(string address, Scope scope, Action<string> log, CancellationToken ct)
    {
        using var listener = new HttpListener();
        try
        {
            listener.Prefixes.Add($"http://{(address.StartsWith(':') ? "+" : "")}{address}/");
            listener.Start();
        }
        catch (Exception e) when (e is HttpListenerException or ArgumentException)
        {
            throw new OpsException(Exit.Usage, $"Nothing can listen on {address}: {e.Message}", e);
        }
        log($"listening on {address}");
        while (true)
        {
            var request = await listener.GetContextAsync().WaitAsync(ct);
            using var response = request.Response;
            try
            {
                if (request.Request.Url?.AbsolutePath != "/metrics")
                {
                    response.StatusCode = 404;
                    continue;
                }
                var body = Encoding.UTF8.GetBytes(new PrometheusText(await Examination.RunAsync(scope, ct)).ToString());
                response.ContentType = PrometheusText.ContentType;
                await response.OutputStream.WriteAsync(body, ct);
            }
            catch (Exception e) when (e is HttpListenerException or IOException)
            {
                log($"a scrape was not answered: {e.Message}");
            }
        }
    }
}
