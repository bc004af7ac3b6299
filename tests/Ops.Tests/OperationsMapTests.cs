using System.Text.RegularExpressions;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests;

/// <summary>docs/operations-map.md promises nothing that is not there.</summary>
public sealed class OperationsMapTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(TestServers.Root, "docs", "operations-map.md"));

    [Fact]
    public void Each_of_the_43_operations_has_its_row() =>
        Assert.Equal(Enumerable.Range(1, 43), Regex.Matches(Page, @"(?m)^\| (\d+) \|").Select(row => int.Parse(row.Groups[1].Value)));

    [Fact]
    public void Each_verb_of_ops_is_one()
    {
        var commands = Cli.Build().Subcommands;
        foreach (Match named in Regex.Matches(Page, "`ops ([a-z]+)(?: ([a-z]+))?"))
        {
            var command = Assert.Single(commands, command => command.Name == named.Groups[1].Value);
            if (named.Groups[2].Success) Assert.Contains(command.Subcommands, verb => verb.Name == named.Groups[2].Value);
        }
        Assert.All(commands, command => Assert.Contains($"`ops {command.Name}", Page, StringComparison.Ordinal));
    }

    [Fact]
    public void Each_file_is_there() => Assert.All(
        Regex.Matches(Page, @"`((?:db|deploy|services|tests)/[\w./]+\.(?:cs|sql|sh))`").Select(file => file.Groups[1].Value),
        file => Assert.True(File.Exists(Path.Combine(TestServers.Root, file)), file));
}
