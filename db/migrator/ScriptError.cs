using System.Text;
using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>What went wrong in a script, and where: enough to open the file at the right place.</summary>
public sealed record ScriptError
{
    public required string Script { get; init; }
    public required string File { get; init; }
    public required string Message { get; init; }
    public int? Line { get; init; }
    public int? Column { get; init; }
    public string? Statement { get; init; }
    public string? Sqlstate { get; init; }
    public string? Detail { get; init; }
    public string? Hint { get; init; }
    public string? Where { get; init; }

    /// <summary>The sessions that held what a statement waited for.</summary>
    public IReadOnlyList<string>? Blocking { get; init; }

    internal static ScriptError Of(Script script, int? offset, string message)
    {
        var (line, column) = offset is { } at ? PlaceOf(script.Text, at) : (null, null);
        return new ScriptError
        {
            Script = script.Name,
            File = script.File,
            Message = message,
            Line = line,
            Column = column,
        };
    }

    internal static ScriptError Of(Script script, Statement? statement, PostgresException e) =>
        Of(script, OffsetOf(statement, e.Position), e.MessageText) with
        {
            Statement = statement?.Text,
            Sqlstate = e.SqlState,
            Detail = e.Detail,
            Hint = e.Hint,
            Where = e.Where,
        };

    /// <summary>For a terminal: the first line is a link in most of them.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(File);
        if (Line is not null) text.Append($":{Line}:{Column}");
        text.Append($": error{(Sqlstate is null ? "" : " " + Sqlstate)}: {Message}");
        (string, string?)[] more = [("detail", Detail), ("hint", Hint), ("where", Where), ("statement", Statement),
            ("blocked by", Blocking is null ? null : string.Join('\n', Blocking))];
        foreach (var (name, value) in more)
            if (!string.IsNullOrEmpty(value)) text.Append($"\n  {name}: {value.ReplaceLineEndings("\n    ")}");
        return text.ToString();
    }

    // The server counts characters from 1, and C# counts UTF-16 halves from 0.
    private static int? OffsetOf(Statement? statement, int position)
    {
        if (statement is null) return null;
        var offset = 0;
        for (var n = 1; n < position && offset < statement.Text.Length; n++)
            offset += char.IsSurrogatePair(statement.Text, offset) ? 2 : 1;
        return statement.Offset + offset;
    }

    private static (int? Line, int? Column) PlaceOf(string text, int offset)
    {
        var before = text.AsSpan(0, offset);
        return (before.Count('\n') + 1, offset - before.LastIndexOf('\n'));
    }
}
