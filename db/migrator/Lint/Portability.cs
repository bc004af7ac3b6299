using System.Text;
using System.Text.RegularExpressions;
using static OpenReadings.Migrator.Lint.Severity;

namespace OpenReadings.Migrator.Lint;

/// <summary>What DbUp, psql or an editor would make of a script that our runner reads well.</summary>
internal static partial class Portability
{
    public static readonly Rule[] All =
    [
        Of("dollar-tag-named", "DbUp takes $tag$ for a variable", "$$", source => Matches(source, NamedTag())),
        Of("dollar-word-in-literal", "DbUp takes $word$ for a variable, in text too", "put the text together: '$' || 'word$'", source => Matches(source, WordInLiteral())),
        Of("begin-atomic", "DbUp cuts the body apart at its semicolons", "a body in $$", source => Matches(source, BeginAtomic())),
        Of("copy-from-stdin", "Npgsql closes the connection", "insert", source => Matches(source, CopyFromStdin())),
        Of("psql-meta-command", "Only psql knows it", "plain SQL", source => Matches(source, MetaCommand())),
        Of("no-final-newline", "DbUp may add a character to the last word", "a newline at the end", source => source.Text is { Length: > 0 } text && text[^1] != '\n' ? [(text.Length - 1, "the file ends without one")] : []),
        Of("bom", "A byte order mark in the middle of joined files is no SQL", "UTF-8 without one", source => source.Bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? [(0, "the file begins with one")] : []),
        Of("crlf", "The text's hash depends on the editor", "LF", source => source.Text.IndexOf('\r') is >= 0 and var at ? [(at, "a carriage return")] : []),
        Of("non-utf8", "It is read as something else", "UTF-8", source => IsUtf8(source.Bytes) ? [] : [(0, "the file is not UTF-8")]),
        Of("control-character", "Nobody sees it", "remove it", source => Matches(source, Control())),
        Step("set-search-path", "The journal is then looked for elsewhere (42P01)", "leave it to the runner", node => Sets(node, "search_path")),
        Step("set-role", "The journal may then not be written (42501)", "leave it to the runner", node => Sets(node, "role") || Sets(node, "session_authorization")),
        Step("reset-all", "It takes the runner's settings away", "reset what was set", node => node.Kind == "VariableSetStmt" && node.Text("kind") == "VAR_RESET_ALL"),
        Step("discard-all", "It takes the runner's lock away", "nothing", node => node.Kind == "DiscardStmt" && node.Text("target") == "DISCARD_ALL"),
        Step("advisory-unlock-all", "It takes the runner's lock away", "unlock what was locked", node => node.Calls().Any(call => call.Name("funcname") == "pg_advisory_unlock_all")),
        Of("script-name", "Scripts run in the order of their names", "14 digits, _, small letters, digits and _: 20261126210000_add_things.sql", source => Name().IsMatch(source.Name) || source.Name.EndsWith(".down.sql", StringComparison.Ordinal) ? [] : [(0, source.Name)]),
        Of("down-file", "DbUp runs it as an upgrade", "db/rollback/<service>/<the same name>", source => source.Name.EndsWith(".down.sql", StringComparison.Ordinal) ? [(0, source.Name)] : []),
        Of("apostrophe-in-body-comment", "DbUp loses count of the quotes behind it", "a comment without an apostrophe", source => Matches(source, ApostropheInBody())),
    ];

    private static Rule Of(string id, string why, string safe, Func<Source, IEnumerable<(int, string)>> file) => new(id, Warning, why, safe) { File = file, IsPortability = true };

    private static Rule Step(string id, string why, string safe, Func<Node, bool> isIt) => new(id, Warning, why, safe)
    {
        Statement = step => isIt(step.Node) ? [step.Text.ReplaceLineEndings(" ")] : [],
        IsPortability = true,
    };

    private static bool Sets(Node node, string setting) => node.Kind == "VariableSetStmt" && node.Text("name") == setting && node.Text("kind") != "VAR_RESET";

    private static IEnumerable<(int, string)> Matches(Source source, Regex regex) =>
        regex.Matches(source.Text).Take(1).Select(match => (match.Groups["at"].Success ? match.Groups["at"].Index : match.Index, match.Groups["at"].Success ? match.Groups["at"].Value.Trim() : match.Value.Trim()));

    private static bool IsUtf8(byte[] bytes) => System.Text.Unicode.Utf8.IsValid(bytes);

    [GeneratedRegex(@"(?<!['\w$])\$[A-Za-z_]\w*\$(?!')")]
    private static partial Regex NamedTag();

    [GeneratedRegex(@"'[^'\n]*(?<at>\$[A-Za-z0-9_-]+\$)[^'\n]*'")]
    private static partial Regex WordInLiteral();

    [GeneratedRegex(@"(?im)^\s*begin\s+atomic\b")]
    private static partial Regex BeginAtomic();

    [GeneratedRegex(@"(?i)\bcopy\b[^;]*\bfrom\s+stdin\b")]
    private static partial Regex CopyFromStdin();

    [GeneratedRegex(@"(?m)^\\[a-z!?]\S*")]
    private static partial Regex MetaCommand();

    [GeneratedRegex(@"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")]
    private static partial Regex Control();

    [GeneratedRegex(@"^[0-9]{14}_[a-z0-9_]{1,180}\.sql$")]
    private static partial Regex Name();

    [GeneratedRegex(@"\$\$(?:(?!\$\$)[^\n]|\n)*?(?<at>--(?:(?!\$\$)[^'\n])*'(?:(?!\$\$)[^'\n])*)(?:\n|\$\$)")]
    private static partial Regex ApostropheInBody();
}
