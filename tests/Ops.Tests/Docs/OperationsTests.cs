using System.Text.RegularExpressions;
using OpenReadings.Ops.Tests.Standbys;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests.Docs;

/// <summary>docs/operations.md, run from the first command to the last, as an operator would with two database hosts.</summary>
public sealed partial class OperationsTests
{
    private static readonly string Document = Path.Combine(TestServers.Root, "docs", "operations.md");
    [Fact]
    public async Task Every_command_of_the_document_is_run_or_says_why_not()
    {
        var blocks = Blocks().ToList();
        Assert.NotEmpty(blocks);
        foreach (var block in blocks) await Shell.MustAsync("bash -n <<<\"$1\"", null, block.Commands);
        var run = blocks.Where(block => block.Mark is "").ToList();
        Assert.InRange(run.Count, blocks.Count / 2, blocks.Count);

        var folder = Shell.TemporaryFolder();
        var certificates = Certificates.In(folder);
        await using var primary = await OwnCluster.ProvisionAsync(certificates, withData: true);
        await using var standby = await OwnCluster.ProvisionAsync(certificates, withData: false);
        await primary.StartAsync();
        // Each says where it is before it begins, so that a failure has a name.
        var script = string.Join('\n', run.Select(block => $"echo \"── line {block.Line}, after $SECONDS s\"\n{block.Commands}"));
        var build = AppContext.BaseDirectory.Contains("/Release/", StringComparison.Ordinal) ? "Release" : "Debug";
        var servers = $"Host={primary.Host},{standby.Host};SSL Mode=VerifyFull;Root Certificate={primary.Certificates.Root}";
        var (exit, said) = await Shell.RunAsync($$"""
            set -euo pipefail
            . deploy/local/common.sh; . deploy/local/secrets.sh
            # 3 is an answer: it looked, and found something to say.
            ops() { dotnet db/ops/bin/{{build}}/net10.0/ops.dll "$@" || (($? == 3)); }
            migrate() { dotnet db/migrator/bin/{{build}}/net10.0/migrate.dll "$@"; }
            secrets=$SECRETS; head -c 32 /dev/urandom | base64 | write "$OPENREADINGS_BACKUP_KEY"
            printf '%s;Username=postgres;Password=%s;Database=postgres\n' "$SERVERS" "$PGPASSWORD" | write "$SECRETS/ops/ConnectionStrings__admin"
            {{script}}
            """, new Dictionary<string, string>(primary.Psql)
        {
            ["SECRETS"] = Path.Combine(folder, "secrets"), ["SECRETS_DIRECTORY"] = Path.Combine(folder, "secrets", "ops"), ["BROKER"] = "mq1:5672",
            ["SERVERS"] = servers, ["CLUSTER"] = primary.Settings, ["STANDBY_CLUSTER"] = standby.Settings, ["STANDBY"] = standby.Host,
            ["Broker"] = (await TestBroker.CreateVhostAsync()).ToString(),
            ["OPENREADINGS_BACKUP_TARGET"] = Directory.CreateDirectory(Path.Combine(folder, "backups")).FullName,
            ["OPENREADINGS_BACKUP_KEY"] = Path.Combine(folder, "backup.key"), ["ACCOUNT"] = $"{Guid.NewGuid()}", ["PGHOST"] = "localhost,localhost", ["PGPORT"] = $"{primary.Port},{standby.Port}",
            ["PGTARGETSESSIONATTRS"] = "primary",
        });
        Assert.True(exit == 0, $"exit {exit}:\n{said}");
        Assert.Contains("is primary; there was none for", said, StringComparison.Ordinal);
        Assert.Contains("Nothing is wrong; it is in force.", said, StringComparison.Ordinal);
        Assert.Contains("Nothing is wrong with it.", said, StringComparison.Ordinal);
        Assert.True(await Sql.ScalarAsync<bool>(primary.Superuser, "select pg_is_in_recovery()"));
        Assert.False(await Sql.ScalarAsync<bool>(standby.Superuser, "select pg_is_in_recovery()"));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void What_is_not_run_has_a_reason_and_every_page_that_is_linked_is_there()
    {
        foreach (var block in Blocks())
            Assert.True(block.Mark is "" || block.Mark.StartsWith("not run: ", StringComparison.Ordinal) && block.Mark.Length > 30, $"line {block.Line}: what is not run says why.");
        foreach (Match link in Link().Matches(File.ReadAllText(Document)))
            Assert.True(File.Exists(Path.Combine(TestServers.Root, "docs", link.Groups[1].Value.Split('#')[0])), $"{link.Value} leads nowhere.");
    }

    private static IEnumerable<Block> Blocks()
    {
        var text = File.ReadAllText(Document);
        return Fence().Matches(text).Select(found => new Block(
            text[..found.Groups["commands"].Index].Count(c => c == '\n') + 1, found.Groups["mark"].Value, found.Groups["commands"].Value));
    }

    private sealed record Block(int Line, string Mark, string Commands);

    [GeneratedRegex(@"(?:<!-- (?<mark>[^\n]*?) -->\n)?```sh\n(?<commands>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"\]\(([^)]+)\)")]
    private static partial Regex Link();
}
