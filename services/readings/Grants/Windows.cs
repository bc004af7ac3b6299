using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>A part of the time axis, the end not in it.</summary>
internal readonly record struct Window(long From, long Until)
{
    public static readonly Window Always = new(Timestamp.Of(DateTime.MinValue), Timestamp.Of(DateTime.MaxValue));

    public override string ToString() => string.Join(' ', new[]
    {
        From == Always.From ? null : $"from {Timestamp.ToText(From)}", Until == Always.Until ? null : $"until {Timestamp.ToText(Until)}",
    }.Where(side => side is not null));
}

/// <summary>When somebody may write who may not do so always.</summary>
internal sealed class Windows(Window[] all)
{
    /// <summary>The type of the problem of what is written at another time.</summary>
    public const string Outside = "outside-window";

    private const int Told = 3;
    private readonly Lazy<string> text = new(() =>
        $"This was shared with you for writing {string.Join(" and ", all.Take(Told))}{(all.Length > Told ? " and at other times" : "")} only.");

    public bool AreNone => all.Length == 0;

    /// <summary>What a person is told who writes at another time.</summary>
    public string Text => text.Value;

    public bool Contain(long at)
    {
        foreach (var window in all)
            if (at >= window.From && at < window.Until) return true;
        return false;
    }

    /// <summary>Whether a range lies in one of them, and does not begin where that ends; null is without a beginning, or an end.</summary>
    public bool Cover(long? from, long? until)
    {
        var (first, last) = (from ?? Window.Always.From, until ?? Window.Always.Until);
        return Array.Exists(all, window => first >= window.From && first < window.Until && last <= window.Until);
    }

    /// <summary>403 where a range reaches out of them.</summary>
    public void Require(long? from, long? until)
    {
        if (!Cover(from, until)) throw new ProblemException(403, Outside, Text);
    }
}
