using System.Net;
using System.Text;
using System.Text.Json;
using Dapper;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.ReadingsTests;
using OpenReadings.Support;
using RabbitMQ.Client;

[assembly: AssemblyFixture(typeof(ReadingsService))]

namespace OpenReadings.ReadingsTests;

/// <summary>The readings service as it runs in production, for the whole suite. Nobody is shared between tests.</summary>
public sealed class ReadingsService() : ServiceUnderTest<Program>("readings")
{
    public static readonly SeriesTypeDefined[] Types =
    [
        new("heart_rate", "heart", "/min", "average", 20, 300, null, 1),
        new("steps", "activity", "{steps}", "sum", 0, 100_000, null, 1),
        new("blood_pressure_systolic", "blood_respiratory", "mm[Hg]", "average", 40, 300, "blood_pressure", 1),
        new("blood_pressure_diastolic", "blood_respiratory", "mm[Hg]", "average", 20, 200, "blood_pressure", 1),
        new("blood_glucose", "blood_respiratory", "mg/dL", "average", 10, 1000, null, 1),
        new("body_temperature", "body", "Cel", "average", 30, 45, null, 1),
    ];

    // The other services' exchanges are there before this one starts, as in a platform that has run before: a consumer
    // whose exchange is missing tries again only after seconds.
    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        Task.Run(async () =>
        {
            await using var connection = await new ConnectionFactory { Uri = Broker }.CreateConnectionAsync();
            await using var channel = await connection.CreateChannelAsync();
            foreach (var exchange in new[] { "catalog.events", "identity.events" }) await channel.ExchangeDeclareAsync(exchange, "topic", durable: true);
        }).GetAwaiter().GetResult();
        base.ConfigureWebHost(builder);
        // Events stay in the outbox, to be looked at; a test that wants them sent says Relay.SendBatchAsync.
        builder.ConfigureServices(services => services.Remove(services.Single(service =>
            service.ServiceType == typeof(IHostedService) && service.ImplementationFactory?.Method.ReturnType == typeof(OutboxRelay))));
    }

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        foreach (var type in Types) await DeliverAsync("catalog.events", type);
    }

    /// <summary>Publishes an event as its service would, and returns when it was handled. The id of the message.</summary>
    public async Task<Guid> DeliverAsync<TEvent>(string exchange, TEvent happened, Guid? messageId = null) where TEvent : IEvent
    {
        var id = messageId ?? Guid.CreateVersion7();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var subscription = Services.GetServices<Subscription>().Single(one => one.Exchange == exchange);
        subscription.Handled += OnHandled;
        try
        {
            var factory = new ConnectionFactory { Uri = Broker };
            await using var connection = await factory.CreateConnectionAsync(Ct);
            await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Ct);
            var body = JsonSerializer.SerializeToUtf8Bytes(new
            {
                specversion = "1.0", id, source = "/tests", type = TEvent.Type, subject = happened.Subject, time = DateTimeOffset.UtcNow,
                data = JsonSerializer.SerializeToElement(happened, Json.Options),
            });
            // The broker returns the message until the service has bound its queue.
            for (var tries = 0; !done.Task.IsCompleted && tries < 200; tries++)
            {
                try
                {
                    await channel.BasicPublishAsync(exchange, TEvent.Type, mandatory: true,
                        new BasicProperties { MessageId = id.ToString(), Type = TEvent.Type, ContentType = "application/cloudevents+json" }, body, Ct);
                    break;
                }
                catch (RabbitMQ.Client.Exceptions.PublishException)
                {
                    await Task.Delay(100, Ct);
                }
            }
            await done.Task.WaitAsync(TimeSpan.FromSeconds(30), Ct);
            return id;
        }
        finally
        {
            subscription.Handled -= OnHandled;
        }

        void OnHandled(Received received)
        {
            if (received.Id == id) done.TrySetResult();
        }
    }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Somebody new.</summary>
    public Person NewPerson() => new(this, Guid.NewGuid());

    /// <summary>An application as itself, with a token of its own credentials.</summary>
    public Person NewApplication()
    {
        var id = Guid.NewGuid();
        return new(this, id, id);
    }

    /// <summary>The truth of the database, past row-level security.</summary>
    public async Task<IReadOnlyList<T>> TruthAsync<T>(string sql, object? args = null)
    {
        await using var connection = new NpgsqlConnection(Database.Superuser);
        return (await connection.QueryAsync<T>(sql, args)).AsList();
    }
}

