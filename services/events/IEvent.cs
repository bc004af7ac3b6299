namespace OpenReadings.Events;

/// <summary>Something that happened and that other programs may want to know. Past tense, additive within a version.</summary>
public interface IEvent
{
    /// <summary>The CloudEvents type and the routing key, such as <c>readings.recorded.v1</c>.</summary>
    static abstract string Type { get; }

    /// <summary>What the event is about. Events of one subject are handled one after the other.</summary>
    string Subject { get; }
}
