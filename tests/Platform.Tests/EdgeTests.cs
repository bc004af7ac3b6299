using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenReadings.Support;

namespace OpenReadings.PlatformTests;

public sealed class EdgeTests : IAsyncLifetime
{
    private readonly string folder = Shell.TemporaryFolder();
    private readonly TaskCompletionSource firstBytes = new();
    private WebApplication behind = null!;
    private HttpClient http = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null);
        behind = builder.Build();
        behind.MapGet("/{service}/headers", (HttpRequest request) =>
            request.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value.ToString()));
        behind.MapGet("/{service}/problem", () => Results.Problem(statusCode: 404, type: "of-the-service"));
        behind.MapPost("/{service}/v1/imports", CountAsync);
        behind.MapPost("/{service}/v1/rows", CountAsync);
        behind.MapPost("/{service}/v1/refused", () => Results.Problem(statusCode: 401, type: "of-the-service"));
        await behind.StartAsync();
        var upstream = behind.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()["http://".Length..];
        for (var tries = 0; ; tries++)
        {
            var port = Shell.FreePort();
            var (exit, said) = await Shell.RunAsync("deploy/local/edge.sh start \"$@\"", null,
                folder, $"{port}", "127.0.0.1:1", upstream, upstream, upstream);
            http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
            if (exit == 0) break;
            Assert.True(tries < 3, said);
        }
    }

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await Shell.RunAsync("deploy/local/edge.sh stop \"$1\"", null, folder);
        await behind.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_a_client_says_about_where_it_comes_from_is_replaced()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/readings/headers");
        foreach (var name in new[] { "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Real-IP", "Forwarded" })
            request.Headers.TryAddWithoutValidation(name, "6.6.6.6");
        request.Headers.TryAddWithoutValidation("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        using var response = await http.SendAsync(request, Ct);
        var seen = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Ct)).RootElement;

        Assert.DoesNotContain("6.6.6.6", seen.GetRawText(), StringComparison.Ordinal);
        Assert.Equal("127.0.0.1", seen.GetProperty("x-forwarded-for").GetString());
        Assert.Equal("http", seen.GetProperty("x-forwarded-proto").GetString());
        Assert.Equal(http.BaseAddress!.Authority, seen.GetProperty("host").GetString());
        Assert.StartsWith("00-0af7651916cd43dd8448eb211c80319c", seen.GetProperty("traceparent").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task In_a_container_an_ingress_is_believed_about_where_a_client_comes_from()
    {
        var (port, upstream, state) = (Shell.FreePort(), new Uri(behind.Urls.Single()).Authority, Shell.TemporaryFolder());
        var edge = new ProcessStartInfo("/bin/sh", [Path.Combine(TestServers.Root, "deploy", "edge", "edge.sh")]) { RedirectStandardInput = true };
        foreach (var (name, value) in new[] { ("EDGE_LISTEN", $"127.0.0.1:{port}"), ("EDGE_STATE", state), ("TRUSTED_PROXIES", "127.0.0.0/8 10.0.0.0/8"),
            ("IDENTITY", upstream), ("READINGS", upstream), ("CATALOG", upstream), ("SYNC", upstream) })
            edge.Environment[name] = value;
        using var process = Process.Start(edge)!;
        try
        {
            using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
            for (var answered = false; !answered; await Task.Delay(20, Ct))
            {
                Assert.False(process.HasExited, "nginx ended");
                try
                {
                    answered = (await client.GetAsync(new Uri("/", UriKind.Relative), Ct)).IsSuccessStatusCode;
                }
                catch (HttpRequestException) { }
            }
            using var request = new HttpRequestMessage(HttpMethod.Get, "/readings/headers");
            // The ingress adds what it sees to what the client claims; only what a trusted one added counts.
            request.Headers.TryAddWithoutValidation("X-Forwarded-For", "6.6.6.6, 203.0.113.7, 10.1.2.3");
            using var response = await client.SendAsync(request, Ct);
            Assert.Equal("203.0.113.7", JsonDocument.Parse(await response.Content.ReadAsStringAsync(Ct)).RootElement.GetProperty("x-forwarded-for").GetString());
        }
        finally
        {
            await Shell.RunAsync("kill \"$1\"", null, $"{process.Id}");
            await process.WaitForExitAsync(CancellationToken.None);
            Directory.Delete(state, recursive: true);
        }
    }

    [Theory]
    [InlineData("/readings/headers", 200)]
    [InlineData("/nowhere", 404)]
    [InlineData("/readings/problem", 404)]
    [InlineData("/identity/v1/me", 502)]
    public async Task Every_answer_carries_the_security_headers_once(string path, int status)
    {
        using var response = await http.GetAsync(path, Ct);
        Assert.Equal(status, (int)response.StatusCode);
        foreach (var name in new[] { "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy" })
            Assert.Single(response.Headers.GetValues(name));
        Assert.Equal("nginx", response.Headers.Server.ToString());
    }

    [Fact]
    public async Task An_error_of_the_edge_is_a_problem_and_one_of_a_service_passes()
    {
        await IsProblemAsync(await http.GetAsync("/nowhere", Ct), 404, "not-found");
        await IsProblemAsync(await http.GetAsync("/identity/v1/me", Ct), 502, "service-unreachable");
        await IsProblemAsync(await http.GetAsync("/readings/problem", Ct), 404, "of-the-service");
        await IsProblemAsync(await http.PostAsync("/readings/v1/rows", new ByteArrayContent(new byte[65 << 20]), Ct), 413, "body-too-large");
    }

    [Fact]
    public async Task No_log_of_the_edge_has_the_token_of_a_link_not_even_where_identity_is_away()
    {
        await IsProblemAsync(await http.GetAsync("/identity/mail?token=om_not-for-any-log", Ct), 502, "service-unreachable");
        var (access, all) = ("", "");
        for (var since = Stopwatch.StartNew(); !access.Contains("/identity/mail", StringComparison.Ordinal); await Task.Delay(50, Ct))
        {
            Assert.True(since.Elapsed < TimeSpan.FromSeconds(30), "The request is in no log at all.");
            access = await File.ReadAllTextAsync(Path.Combine(folder, "access.log"), Ct);
        }
        foreach (var file in Directory.EnumerateFiles(folder, "*log")) all += await File.ReadAllTextAsync(file, Ct);
        Assert.DoesNotContain("not-for-any-log", all, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fifty_megabytes_reach_a_service_and_a_file_to_import_may_be_larger()
    {
        using var rows = await http.PostAsync("/readings/v1/rows", new ByteArrayContent(new byte[51 << 20]), Ct);
        Assert.Equal($"{51 << 20}", await rows.Content.ReadAsStringAsync(Ct));
        using var file = await http.PostAsync("/sync/v1/imports?format=csv", new ByteArrayContent(new byte[80 << 20]), Ct);
        Assert.Equal($"{80 << 20}", await file.Content.ReadAsStringAsync(Ct));
    }

    [Fact]
    public async Task A_file_to_import_flows_through_while_it_is_still_being_sent()
    {
        using var response = await http.SendAsync(new HttpRequestMessage(HttpMethod.Post, "/sync/v1/imports") { Content = new Paused(firstBytes.Task) }, Ct);
        Assert.Equal("8192", await response.Content.ReadAsStringAsync(Ct));
    }

    [Theory]
    [InlineData("readings"), InlineData("catalog"), InlineData("sync")]
    public async Task A_stranger_is_refused_before_the_body_has_come(string service)
    {
        using var stranger = await OpenAsync($"POST /{service}/v1/refused HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\nthe beginning");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(20));
        Assert.Equal("HTTP/1.1 401 Unauthorized", await new StreamReader(stranger.GetStream()).ReadLineAsync(limit.Token));
    }

    [Fact]
    public async Task One_address_has_so_many_requests_at_once_and_no_more()
    {
        var slow = new List<TcpClient>();
        for (var i = 0; i < 300; i++) slow.Add(await OpenAsync("POST /readings/v1/rows HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\nx"));
        var answers = slow.Select(one => new StreamReader(one.GetStream()).ReadLineAsync(Ct).AsTask()).ToArray();
        var first = await Task.WhenAny(answers);
        Assert.Equal("HTTP/1.1 429 Too Many Requests", await first);
        slow.ForEach(one => one.Dispose());
        await Task.WhenAll(answers).ContinueWith(_ => { }, TaskScheduler.Default);
    }

    private async Task<TcpClient> OpenAsync(string beginning)
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, http.BaseAddress!.Port, Ct);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(beginning), Ct);
        return client;
    }

    private async Task<string> CountAsync(HttpRequest request)
    {
        long count = 0;
        var buffer = new byte[1 << 16];
        for (int read; (read = await request.Body.ReadAsync(buffer)) > 0; count += read) firstBytes.TrySetResult();
        return $"{count}";
    }

    private static async Task IsProblemAsync(HttpResponseMessage response, int status, string type)
    {
        Assert.Equal((HttpStatusCode)status, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Ct)).RootElement;
        Assert.Equal(type, problem.GetProperty("type").GetString());
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        response.Dispose();
    }

    /// <summary>Sends its second half only when the first one has arrived: with a buffer in between, it never would.</summary>
    private sealed class Paused(Task arrived) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(new byte[4096], Ct);
            await stream.FlushAsync(Ct);
            await arrived.WaitAsync(TimeSpan.FromSeconds(20), Ct);
            await stream.WriteAsync(new byte[4096], Ct);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 8192;
            return true;
        }
    }
}
