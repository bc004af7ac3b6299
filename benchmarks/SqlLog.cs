using System.Text;
using System.Text.RegularExpressions;

namespace OpenReadings.Benchmarks;

/// <summary>A statement as PostgreSQL wrote it down, with the text of its parameters; null is null.</summary>
internal sealed record Statement(string Sql, IReadOnlyList<string?> Parameters);

/// <summary>
/// The SQL that a request really runs, read from the server's log: what the request is compared with can neither be forgotten
/// when a slice changes nor be flattered.
/// </summary>
internal static partial class SqlLog
{
    public static async Task<IReadOnlyList<Statement>> CaptureAsync(Platform platform, string role, Action request)
    {
        await SetAsync(platform, "all");
        var log = Path.Combine(platform.PostgresFolder, "log");
        var before = new FileInfo(log).Length;
        request();
        await Task.Delay(200);
        await SetAsync(platform, "none");
        await using var file = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        file.Position = before;
        using var reader = new StreamReader(file);
        return [.. Parse(await reader.ReadToEndAsync(), role).Where(IsOfTheRequest)];
    }

    private static async Task SetAsync(Platform platform, string value)
    {
        await platform.QueryAsync<object>($"alter system set log_statement = '{value}'");
        await platform.QueryAsync<object>("select pg_reload_conf()");
        await Task.Delay(200);
    }

    // The one who sets the user is the peer itself, and it needs no transaction either: a batch is one.
    private static bool IsOfTheRequest(Statement statement) =>
        !statement.Sql.Contains("set_config(", StringComparison.Ordinal)
        && !Transaction().IsMatch(statement.Sql);

    private static IEnumerable<Statement> Parse(string log, string role)
    {
        Statement? last = null;
        foreach (var entry in Entry().Matches(log).Where(entry => entry.Groups["role"].Value == role))
        {
            var text = entry.Groups["text"].Value.TrimEnd().Replace("\n\t", "\n", StringComparison.Ordinal);
            if (entry.Groups["level"].Value == "DETAIL" && last is not null)
            {
                last = last with { Parameters = [.. Parameter().Matches(text).Select(p => p.Groups["text"].Success ? Unquoted(p.Groups["text"].Value) : null)] };
                continue;
            }
            if (last is not null) yield return last;
            last = new Statement(Execute().Replace(text, "", 1), []);
        }
        if (last is not null) yield return last;
    }

    private static string Unquoted(string text) => new StringBuilder(text).Replace("''", "'").ToString();

    [GeneratedRegex(@"^[-\d]+ [:.\d]+ UTC (?<role>\w+)@\w+ (?<level>LOG|DETAIL):  (?<text>.*\n(?:\t.*\n)*)", RegexOptions.Multiline)]
    private static partial Regex Entry();

    [GeneratedRegex(@"\$\d+ = (?:'(?<text>(?:[^']|'')*)'|NULL)")]
    private static partial Regex Parameter();

    [GeneratedRegex(@"^(?:execute [^:]*|statement): ")]
    private static partial Regex Execute();

    [GeneratedRegex(@"^\s*(?:begin|commit|rollback)\b", RegexOptions.IgnoreCase)]
    private static partial Regex Transaction();
}
