using System.Text;

namespace OpenReadings.Ops.Health;

/// <summary>All sections; as text one line for each check, with its findings below it.</summary>
internal sealed record Diagnosis(DateTimeOffset TakenAt, IReadOnlyList<Section> Sections)
{
    public Severity Severity => Sections.Count == 0 ? Severity.Ok : Sections.Max(section => section.Severity);

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var check in Sections.GroupBy(section => section.Name))
        {
            var worst = check.Max(section => section.Severity);
            text.AppendLine($"{Word(worst),-5} {check.Key,-13} {SummaryOf([.. check])}");
            foreach (var section in check)
                foreach (var finding in section.Findings)
                    text.AppendLine($"  {Word(finding.Severity),-5} {section.Of}: {finding.What}").AppendLine($"        → {finding.Remedy}");
        }
        var count = Sections.Sum(section => section.Findings.Count);
        return text.AppendLine().Append(count == 0 ? "All is well." : $"{count} finding(s), the worst: {Word(Severity)}.").ToString();
    }

    private static string SummaryOf(IReadOnlyList<Section> sections)
    {
        if (sections.Select(section => section.Summary).Distinct().Count() == 1) return sections[0].Summary;
        return string.Join(", ", sections.Select(section => $"{section.Of} {section.Summary}"));
    }

    private static string Word(Severity severity) => severity switch
    {
        Severity.Ok => "ok",
        Severity.Warn => "warn",
        Severity.Bad => "BAD",
        _ => throw new ArgumentOutOfRangeException(nameof(severity)),
    };
}
