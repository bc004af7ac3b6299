namespace OpenReadings.Events;

/// <summary>
/// Readings were stored or replaced: one event per series and batch, never one per reading. Exchange <c>readings.events</c>.
/// </summary>
/// <param name="UserId">Whose readings.</param>
/// <param name="SourceId">The source they belong to.</param>
/// <param name="Metric">The source's metric; the first of <paramref name="Metrics"/>.</param>
/// <param name="Metrics">All metrics that the rows carry: several for a composite such as blood pressure.</param>
/// <param name="SeriesType">The catalog's series type of <paramref name="Metric"/>; null for a metric of the user's own.</param>
/// <param name="From">The earliest reading that was stored or replaced.</param>
/// <param name="To">The latest reading that was stored or replaced.</param>
/// <param name="Count">How many readings were stored or replaced; one composite row counts once.</param>
/// <param name="WrittenBy">Who wrote them, where that was not the person themself: another person, also where an application wrote for them, or an application or key that acts as itself. Null for their own. In the queue of an application: its own id where it wrote as itself, otherwise null.</param>
public sealed record ReadingsRecorded(
    Guid UserId, Guid SourceId, string Metric, IReadOnlyList<string> Metrics, string? SeriesType,
    DateTimeOffset From, DateTimeOffset To, int Count, Guid? WrittenBy) : IEvent
{
    public static string Type => "readings.recorded.v1";
    public string Subject => $"{SourceId}/{Metric}";
}

/// <summary>Readings were deleted, one event per metric and request. Exchange <c>readings.events</c>.</summary>
/// <param name="UserId">Whose readings.</param>
/// <param name="SourceId">The source they belonged to.</param>
/// <param name="Metric">The metric whose readings are gone.</param>
/// <param name="From">Beginning of the deleted range, inclusive; null when it has none.</param>
/// <param name="To">End of the deleted range, exclusive; null when it has none.</param>
/// <param name="Count">How many readings were deleted.</param>
/// <param name="WrittenBy">Who deleted them, where that was not the person themself. In the queue of an application: its own id where it did as itself, otherwise null.</param>
public sealed record ReadingsDeleted(
    Guid UserId, Guid SourceId, string Metric, DateTimeOffset? From, DateTimeOffset? To, int Count, Guid? WrittenBy) : IEvent
{
    public static string Type => "readings.deleted.v1";
    public string Subject => $"{SourceId}/{Metric}";
}

/// <summary>A source of readings was declared. Exchange <c>readings.events</c>.</summary>
/// <param name="UserId">Whose source.</param>
/// <param name="SourceId">The source.</param>
/// <param name="Kind">What it is, such as <c>meter</c> or <c>apple-health</c>.</param>
/// <param name="Metrics">The names of its metrics.</param>
public sealed record SourceCreated(Guid UserId, Guid SourceId, string Kind, IReadOnlyList<string> Metrics) : IEvent
{
    public static string Type => "source.created.v1";
    public string Subject => SourceId.ToString();
}

/// <summary>A source or the list of its metrics changed. Exchange <c>readings.events</c>.</summary>
/// <param name="UserId">Whose source.</param>
/// <param name="SourceId">The source.</param>
/// <param name="Kind">What it is now.</param>
/// <param name="Metrics">The names of its metrics now.</param>
public sealed record SourceUpdated(Guid UserId, Guid SourceId, string Kind, IReadOnlyList<string> Metrics) : IEvent
{
    public static string Type => "source.updated.v1";
    public string Subject => SourceId.ToString();
}

/// <summary>A source is gone, with all of its readings. Exchange <c>readings.events</c>.</summary>
/// <param name="UserId">Whose source.</param>
/// <param name="SourceId">The source.</param>
public sealed record SourceDeleted(Guid UserId, Guid SourceId) : IEvent
{
    public static string Type => "source.deleted.v1";
    public string Subject => SourceId.ToString();
}

/// <summary>Somebody accepted what was shared with them: it is open to them now. Exchange <c>readings.events</c>.</summary>
/// <param name="UserId">Whose rows it opens.</param>
/// <param name="GrantId">The grant.</param>
/// <param name="GranteeId">Who accepted it.</param>
/// <param name="Opens">What it opens: <c>everything</c>, <c>category</c>, <c>source</c> or <c>metric</c>.</param>
/// <param name="Access">What they may do: <c>read</c>, <c>write</c> or <c>admin</c>.</param>
/// <param name="EndsAt">When it ends by itself; null when it does not.</param>
/// <param name="ClientId">The application through which alone it is open; null for any program. The same as <paramref name="GranteeId"/> for an application itself, whomever it acts for.</param>
public sealed record GrantAccepted(
    Guid UserId, Guid GrantId, Guid GranteeId, string Opens, string Access, DateTimeOffset? EndsAt, Guid? ClientId) : IEvent
{
    public static string Type => "grant.accepted.v1";
    public string Subject => GrantId.ToString();
}

/// <summary>A grant that was accepted is over: it opens nothing any more. Exchange <c>readings.events</c>.</summary>
/// <param name="UserId">Whose rows it opened.</param>
/// <param name="GrantId">The grant.</param>
/// <param name="GranteeId">To whom.</param>
/// <param name="EndedBy">Who ended it: its owner, who granted it on, or the grantee.</param>
/// <param name="ClientId">The application through which alone it was open; null for any program.</param>
public sealed record GrantRevoked(Guid UserId, Guid GrantId, Guid GranteeId, Guid EndedBy, Guid? ClientId) : IEvent
{
    public static string Type => "grant.revoked.v1";
    public string Subject => GrantId.ToString();
}
