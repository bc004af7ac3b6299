namespace OpenReadings.Ops.Queues;

/// <summary>A message that was given up: by a consumer, or by the broker. Its data is shown only when asked for.</summary>
internal sealed record Parked(string Id, string Type, DateTimeOffset? At, string Reason, int Bytes, string? Data);

internal enum Fate { Keep, Resend, Drop }

/// <summary>A place where messages are parked. There are two kinds: a queue at the broker, and a service's table.</summary>
internal interface IParkingPlace : IAsyncDisposable
{
    /// <summary>Decides on each message, oldest first, and answers with all of them. What fails in the middle is still there.</summary>
    Task<IReadOnlyList<(Parked Message, Fate Fate)>> WalkAsync(Func<Parked, Fate> decide, CancellationToken ct);
}
