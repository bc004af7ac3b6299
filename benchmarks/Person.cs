using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;

namespace OpenReadings.Benchmarks;

/// <summary>Somebody who signed up and owns sources.</summary>
internal sealed class Person : IDisposable
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(5);
    private readonly string email = $"{Guid.NewGuid():N}@example.org", password = "Correct horse 7 battery";
    private readonly HttpClient http = new() { Timeout = TimeSpan.FromHours(1) };
    private readonly Platform platform;
    private string token = "";
    private long signedInAt;

    private Person(Platform platform) => this.platform = platform;

    public Guid Id { get; private set; }

    public static async Task<Person> SignUpAsync(Platform platform)
    {
        var person = new Person(platform);
        var made = await person.SendAsync(HttpMethod.Post, "identity", "/identity/v1/accounts",
            JsonContent.Create(new { person.email, person.password }), withToken: false);
        person.Id = made.GetProperty("account_id").GetGuid();
        return person;
    }

    /// <summary>A token that holds for some minutes more.</summary>
    public async Task<string> TokenAsync()
    {
        if (token.Length > 0 && Stopwatch.GetElapsedTime(signedInAt) < Fresh) return token;
        signedInAt = Stopwatch.GetTimestamp();
        var login = await SendAsync(HttpMethod.Post, "identity", "/identity/v1/logins", JsonContent.Create(new { email, password }), withToken: false);
        return token = login.GetProperty("access_token").GetString()!;
    }

    /// <summary>A new source with these metrics: name → unit and series type (null: a metric of the person's own).</summary>
    public async Task<Guid> AddSourceAsync(string name, params (string Metric, string Unit, string? Type)[] metrics)
    {
        var id = Guid.CreateVersion7();
        var source = new
        {
            name, kind = "watch", time_zone = "Europe/Ljubljana",
            metrics = metrics.ToDictionary(metric => metric.Metric, metric => new { unit = metric.Unit, type = metric.Type }),
        };
        await SendAsync(HttpMethod.Put, "readings", $"/readings/v1/sources/{id}", JsonContent.Create(source));
        return id;
    }

    public async Task<JsonElement> SendAsync(HttpMethod method, string service, string path, HttpContent? content = null, bool withToken = true)
    {
        using var request = new HttpRequestMessage(method, new Uri(platform.Address(service), path)) { Content = content };
        if (withToken) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await TokenAsync());
        using var response = await http.SendAsync(request);
        var body = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode)
            throw new MeasurementFailedException($"{method} {path}: {(int)response.StatusCode} {body[..Math.Min(400, body.Length)]}");
        return body.Length == 0 ? default : JsonDocument.Parse(body).RootElement;
    }

    public void Dispose() => http.Dispose();
}
