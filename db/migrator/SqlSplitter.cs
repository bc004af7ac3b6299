using System.Text.RegularExpressions;

namespace OpenReadings.Migrator;

/// <summary>One statement of a script: its text, where it begins, and its first words in small letters.</summary>
internal sealed record Statement(string Text, int Offset, string Head);

/// <summary>A quote, comment or body that is never closed.</summary>
internal sealed class SqlSplitException(int offset, string message) : Exception(message)
{
    public int Offset { get; } = offset;
}

/// <summary>
/// Cuts a script into statements as psql does: at each semicolon outside of quotes, dollar quotes, nested comments,
/// parentheses and BEGIN ATOMIC bodies. Comments between statements are left out.
/// </summary>
internal sealed partial class SqlSplitter(string sql)
{
    private readonly List<Statement> statements = [];
    private readonly List<string> head = [];
    private string previous = "";
    private int at;
    private int start = -1;
    private int end;
    private int parentheses;
    private int atomic;

    public static IReadOnlyList<Statement> Split(string sql) => new SqlSplitter(sql).Split();

    private List<Statement> Split()
    {
        while (at < sql.Length)
        {
            if (IsSpace(sql[at])) at++;
            else if (Sees("--")) SkipLine();
            else if (Sees("/*")) SkipComment();
            else if (sql[at] == ';' && parentheses == 0 && atomic == 0) { Finish(); at++; }
            else
            {
                if (start < 0) start = at;
                SkipToken();
                end = at;
            }
        }
        Finish();
        return statements;
    }

    private void Finish()
    {
        if (start >= 0) statements.Add(new Statement(sql[start..end], start, string.Join(' ', head)));
        head.Clear();
        (previous, start, parentheses, atomic) = ("", -1, 0, 0);
    }

    private void SkipToken()
    {
        var c = sql[at];
        if (IsWordStart(c)) ReadWord();
        else if (c is '\'' or '"') SkipQuoted(c, backslashEscapes: false);
        else if (c == '$' && DollarTag().Match(sql, at) is { Success: true } tag) SkipDollarQuoted(tag.Value);
        else
        {
            if (c == '(') parentheses++;
            if (c == ')' && parentheses > 0) parentheses--;
            at++;
            previous = "";
        }
    }

    private void ReadWord()
    {
        var from = at;
        while (at < sql.Length && (IsWordStart(sql[at]) || char.IsAsciiDigit(sql[at]) || sql[at] == '$')) at++;
        var word = sql[from..at].ToLowerInvariant();

        if (word == "e" && at < sql.Length && sql[at] == '\'')
        {
            SkipQuoted('\'', backslashEscapes: true);
            return;
        }

        if (head.Count < 6) head.Add(word);
        if (atomic > 0) atomic += word switch { "case" => 1, "end" => -1, _ => 0 };
        else if (word == "atomic" && previous == "begin" && DefinesRoutine().IsMatch(string.Join(' ', head)))
            atomic = 1;
        previous = word;
    }

    private void SkipLine()
    {
        var newline = sql.IndexOf('\n', at);
        at = newline < 0 ? sql.Length : newline + 1;
    }

    private void SkipComment()
    {
        var from = at;
        var depth = 0;
        do
        {
            if (at >= sql.Length) throw new SqlSplitException(from, "This comment is never closed.");
            if (Sees("/*")) { depth++; at += 2; }
            else if (Sees("*/")) { depth--; at += 2; }
            else at++;
        }
        while (depth > 0);
    }

    private void SkipQuoted(char quote, bool backslashEscapes)
    {
        var from = at++;
        while (true)
        {
            if (at >= sql.Length) throw new SqlSplitException(from, $"This {quote} is never closed.");
            if (sql[at] == '\\' && backslashEscapes) at += 2;
            else if (sql[at] != quote) at++;
            else if (at + 1 < sql.Length && sql[at + 1] == quote) at += 2;
            else break;
        }
        at++;
        previous = "";
    }

    private void SkipDollarQuoted(string tag)
    {
        var close = sql.IndexOf(tag, at + tag.Length, StringComparison.Ordinal);
        if (close < 0) throw new SqlSplitException(at, $"This {tag} is never closed.");
        at = close + tag.Length;
        previous = "";
    }

    private bool Sees(string text) => string.CompareOrdinal(sql, at, text, 0, text.Length) == 0;

    // PostgreSQL's own idea of white space: a no-break space is part of a word there.
    private static bool IsSpace(char c) => c is ' ' or '\t' or '\n' or '\r' or '\f' or '\v';

    private static bool IsWordStart(char c) => char.IsAsciiLetter(c) || c == '_' || c >= '\u0080';

    [GeneratedRegex(@"\G\$([A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$")]
    private static partial Regex DollarTag();

    [GeneratedRegex(@"^create (or replace )?(function|procedure)\b")]
    private static partial Regex DefinesRoutine();
}
