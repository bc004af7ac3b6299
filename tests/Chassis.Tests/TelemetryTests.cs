using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenReadings.Chassis;
using OpenReadings.Support;

namespace OpenReadings.ChassisTests;

public sealed partial class TelemetryTests(Notebook notebook)
{
    [Fact]
    public async Task Traces_metrics_and_logs_are_posted_to_a_collector_when_one_is_named_and_hold_no_token()
    {
        var posted = new ConcurrentDictionary<string, string>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var collector = builder.Build();
        collector.MapPost("/v1/{signal}", async (string signal, HttpRequest request) =>
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body);
            posted.AddOrUpdate(signal, _ => Text(body), (_, before) => before + Text(body));
        });
        await collector.StartAsync(TestContext.Current.CancellationToken);

        var token = notebook.Identity.TokenFor(Guid.NewGuid());
        await using (var app = await Notebook.StartAsync(
            notebook.Database, notebook.Broker, notebook.Identity, null, ("Otlp:Endpoint", collector.Urls.First())))
        {
            using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var written = await http.PostAsJsonAsync("/notebook/v1/notes", new { id = Guid.NewGuid(), text = "my secret diary" }, TestContext.Current.CancellationToken);
            written.EnsureSuccessStatusCode();
            app.Logger.LogCritical("a line for the collector");
            await app.StopAsync(TestContext.Current.CancellationToken);      // the request has its answer, and ends after that
        }                                                    // the container flushes what it holds

        Assert.Contains("POST /notebook/v1/notes", posted["traces"]);
        Assert.Contains("insert into notes", posted["traces"]);
        Assert.Contains("http.server.request.duration", posted["metrics"]);
        Assert.Contains("a line for the collector", posted["logs"]);

        // Alerts and dashboards ask for these by the names that a collector makes of them for Prometheus.
        var sent = Instrument().Matches(posted["metrics"]).Select(match => match.Value.Replace('.', '_')).ToHashSet();
        var asked = Directory.EnumerateFiles(Path.Combine(TestServers.Root, "deploy", "observability"), "*.*", SearchOption.AllDirectories)
            .SelectMany(file => Asked().Matches(File.ReadAllText(file))).Select(match => match.Value).Distinct().ToList();
        Assert.True(asked.Count > 5);
        Assert.All(asked, name => Assert.True(sent.Any(instrument => name.StartsWith(instrument, StringComparison.Ordinal)), $"{name} is not among {string.Join(' ', sent)}"));
        Assert.All(posted.Values, all => Assert.DoesNotContain(token, all));
        Assert.All(posted.Values, all => Assert.DoesNotContain("my secret diary", all));
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("Information", true)]
    public async Task What_a_service_asks_others_is_not_a_line_in_its_log_unless_a_setting_says_so(string? level, bool expected)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Configuration.AddInMemory([("Broker", "amqp://127.0.0.1"), ("Identity:Issuer", TestIdentity.Issuer), ("Identity:Jwks", "http://127.0.0.1/")]);
        if (level is not null) builder.Configuration.AddInMemory([("Logging:LogLevel:System.Net.Http", level)]);
        builder.AddChassis("notebook");
        await using var app = builder.Build();
        bool Writes(string category, LogLevel at) => app.Services.GetRequiredService<ILoggerFactory>().CreateLogger(category).IsEnabled(at);
        Assert.Equal(expected, Writes("System.Net.Http.HttpClient.revocations.ClientHandler", LogLevel.Information));
        Assert.True(Writes("System.Net.Http.HttpClient.revocations.ClientHandler", LogLevel.Warning));
        Assert.True(Writes("OpenReadings.Chassis.OutboxRelay", LogLevel.Information));
    }

    [GeneratedRegex(@"(http|db|dotnet)(\.[a-z_]+)+")]
    private static partial Regex Instrument();

    [GeneratedRegex(@"\b(http_server|db_client|dotnet)_[a-z_]+(?=[{\[(,) ])")]
    private static partial Regex Asked();

    private static string Text(MemoryStream body) => Encoding.Latin1.GetString(body.ToArray());
}
