using System.Text.RegularExpressions;
using OpenReadings.Support;

namespace OpenReadings.PlatformTests;

/// <summary>docs/security.md claims nothing that no test shows.</summary>
public sealed partial class SecurityPageTests
{
    [Fact]
    public void Every_attack_is_stopped_by_something_that_a_test_shows()
    {
        var rows = File.ReadAllLines(Path.Combine(TestServers.Root, "docs", "security.md")).Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(1).ToList();
        Assert.True(rows.Count > 20);
        foreach (var row in rows)
        {
            var shown = Shown().Matches(row.Split('|')[3]);
            Assert.True(shown.Count > 0, row);
            foreach (Match one in shown)
                Assert.Matches($@"public (async Task|void) {one.Groups["test"].Value}\(", File.ReadAllText(Path.Combine(TestServers.Root, one.Groups["file"].Value)));
        }
    }

    [GeneratedRegex(@"`(?<file>tests/[\w./]+\.cs)` (?<test>\w+)")]
    private static partial Regex Shown();
}
