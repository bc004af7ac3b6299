namespace OpenReadings.Events;

/// <summary>Somebody takes everything away that is kept of them. Exchange <c>sync.events</c>.</summary>
/// <param name="UserId">Whose archive.</param>
/// <param name="LoginId">The login that takes it.</param>
/// <param name="TakenAt">When it began.</param>
public sealed record ArchiveTaken(Guid UserId, Guid LoginId, DateTimeOffset TakenAt) : IEvent
{
    public static string Type => "archive.taken.v1";
    public string Subject => UserId.ToString();
}

/// <summary>An import reached its end. Exchange <c>sync.events</c>.</summary>
/// <param name="UserId">Who imported.</param>
/// <param name="ImportId">The import.</param>
/// <param name="Format">The format of the file, such as <c>apple-health</c>.</param>
/// <param name="State">completed, failed or cancelled.</param>
/// <param name="Stored">Records that were new.</param>
/// <param name="Unchanged">Records that were there already, with the same values.</param>
/// <param name="Replaced">Records that were there with other values.</param>
/// <param name="Rejected">Records that could not be stored; the import's rejects name them.</param>
public sealed record ImportCompleted(
    Guid UserId, Guid ImportId, string Format, string State, long Stored, long Unchanged, long Replaced, long Rejected) : IEvent
{
    public static string Type => "import.completed.v1";
    public string Subject => ImportId.ToString();
}
