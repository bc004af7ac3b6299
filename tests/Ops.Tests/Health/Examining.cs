using OpenReadings.Ops.Health;

namespace OpenReadings.Ops.Tests.Health;

internal static class Examining
{
    /// <summary>What one check says of the database.</summary>
    public static async Task<Section> LookAsync(this Given given, string check, Thresholds? limits = null)
    {
        var diagnosis = await Examination.RunAsync(new Scope([given.Place]) { Limits = limits ?? new() }, Given.Ct);
        return diagnosis.Sections.Single(section => section.Name == check);
    }

    public static void AssertFound(this Section section, Severity severity, string words) => Assert.Contains(
        section.Findings, finding => finding.Severity == severity && finding.What.Contains(words, StringComparison.Ordinal));
}
