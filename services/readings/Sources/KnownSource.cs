using System.Text;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>One named value of a source, and where it is stored.</summary>
internal sealed record Metric(string Name, int SeriesId, short Slot, string Unit, string? Type, string? Group)
{
    /// <summary>What the person may do with its series.</summary>
    public Access Access { get; init; } = Access.Admin;

    /// <summary>When they may write to it; null where that is not a matter of time.</summary>
    public Window[]? Writable { get; init; }

    /// <summary>Whether it is open for writing, and not at this time.</summary>
    public bool IsClosedAt(long at)
    {
        if (Writable is null or []) return false;
        foreach (var window in Writable)
            if (at >= window.From && at < window.Until) return false;
        return true;
    }

    public byte[] Utf8 { get; } = Encoding.UTF8.GetBytes(Name);
}

/// <summary>A part of the time axis, the end not in it.</summary>
internal readonly record struct Window(long From, long Until)
{
    private static readonly long Beginning = Timestamp.Of(DateTime.MinValue), End = Timestamp.Of(DateTime.MaxValue);

    /// <summary>Whether a range lies in it; null is without a beginning, or an end.</summary>
    public bool Covers(long? from, long? until) => (from ?? Beginning) >= From && (until ?? End) <= Until;

    public override string ToString() => string.Join(' ', new[]
    {
        From == Beginning ? null : $"from {Timestamp.ToText(From)}", Until == End ? null : $"until {Timestamp.ToText(Until)}",
    }.Where(side => side is not null));
}

/// <summary>What writing and reading need to know of a source.</summary>
internal sealed record KnownSource(Guid SourceId, int Version, string? TimeZone, Metric[] Metrics, Guid? Owner, Access Access, string? Role)
{
    /// <summary>When the person may write its events; null where that is not a matter of time.</summary>
    public Window[]? EventsWritable { get; init; }

    /// <summary>Somebody else's.</summary>
    public bool IsShared => Owner is not null;

    /// <summary>The person, asking for the rows of whose source it is.</summary>
    public CurrentUser As(CurrentUser user) => user with { Owner = Owner, Role = Role };

    /// <summary>Only a window of its time is open: what was counted beforehand may reach out of it.</summary>
    public bool IsWindow => Role is not null;

    /// <summary>403 for whoever may see the source and not do this with it.</summary>
    public void Require(Access access)
    {
        if (Access < access) throw Refused(access);
    }

    /// <summary>403 where one of the series is shared for looking only.</summary>
    public void RequireWrite(IEnumerable<int> series)
    {
        if (IsShared && series.Any(one => Array.Exists(Metrics, metric => metric.SeriesId == one && metric.Access < Access.Write))) throw Refused(Access.Write);
    }

    /// <summary>403 where one of them is shared for looking only, or for writing at other times: what reaches out of a window would be passed over in silence.</summary>
    public void RequireWrite(IReadOnlyCollection<Metric> metrics, long? from, long? until)
    {
        RequireWrite(metrics.Select(metric => metric.SeriesId));
        foreach (var metric in metrics) RequireWithin(metric.Writable, from, until);
    }

    /// <summary>403 where a range reaches out of what is open for writing.</summary>
    public static void RequireWithin(Window[]? writable, long? from, long? until)
    {
        if (writable is not null && !Array.Exists(writable, window => window.Covers(from, until))) throw new ProblemException(403, OutsideWindow, Open(writable));
    }

    /// <summary>The type of the problem of what is written at a time that is not open for it.</summary>
    public const string OutsideWindow = "outside-window";

    /// <summary>What a person is told who writes at another time.</summary>
    public static string Open(Window[] writable) => $"This was shared with you for writing {string.Join(" and ", writable)} only.";

    private static ProblemException Refused(Access access) => new(403, "access-too-low",
        $"This was shared with you for less than that: it needs the access '{access.ToText()}'.");

    public Metric? Find(string name) => Array.Find(Metrics, metric => metric.Name == name);

    /// <summary>The metrics asked for, in the source's order; all of them when none is named.</summary>
    public Metric[] Select(string[]? names)
    {
        if (names is null or []) return Metrics;
        foreach (var name in names)
            if (Find(name) is null) throw new ProblemException(400, "unknown-metric", $"This source has no metric '{name}'.");
        return Array.FindAll(Metrics, metric => names.Contains(metric.Name));
    }
}
