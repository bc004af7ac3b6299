using System.Text.Json;
using OpenReadings.Migrator.Lint;

namespace OpenReadings.Migrator.Tests.Lint;

public sealed class LintCommandTests
{
    private static readonly string Scripts = Path.Combine(TestService.Repository, "db", "scripts");
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Our_own_scripts_have_nothing_that_is_not_in_the_baseline()
    {
        var (exit, said) = await LintAsync("--scripts", Scripts);
        Assert.Equal((0, "0 errors, 0 warnings\n"), (exit, said));
    }

    [Fact]
    public void The_baseline_holds_nothing_that_is_not_there()
    {
        var found = Targets.Services(Scripts).SelectMany(service => Linter.Of([.. Source.Of(Scripts, service)], false))
            .Select(finding => (finding.Rule.Id, finding.Where.Source.Name)).ToHashSet();
        Assert.All(Baseline.Read(Scripts).Entries.Where(entry => entry.Name.EndsWith(".sql", StringComparison.Ordinal)), entry => Assert.Contains(entry, found));
    }

    [Fact]
    public async Task Every_format_says_the_same()
    {
        var root = Directory.CreateTempSubdirectory("lint-").FullName;
        Directory.CreateDirectory(Path.Combine(root, "own"));
        await File.WriteAllTextAsync(Path.Combine(root, "own", "20260101000000_x.sql"), "create table t (id bigint primary key, at timestamp);\ndrop database x;\n", Ct);

        var (exit, text) = await LintAsync("--scripts", root);
        Assert.Equal(10, exit);
        Assert.Contains("20260101000000_x.sql:2: error ban-drop-database: drops the database x.", text, StringComparison.Ordinal);
        Assert.EndsWith("1 errors, 1 warnings\n", text, StringComparison.Ordinal);

        using var json = JsonDocument.Parse((await LintAsync("--scripts", root, "--format", "json")).Said);
        Assert.Equal(["prefer-timestamptz", "ban-drop-database"], json.RootElement.EnumerateArray().Select(finding => finding.GetProperty("rule").GetString()));

        using var sarif = JsonDocument.Parse((await LintAsync("--scripts", root, "--format", "sarif")).Said);
        var run = sarif.RootElement.GetProperty("runs")[0];
        Assert.Equal(2, run.GetProperty("results").GetArrayLength());
        Assert.Equal(2, run.GetProperty("results")[1].GetProperty("locations")[0].GetProperty("physicalLocation").GetProperty("region").GetProperty("startLine").GetInt32());
        Assert.True(run.GetProperty("tool").GetProperty("driver").GetProperty("rules").GetArrayLength() > 80);

        var github = (await LintAsync("--scripts", root, "--format", "github")).Said;
        Assert.Contains(",line=2,title=ban-drop-database::drops the database x.", github, StringComparison.Ordinal);
        Directory.Delete(root, recursive: true);
    }

    private static async Task<(int Exit, string Said)> LintAsync(params string[] words)
    {
        using var said = new StringWriter { NewLine = "\n" };
        return (await Cli.RunAsync(["lint", .. words], said, said, Ct), said.ToString());
    }
}
