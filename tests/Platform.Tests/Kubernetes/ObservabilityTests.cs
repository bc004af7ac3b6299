using System.Text.Json;
using System.Text.RegularExpressions;
using OpenReadings.Support;

namespace OpenReadings.PlatformTests.Kubernetes;

/// <summary>deploy/observability: an alert leads to what to do, and nothing asks for a figure that nobody gives.</summary>
public sealed partial class ObservabilityTests
{
    private static string Runbook => File.ReadAllText(Path.Combine(TestServers.Root, "docs", "operations", "alerts.md"));

    [Fact]
    public async Task Every_alert_has_a_section_that_says_what_to_do_and_every_section_an_alert()
    {
        var rules = (await Overlay.ReadAsync("prod")).All<PrometheusRule>().Single().Spec.Groups.SelectMany(group => group.Rules).ToList();
        var sections = Heading().Matches(Runbook).Select(match => match.Groups[1].Value).ToList();
        Assert.Equal(rules.Select(rule => rule.Alert).Order(StringComparer.Ordinal), sections.Order(StringComparer.Ordinal));
        Assert.All(rules, rule =>
        {
            Assert.Equal($"docs/operations/alerts.md#{rule.Alert.ToLowerInvariant()}", rule.Annotations["runbook_url"]);
            Assert.NotEmpty(rule.Annotations["summary"]);
            Assert.Contains(rule.Labels["severity"], new[] { "critical", "warning" });
        });
    }

    [Fact]
    public async Task Alerts_and_dashboards_ask_only_for_figures_and_labels_that_there_are()
    {
        var page = File.ReadAllLines(Path.Combine(TestServers.Root, "docs", "metrics.md")).Select(line => Row().Match(line)).Where(match => match.Success)
            .ToDictionary(match => match.Groups["name"].Value, match => Word().Matches(match.Groups["labels"].Value).Select(word => word.Value).ToHashSet());
        var asked = (await Overlay.ReadAsync("prod")).All<PrometheusRule>().Single().Spec.Groups.SelectMany(group => group.Rules)
            .Select(rule => (rule.Expr, Says: rule.Annotations["summary"])).Concat(Panels()).ToList();
        Assert.True(asked.Count > 40);
        foreach (var (expression, says) in asked)
        {
            var names = Ours().Matches(expression).Select(match => match.Value).ToList();
            Assert.All(names, name => Assert.True(page.ContainsKey(name), $"{name} is not in docs/metrics.md: {expression}"));
            if (names.Count == 0) continue;
            var labels = names.SelectMany(name => page[name]).ToHashSet();
            Assert.All(Label().Matches(says).Select(match => match.Groups[1].Value), label => Assert.True(labels.Contains(label), $"{expression} has no label {label}"));
        }
        // Each figure of the runbook's alerts is on a dashboard too: whoever is woken wants to see it.
        string[] wanted = ["openreadings_outbox_lag_seconds", "openreadings_queue_messages", "openreadings_dead_letters", "openreadings_schema_pending_scripts", "openreadings_backup_age_seconds",
            "http_server_request_duration_seconds_count", "http_server_request_duration_seconds_bucket"];
        Assert.All(wanted, name => Assert.Contains(Panels(), panel => panel.Expression.Contains(name, StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_link_of_the_operators_pages_leads_to_a_section()
    {
        foreach (var page in Directory.EnumerateFiles(Path.Combine(TestServers.Root, "docs", "operations"), "*.md"))
        {
            foreach (Match link in Link().Matches(File.ReadAllText(page)))
            {
                var target = link.Groups[1].Value is { Length: > 0 } file ? Path.Combine(Path.GetDirectoryName(page)!, file) : page;
                Assert.True(File.Exists(target), $"{page}: {link.Value}");
                if (link.Groups[2].Value is { Length: > 1 } anchor)
                    Assert.Contains(anchor[1..], Section().Matches(File.ReadAllText(target)).Select(match => Dropped().Replace(match.Groups[1].Value.ToLowerInvariant(), "").Replace(' ', '-')));
            }
        }
    }

    private static IEnumerable<(string Expression, string Says)> Panels() => Directory
        .EnumerateFiles(Path.Combine(TestServers.Root, "deploy", "observability", "dashboards"), "*.json")
        .SelectMany(file => JsonDocument.Parse(File.ReadAllText(file)).RootElement.GetProperty("panels").EnumerateArray())
        .SelectMany(panel => panel.GetProperty("targets").EnumerateArray())
        .Select(target => (target.GetProperty("expr").GetString()!, target.GetProperty("legendFormat").GetString()!));

    [GeneratedRegex(@"^## (OpenReadings\w+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"\]\(([^)#:]*)(#[^)]*)?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex Section();

    [GeneratedRegex(@"[^a-z0-9 -]")]
    private static partial Regex Dropped();

    [GeneratedRegex(@"^\| `(?<name>openreadings_\w+)` \| \w+ \| (?<labels>[^|]*) \|")]
    private static partial Regex Row();

    [GeneratedRegex("[a-z_]+")]
    private static partial Regex Word();

    [GeneratedRegex(@"openreadings_[a-z_]+")]
    private static partial Regex Ours();

    [GeneratedRegex(@"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}")]
    private static partial Regex Label();
}
