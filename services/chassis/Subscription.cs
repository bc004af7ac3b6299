using System.Diagnostics;
using System.Runtime.Serialization;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using OpenReadings.Events;

namespace OpenReadings.Chassis;

/// <summary>
/// Handles one kind of event. Begins with <see cref="UserTransaction.IsFirstTimeAsync"/>, because every event can come twice.
/// </summary>
public interface IHandle<in TEvent> where TEvent : IEvent
{
    Task HandleAsync(TEvent happened, Received received, CancellationToken ct);
}

/// <summary>The envelope of an event that arrived.</summary>
public sealed record Received(Guid Id, string Type, string? Subject, DateTimeOffset Time, string? Traceparent);

/// <summary>The one message type that MassTransit knows: an envelope and its data, not yet read.</summary>
public sealed record Incoming(Received Received, JsonElement Data);

/// <summary>One consumer queue: which handler takes which event of which exchange.</summary>
public sealed class Subscription(string queue, string exchange)
{
    private readonly Dictionary<string, Func<IServiceProvider, Incoming, CancellationToken, Task>> handlers = [];
    private readonly List<Action<IServiceCollection>> registrations = [];

    public string Queue => queue;
    public string Exchange => exchange;
    public IReadOnlyCollection<string> Types => handlers.Keys;

    /// <summary>Raised after each event that was handled; tests wait on it instead of sleeping.</summary>
    public event Action<Received>? Handled;

    public Subscription On<TEvent, THandler>() where TEvent : IEvent where THandler : class, IHandle<TEvent>
    {
        registrations.Add(services => services.AddScoped<THandler>());
        handlers.Add(TEvent.Type, (services, message, ct) => services.GetRequiredService<THandler>().HandleAsync(
            message.Data.Deserialize<TEvent>(Json.Options) ?? throw new SerializationException("No data."), message.Received, ct));
        return this;
    }

    internal void Register(IServiceCollection services)
    {
        foreach (var register in registrations) register(services);
    }

    internal async Task DispatchAsync(IServiceProvider root, Incoming message, CancellationToken ct)
    {
        if (!handlers.TryGetValue(message.Received.Type, out var handle)) return;   // an old binding: not ours any more
        ActivityContext.TryParse(message.Received.Traceparent, null, isRemote: true, out var parent);
        using var activity = EventSender.Source.StartActivity($"process {message.Received.Type}", ActivityKind.Consumer, parent);
        await using var scope = root.CreateAsyncScope();
        await handle(scope.ServiceProvider, message, ct);
        Handled?.Invoke(message.Received);
    }
}
