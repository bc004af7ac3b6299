using OpenReadings.Events;

namespace OpenReadings.Identity.Queues;

/// <summary>
/// Which events leave for the queues of applications, from where, and what a person must have let an application do for it. An event that is not
/// here stays within: who shares with whom, for one, is shown to nobody but the person (their login alone lists grants).
/// </summary>
public static class Audience
{
    /// <summary>In place of a scope: every application; those that a person who has left had let in (queues_of).</summary>
    public const string Everybody = "everybody", Farewell = "farewell";

    public static readonly IReadOnlyDictionary<string, (string Exchange, string Scope)> Of = new Dictionary<string, (string, string)>
    {
        [ReadingsRecorded.Type] = ("readings.events", "readings:read"),
        [ReadingsDeleted.Type] = ("readings.events", "readings:read"),
        [SourceCreated.Type] = ("readings.events", "readings:read"),
        [SourceUpdated.Type] = ("readings.events", "readings:read"),
        [SourceDeleted.Type] = ("readings.events", "readings:read"),
        [ImportCompleted.Type] = ("sync.events", "sync:read"),
        [SeriesTypeDefined.Type] = ("catalog.events", Everybody),
        [AccountDeleted.Type] = ("identity.events", Farewell),
    };
}
