using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenReadings.Chassis;
using Xunit;

namespace OpenReadings.Support;

/// <summary>
/// One service as it runs in production, on real Kestrel, PostgreSQL and RabbitMQ; only the issuer of tokens is the suite's
/// own. Derive one class for each suite and use it as an assembly fixture: every test signs up new users, and row-level
/// security itself keeps the tests apart.
/// </summary>
public abstract class ServiceUnderTest<TProgram>(string service) : WebApplicationFactory<TProgram>, IAsyncLifetime where TProgram : class
{
    private readonly HttpClient http = new(new SocketsHttpHandler { AutomaticDecompression = System.Net.DecompressionMethods.All });
    private Uri? broker;

    public TestDatabase Database { get; private set; } = null!;
    public TestIdentity Identity { get; private set; } = null!;
    public Uri Broker => broker!;
    public Uri Address { get; private set; } = null!;
    public OutboxRelay Relay => Services.GetRequiredService<OutboxRelay>();

    /// <summary>All that the service logged, for tests that look for what must never be there.</summary>
    public LogLines Log { get; } = new();

    /// <summary>Where it listens; 0 for whichever is free.</summary>
    protected virtual int Port => 0;

    public virtual async ValueTask InitializeAsync()
    {
        Identity = await TestIdentity.StartAsync();
        Database = await TestDatabase.CreateAsync(service);
        broker = await TestBroker.CreateVhostAsync();
        UseKestrel(Port);
        StartServer();
        Address = new Uri(Services.GetRequiredService<Microsoft.AspNetCore.Hosting.Server.IServer>().Features
            .Get<Microsoft.AspNetCore.Hosting.Server.Features.IServerAddressesFeature>()!.Addresses.First());
    }

    /// <summary>Further settings of the suite, as key and value.</summary>
    protected virtual IEnumerable<KeyValuePair<string, string?>> Settings => [];

    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        builder.UseEnvironment("Test");
        builder.UseSetting("ConnectionStrings:app", Database.App);
        builder.UseSetting("ConnectionStrings:relay", Database.Relay);
        builder.UseSetting("Broker", Broker.ToString());
        builder.UseSetting("Identity:Issuer", TestIdentity.Issuer);
        builder.UseSetting("Identity:Jwks", Identity.Jwks.ToString());
        builder.UseSetting("Limits:RequestsPerMinute", "1000000");
        builder.UseSetting("Limits:AddressPerMinute", "1000000");
        builder.UseSetting("Limits:SensitivePerMinute", "1000000");
        foreach (var (key, value) in Settings) builder.UseSetting(key, value);
        builder.ConfigureLogging(logging => logging.AddProvider(Log));
    }

    public HttpClient Anonymous() => new(new SocketsHttpHandler()) { BaseAddress = Address };

    public HttpClient SignedInAs(Guid user) => WithToken(Identity.TokenFor(user));

    public HttpClient WithToken(string token)
    {
        var client = Anonymous();
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    /// <summary>Every route of the running service with its methods: a new one is in the list by itself.</summary>
    public IReadOnlyList<(string Method, RouteEndpoint Route)> Routes() =>
    [
        .. Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .SelectMany(route => route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Select(method => (method, route)) ?? []),
    ];

    /// <summary>Operations that lack what a stranger needs: an operationId, a summary, an example. Empty when all is well.</summary>
    public async Task<IReadOnlyList<string>> UndocumentedOperationsAsync()
    {
        using var document = JsonDocument.Parse(await http.GetByteArrayAsync(new Uri(Address, $"/{service}/openapi.json")));
        return [.. document.RootElement.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Where(method => method.Value.ValueKind == JsonValueKind.Object && method.Name != "parameters")
            .SelectMany(method => new[] { "operationId", "summary" }.Where(field => !method.Value.TryGetProperty(field, out _))
                .Concat(method.Value.GetRawText().Contains("\"example\"", StringComparison.Ordinal)
                    || !method.Value.GetRawText().Contains("\"content\":{\"application/json\"", StringComparison.Ordinal) && method.Value.TryGetProperty("responses", out var r) && r.TryGetProperty("204", out _) ? [] : ["example"])
                .Select(field => $"{method.Name.ToUpperInvariant()} {path.Name}: {field}")))];
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (Database is not null) await Database.DisposeAsync();
        if (Identity is not null) await Identity.DisposeAsync();
        http.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>Keeps every line that was logged.</summary>
public sealed class LogLines : ILoggerProvider, ILogger
{
    private readonly List<string> lines = [];

    public IReadOnlyList<string> Lines
    {
        get { lock (lines) return [.. lines]; }
    }

    public ILogger CreateLogger(string categoryName) => this;
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, Microsoft.Extensions.Logging.EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (lines) lines.Add($"{formatter(state, exception)} {exception}");
    }

    public void Dispose() { }
}
