using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Queues;

/// <summary>The queue of an application, as its owner sees it.</summary>
/// <param name="Address">For AMQP clients that take one: user and password are asked for beside it.</param>
/// <param name="Host">Where the broker is.</param>
/// <param name="Port">Its port.</param>
/// <param name="Vhost">The virtual host.</param>
/// <param name="Queue">What to read from.</param>
/// <param name="Username">Who reads: it may do nothing else.</param>
/// <param name="Password">Shown when it is made and never again.</param>
/// <param name="IsReady">Whether the broker has it by now: a second later, as a rule.</param>
/// <param name="CreatedAt">When it was asked for.</param>
/// <param name="MessagesReady">What waits in it, some seconds ago; null while the broker does not say.</param>
/// <param name="Consumers">How many read from it.</param>
/// <param name="Limits">What it holds at most. The oldest go first.</param>
public sealed record Delivery(
    string Address, string Host, int Port, string Vhost, string Queue, string Username, string? Password, bool IsReady, DateTimeOffset CreatedAt,
    long? MessagesReady, int? Consumers, Delivery.Bounds Limits)
{
    public const int Most = 10;

    public const string Example =
        """
        {"address": "amqps://mq.example.org:5671/integrators", "host": "mq.example.org", "port": 5671, "vhost": "integrators",
         "queue": "app.01a1fabf-c5d8-7a3e-a22a-8c90e9a54227.5f1d0c7a9b3e", "username": "app.01a1fabf-c5d8-7a3e-a22a-8c90e9a54227.5f1d0c7a9b3e", "password": "oq_7Jm0nU3f…",
         "is_ready": false, "created_at": "2026-11-30T09:00:00Z", "messages_ready": null, "consumers": null,
         "limits": {"messages": 100000, "bytes": 104857600, "days": 7, "deliveries": 20, "connections": 5, "channels": 20}}
        """;

    public sealed record Bounds(int Messages, int Bytes, int Days, int Deliveries, int Connections, int Channels);

    /// <summary>As it stands in the database.</summary>
    public sealed record Row(string Name, DateTimeOffset CreatedAt, bool IsReady);

    public static Task<Row?> FindAsync(UserTransaction db, Guid clientId) => db.FindAsync<Row>(
        "select name, created_at, coalesce(settled_at >= changed_at, false) as is_ready from application_queues where client_id = @clientId and ended_at is null", new { clientId });

    public static Delivery Of(Row row, QueuePlace place, string? password = null, BrokerManagement.Depth? depth = null) => new(
        place.Told.ToString(), place.Told.Host, place.Told.Port < 0 ? place.Told.Scheme == "amqps" ? 5671 : 5672 : place.Told.Port, place.Vhost, row.Name, row.Name, password,
        row.IsReady, row.CreatedAt, depth?.MessagesReady, depth?.Consumers,
        new(BrokerManagement.MaxMessages, BrokerManagement.MaxBytes, BrokerManagement.KeptForDays, BrokerManagement.MaxDeliveries, BrokerManagement.MaxConnections, BrokerManagement.MaxChannels));

    /// <summary>With a part that nobody guesses: RabbitMQ tells everybody in the virtual host how much waits in a queue whose name they know.</summary>
    public static string NewName(Guid clientId) => $"app.{clientId}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12))}";

    /// <summary>Whether it is a queue of that application.</summary>
    public static bool IsOf(string name, Guid clientId) => name.StartsWith($"app.{clientId}.", StringComparison.Ordinal);

    /// <summary>A password, and what RabbitMQ keeps of it. 256 random bits need no slow hash.</summary>
    public static (string Password, byte[] Hash) NewPassword()
    {
        var (password, salt) = ($"oq_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32))}", RandomNumberGenerator.GetBytes(4));
        return (password, [.. salt, .. SHA256.HashData([.. salt, .. Encoding.ASCII.GetBytes(password)])]);
    }

    public static ProblemHttpResult NotOffered() => Problems.Of(503, "queues-not-configured", "This installation makes no queues for applications: its setting BrokerManagement is missing.");

    public static ProblemHttpResult NotFound() => Problems.Of(404, "queue-not-found", "You have no such application, or it has no queue.");
}
