using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using Npgsql;
using Xunit;

namespace OpenReadings.Support;

/// <summary>
/// All four services as processes, with databases and a virtual host of their own. Its clients speak to it as they would
/// to the edge: by the first part of the path.
/// </summary>
public sealed class RunningPlatform : IAsyncLifetime
{
    private static readonly string[] Names = ["catalog", "identity", "readings", "sync"];
    private readonly string imports = Directory.CreateTempSubdirectory("imports").FullName;
    private string clientSecret = "", keyEncryption = "";

    public Dictionary<string, TestDatabase> Databases { get; } = [];
    public Dictionary<string, ServiceProcess> Services { get; } = [];
    public Uri Broker { get; private set; } = null!;

    /// <summary>Where the queues of applications are.</summary>
    public Uri Integrators { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        (Broker, Integrators) = (await TestBroker.CreateVhostAsync(), await TestBroker.CreateVhostAsync());
        foreach (var (service, database) in await Task.WhenAll(Names.Select(async service => (service, await TestDatabase.CreateAsync(service)))))
            Databases[service] = database;
        (clientSecret, keyEncryption) = (Random(), Random());
        // Settings are asked for at the start, when all have their address: each is told where the others are.
        foreach (var service in Names) Services[service] = new ServiceProcess(service, () => SettingsOf(service));
        await Task.WhenAll(Services.Values.Select(service => service.StartAsync()));
        await WaitForSeriesTypesAsync();
        await TestBroker.UntilBoundAsync(Broker, "identity.erased-readings", "identity.erased-sync", "readings.departures", "sync.departures");
    }

    // They come to readings as events, and it refuses types that it has not heard of.
    private async Task WaitForSeriesTypesAsync()
    {
        async Task<long> CountAsync(string service)
        {
            await using var source = NpgsqlDataSource.Create(Databases[service].Migrator);
            return (long)(await source.CreateCommand("select count(*) from series_types").ExecuteScalarAsync())!;
        }
        for (var limit = Stopwatch.StartNew(); await CountAsync("catalog") is var known && (known == 0 || known != await CountAsync("readings")); await Task.Delay(20))
            if (limit.Elapsed.TotalSeconds > 60) throw new TimeoutException("The series types did not come to readings.");
    }

    /// <summary>A client without a token, for <c>/identity/…</c>, <c>/readings/…</c>, <c>/catalog/…</c> and <c>/sync/…</c>.</summary>
    public HttpClient Anonymous() => new(new Edge(this)) { BaseAddress = new Uri("http://edge.invalid"), Timeout = TimeSpan.FromMinutes(2) };

    /// <summary>Signs somebody new up and in.</summary>
    public async Task<Person> SignUpAsync()
    {
        var http = Anonymous();
        var (email, password) = ($"{Guid.NewGuid():N}@example.org", $"Correct-Horse-{System.Random.Shared.Next(10, 100)}-battery");
        using var created = await http.PostAsJsonAsync("/identity/v1/accounts", new { email, password, name = "Ada" });
        created.EnsureSuccessStatusCode();
        var account = await created.Content.ReadFromJsonAsync<JsonElement>();
        using var login = await http.PostAsJsonAsync("/identity/v1/logins", new { email, password });
        login.EnsureSuccessStatusCode();
        var tokens = await login.Content.ReadFromJsonAsync<JsonElement>();
        var access = tokens.GetProperty("access_token").GetString()!;
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", access);
        return new Person(account.GetProperty("account_id").GetGuid(), email, password, access, tokens.GetProperty("refresh_token").GetString()!, http);
    }

    public sealed record Person(Guid Id, string Email, string Password, string AccessToken, string RefreshToken, HttpClient Http);

    public async ValueTask DisposeAsync()
    {
        foreach (var service in Services.Values) await service.DisposeAsync();
        foreach (var database in Databases.Values) await database.DisposeAsync();
        Directory.Delete(imports, recursive: true);
    }

    /// <summary>Another replica of a service, beside the one that answers.</summary>
    public ServiceProcess Replica(string service) => new(service, () => SettingsOf(service));

    private Dictionary<string, string> SettingsOf(string service)
    {
        var identity = Services["identity"].Address;
        return new()
        {
            ["ConnectionStrings:app"] = Databases[service].App, ["ConnectionStrings:relay"] = Databases[service].Relay,
            ["Broker"] = Broker.ToString(), ["Identity:Issuer"] = new Uri(identity, "/identity").ToString(),
            ["Identity:Jwks"] = new Uri(identity, "/identity/.well-known/jwks.json").ToString(), ["Identity:Tokens"] = new Uri(identity, "/identity/v1/tokens").ToString(),
            ["Readings:Url"] = Services["readings"].Address.ToString(), ["Identity:ClientSecret"] = clientSecret, ["Clients:sync"] = clientSecret,
            ["KeyEncryptionKey"] = keyEncryption, ["Imports:Directory"] = imports, ["Limits:RequestsPerMinute"] = "1000000",
            ["Limits:AddressPerMinute"] = "1000000", ["Passwords:Niceness"] = "0", ["Limits:SensitivePerMinute"] = "1000000", ["SECRETS_DIRECTORY"] = "/nonexistent",
            ["ASPNETCORE_ENVIRONMENT"] = "Production", ["BrokerManagement"] = TestBroker.Management.ToString(),
            ["Integrators:Address"] = new UriBuilder(Integrators) { UserName = "", Password = "" }.Uri.ToString(),
        };
    }

    private static string Random() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    private sealed class Edge(RunningPlatform platform) : DelegatingHandler(new SocketsHttpHandler { AllowAutoRedirect = false })
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var service = request.RequestUri!.Segments[1].Trim('/');
            request.RequestUri = new Uri(platform.Services[service].Address, request.RequestUri.PathAndQuery);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