/// <summary>Somebody who is signed in, here or through an application, and what they do.</summary>
public sealed class Person(ReadingsService service, Guid id, Guid? client = null)
{
    public Guid Id => id;
    public Guid? Client => client;
    public HttpClient Http { get; } = service.WithToken(TokenOf(service, id, client));

    /// <summary>The same person, and an application that acts for them.</summary>
    public Person Through(Person application) => new(service, id, application.Id);

    private static string TokenOf(ReadingsService service, Guid id, Guid? client)
    {
        var claims = TestIdentity.Claims(id);
        if (client is { } application) claims["client_id"] = application.ToString();
        if (client == id) claims.Remove("sid");                  // its own credentials: nobody has signed in
        return service.Identity.Sign(service.Identity.Header(), claims);
    }

    public const string Cuff =
        """
        {"name": "Cuff", "kind": "cuff", "time_zone": "Europe/Berlin", "metrics": {
          "systolic": {"unit": "mmHg", "type": "blood_pressure_systolic", "group": "blood_pressure"},
          "diastolic": {"unit": "mmHg", "type": "blood_pressure_diastolic", "group": "blood_pressure"},
          "pulse": {"unit": "bpm", "type": "heart_rate", "group": "blood_pressure"}}}
        """;

    public const string Watch =
        """{"name": "Watch", "kind": "watch", "metrics": {"heart_rate": {"unit": "bpm", "type": "heart_rate"}, "steps": {"unit": "steps", "type": "steps"}}}""";

    public async Task<Guid> SourceAsync(string json)
    {
        var sourceId = Guid.CreateVersion7();
        var (status, answer) = await SendAsync(HttpMethod.Put, $"sources/{sourceId}", json);
        Assert.True(status == HttpStatusCode.Created, answer.ToString());
        return sourceId;
    }

    public async Task<JsonElement> RecordAsync(Guid sourceId, string json, string type = "application/json")
    {
        var (status, answer) = await SendAsync(HttpMethod.Post, $"sources/{sourceId}/readings", json, type);
        Assert.True(status == HttpStatusCode.OK, answer.ToString());
        return answer;
    }

    /// <summary>stored, unchanged, replaced, rejected.</summary>
    public async Task<(int, int, int, int)> CountsAsync(Guid sourceId, string json, string type = "application/json") =>
        Counts(await RecordAsync(sourceId, json, type));

    public static (int, int, int, int) Counts(JsonElement answer) => (answer.GetProperty("stored").GetInt32(), answer.GetProperty("unchanged").GetInt32(),
        answer.GetProperty("replaced").GetInt32(), answer.GetProperty("rejected").GetArrayLength());

    public async Task<JsonElement> GetAsync(string path)
    {
        var (status, answer) = await SendAsync(HttpMethod.Get, path);
        Assert.True(status == HttpStatusCode.OK, $"{(int)status} {answer}");
        return answer;
    }

    public async Task<(HttpStatusCode Status, JsonElement Answer)> SendAsync(
        HttpMethod method, string path, string? json = null, string type = "application/json", params (string Name, string Value)[] headers)
    {
        using var response = await RawAsync(method, path, json, type, headers);
        return (response.StatusCode, await JsonAsync(response));
    }

    public static async Task<JsonElement> JsonAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync(ReadingsService.Ct);
        return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement;
    }

    public async Task<HttpResponseMessage> RawAsync(
        HttpMethod method, string path, string? json = null, string type = "application/json", params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, $"/readings/v1/{path}");
        if (json is not null) request.Content = new StringContent(json, Encoding.UTF8, type);
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return await Http.SendAsync(request, ReadingsService.Ct);
    }
}
