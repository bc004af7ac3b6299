using System.Text.RegularExpressions;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests.Backup;

public sealed partial class BackupDocumentTests
{
    [Fact]
    public async Task Every_command_in_the_document_is_one_that_ops_understands()
    {
        var text = await File.ReadAllTextAsync(Path.Combine(TestServers.Root, "docs", "operations", "backup.md"), TestContext.Current.CancellationToken);
        var commands = Command().Matches(text).Select(found => found.Groups[1].Value.Split("  #")[0].Trim()).Distinct().ToArray();
        Assert.True(commands.Length >= 10, string.Join('\n', commands));
        Assert.All(commands, command => Assert.Empty(Cli.Build().Parse(command["ops ".Length..]).Errors));
    }

    [GeneratedRegex(@"(?:^    |`)(ops [a-z][^`\n]*)", RegexOptions.Multiline)]
    private static partial Regex Command();
}
