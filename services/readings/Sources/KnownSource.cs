using System.Text;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>One named value of a source, and where it is stored.</summary>
internal sealed record Metric(string Name, int SeriesId, short Slot, string Unit, string? Type, string? Group)
{
    /// <summary>What the person may do with its series.</summary>
    public Access Access { get; init; } = Access.Admin;

    /// <summary>When they may write to it; null where that is not a matter of time.</summary>
    public Windows? Writable { get; init; }

    /// <summary>Where it may be written to, and not at this time: when it may.</summary>
    public Windows? ClosedAt(long at) => Writable is { AreNone: false } open && !open.Contain(at) ? open : null;

    public byte[] Utf8 { get; } = Encoding.UTF8.GetBytes(Name);
}

/// <summary>What writing and reading need to know of a source.</summary>
internal sealed record KnownSource(Guid SourceId, int Version, string? TimeZone, Metric[] Metrics, Guid? Owner, Access Access, string? Role)
{
    public const string TooLow = "access-too-low";

    /// <summary>When the person may write its events; null where that is not a matter of time.</summary>
    public Windows? EventsWritable { get; init; }

    /// <summary>Somebody else's.</summary>
    public bool IsShared => Owner is not null;

    /// <summary>The person, asking for the rows of whose source it is.</summary>
    public CurrentUser As(CurrentUser user) => user with { Owner = Owner, Role = Role };

    /// <summary>A window of its time is open: what was counted beforehand may reach out of it.</summary>
    public bool IsWindow => Role is not null;

    /// <summary>403 for whoever may see the source and not do this with it.</summary>
    public void Require(Access access)
    {
        if (Access < access) throw Refused(access);
    }

    /// <summary>False where it is shared for reading only.</summary>
    public bool MayWrite(Metric metric) => !IsShared || metric.Access >= Access.Write;

    /// <summary>403 where one of them is shared for looking only, or for writing at other times: what reaches out of a window would be passed over in silence.</summary>
    public void RequireWrite(IReadOnlyCollection<Metric> metrics, long? from, long? until)
    {
        if (!metrics.All(MayWrite)) throw Refused(Access.Write);
        foreach (var metric in metrics) metric.Writable?.Require(from, until);
    }

    /// <summary>What somebody is told who may see and not do this.</summary>
    public static ProblemException Refused(Access access) => new(403, TooLow,
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
