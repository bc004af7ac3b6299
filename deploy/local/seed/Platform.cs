using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Polly;
using Polly.Retry;

namespace OpenReadings.Seed;

/// <summary>What to tell the developer; the program ends with exit code 2.</summary>
internal sealed class SeedException(string message) : Exception(message);

/// <summary>The running platform as any program sees it: over HTTP, through the edge, at the pace that it asks for.</summary>
internal sealed class Platform(HttpClient http)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
    };

    private readonly ResiliencePipeline<HttpResponseMessage> patience = new ResiliencePipelineBuilder<HttpResponseMessage>().AddRetry(new RetryStrategyOptions<HttpResponseMessage>
    {
        MaxRetryAttempts = 8, Delay = TimeSpan.FromSeconds(0.5), BackoffType = DelayBackoffType.Exponential, UseJitter = true, MaxDelay = TimeSpan.FromSeconds(20),
        ShouldHandle = new PredicateBuilder<HttpResponseMessage>().Handle<HttpRequestException>()
            .HandleResult(answer => answer.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout),
        DelayGenerator = given => ValueTask.FromResult(given.Outcome.Result?.Headers.RetryAfter?.Delta),
    }).Build();

    public sealed record Stored(int New, int Unchanged)
    {
        public static Stored operator +(Stored one, Stored other) => new(one.New + other.New, one.Unchanged + other.Unchanged);
    }

    /// <summary>
    /// Refuses any platform that is not one of this machine alone. Being on loopback is not enough, a tunnel is that too: it must
    /// call itself so, in the issuer of its tokens, which everybody who serves others sets (decision 0038).
    /// </summary>
    public async Task RefuseProductionAsync(CancellationToken ct)
    {
        if (Environment.GetEnvironmentVariable("MIGRATE_ENV") is { Length: > 0 } place and not "dev")
            throw new SeedException($"MIGRATE_ENV is {place}: made-up people are for dev.");
        if (!http.BaseAddress!.IsLoopback) throw new SeedException($"{http.BaseAddress} is not this machine. Made-up people are for a platform of one's own.");
        JsonElement discovery;
        try
        {
            discovery = await http.GetFromJsonAsync<JsonElement>("/identity/.well-known/openid-configuration", ct);
        }
        catch (Exception e) when (e is HttpRequestException or JsonException)
        {
            throw new SeedException($"No platform answers at {http.BaseAddress}: ./dev up ({e.Message})");
        }
        var issuer = discovery.TryGetProperty("issuer", out var said) ? said.GetString() : null;
        if (!Uri.TryCreate(issuer, UriKind.Absolute, out var address) || !address.IsLoopback)
            throw new SeedException($"The platform at {http.BaseAddress} calls itself {issuer ?? "nothing"}: it serves others than this machine, and made-up people are not for it.");
    }

    /// <summary>Gives the platform a person and all that they measured between two days, the last one included. Again: nothing twice.</summary>
    public async Task<Stored> GiveAsync(Person person, DateOnly from, DateOnly until, CancellationToken ct)
    {
        var (session, stored) = (await EnterAsync(person, ct), new Stored(0, 0));
        var devices = person.Devices();
        foreach (var device in devices)
        {
            await session.AddDeviceAsync(device, ct);
            foreach (var batch in person.Readings(device, from, until)) stored += await session.StoreAsync(device, batch, ct);
        }
        foreach (var batch in person.Happenings(from, until).Chunk(1000)) stored += await session.StoreAsync(devices[0], batch, ct);
        return stored;
    }

    // Signing up says the same whether somebody is there already; signing in then tells.
    private async Task<Session> EnterAsync(Person person, CancellationToken ct)
    {
        await SendAsync(HttpMethod.Post, "/identity/v1/accounts", null, new { person.Email, person.Password, person.Name, TimeZone = person.Zone.Id }, ct);
        return new Session(this, person, await LogInAsync(person, ct));
    }

    private async Task<string> LogInAsync(Person person, CancellationToken ct) =>
        (await SendAsync(HttpMethod.Post, "/identity/v1/logins", null, new { person.Email, person.Password }, ct)).GetProperty("access_token").GetString()!;

    private async Task<JsonElement> SendAsync(HttpMethod method, string path, string? token, object body, CancellationToken ct)
    {
        using var answer = await patience.ExecuteAsync(async ct =>
        {
            using var request = new HttpRequestMessage(method, path) { Content = JsonContent.Create(body, options: Json) };
            if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            return await http.SendAsync(request, ct);
        }, ct);
        if (answer.IsSuccessStatusCode) return await answer.Content.ReadFromJsonAsync<JsonElement>(ct);
        if (answer.StatusCode == HttpStatusCode.Unauthorized && token is not null) throw new TokenEndedException();
        throw new SeedException($"{method} {path}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(ct)}");
    }

    private sealed class TokenEndedException : Exception;

    /// <summary>A person who is signed in, for as long as it takes.</summary>
    private sealed class Session(Platform platform, Person person, string token)
    {
        private string token = token;

        public async Task AddDeviceAsync(Person.Device device, CancellationToken ct) => await SendAsync(HttpMethod.Put, $"/readings/v1/sources/{device.Id}", new
        {
            device.Name, device.Kind, TimeZone = person.Zone.Id, Metrics = device.Metrics,
        }, ct);

        public async Task<Stored> StoreAsync(Person.Device device, IReadOnlyList<Person.Reading> readings, CancellationToken ct) =>
            Count(await SendAsync(HttpMethod.Post, $"/readings/v1/sources/{device.Id}/readings", new
            {
                Columns = readings.GroupBy(reading => reading.Metric).Select(column => new { Metric = column.Key, At = column.Select(one => one.At), Values = column.Select(one => one.Value) }),
            }, ct));

        public async Task<Stored> StoreAsync(Person.Device device, IReadOnlyList<Person.Happening> happenings, CancellationToken ct) =>
            Count(await SendAsync(HttpMethod.Post, $"/readings/v1/sources/{device.Id}/events", new { Events = happenings }, ct));

        private static Stored Count(JsonElement answer)
        {
            if (answer.GetProperty("rejected") is { } rejected && rejected.GetArrayLength() > 0) throw new SeedException($"The platform rejected what was made up: {rejected[0]}");
            return new(answer.GetProperty("stored").GetInt32() + answer.GetProperty("replaced").GetInt32(), answer.GetProperty("unchanged").GetInt32());
        }

        private async Task<JsonElement> SendAsync(HttpMethod method, string path, object body, CancellationToken ct)
        {
            try
            {
                return await platform.SendAsync(method, path, token, body, ct);
            }
            catch (TokenEndedException)
            {
                token = await platform.LogInAsync(person, ct);
                return await platform.SendAsync(method, path, token, body, ct);
            }
        }
    }
}
