using System.Globalization;
using System.Text.RegularExpressions;

namespace OpenReadings.Migrator;

/// <summary>
/// When a script may run, seen from the programs that are rolled out: before (expand), beside (data), or once nothing
/// uses what it takes away (contract).
/// </summary>
public enum Phase
{
    Expand,
    Data,
    Contract,
}

/// <summary>What a script says of itself in its leading comments: one <c>-- migrate: key value</c> to a line.</summary>
internal sealed partial record Header
{
    public bool NoTransaction { get; private init; }
    public TimeSpan? LockTimeout { get; private init; }
    public int? Retries { get; private init; }
    public TimeSpan? StatementTimeout { get; private init; }
    public Phase Phase { get; private init; }

    /// <summary>Where alone it runs; empty for everywhere.</summary>
    public IReadOnlyList<string> Environments { get; private init; } = [];
    public IReadOnlyList<string> Requires { get; private init; } = [];
    public string? Irreversible { get; private init; }

    public bool RunsIn(string environment) => Environments.Count == 0 || Environments.Contains(environment);

    /// <exception cref="FormatException">A key or a value that is not understood. Begins with the line.</exception>
    public static Header Parse(string text)
    {
        var header = new Header();
        var leading = true;
        var number = 0;
        foreach (var line in text.Split('\n'))
        {
            number++;
            leading = leading && (string.IsNullOrWhiteSpace(line) || line.StartsWith("--", StringComparison.Ordinal));
            if (Line().Match(line) is not { Success: true } match) continue;
            if (!leading) throw new FormatException($"{number}: A migrate: line must stand above the first statement.");

            foreach (var item in match.Groups[1].Value.Split(';', StringSplitOptions.TrimEntries))
                header = header.With(item)
                    ?? throw new FormatException($"{number}: This is not a known header: {item}");
        }
        return header;
    }

    // A key that is not understood might be one that keeps a script from running, so it is never skipped.
    private Header? With(string item)
    {
        var words = item.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return words switch
        {
            ["no-transaction"] => this with { NoTransaction = true },
            ["lock-timeout", var text] when Duration.TryParse(text, out var time) => this with { LockTimeout = time },
            ["lock-timeout", var text, "retries", var most]
                when int.TryParse(most, CultureInfo.InvariantCulture, out var n)
                => With($"lock-timeout {text}") is { } header ? header with { Retries = n } : null,
            ["statement-timeout", var text] when Duration.TryParse(text, out var time)
                => this with { StatementTimeout = time },
            ["phase", "expand"] => this with { Phase = Phase.Expand },
            ["phase", "data"] => this with { Phase = Phase.Data },
            ["phase", "contract"] => this with { Phase = Phase.Contract },
            ["env", .. var names] when names.Length > 0 => this with { Environments = Names(names) },
            ["requires", var name] when Script.ValidName().IsMatch(name)
                => this with { Requires = [.. Requires, name] },
            ["irreversible", "because", .. var why] when why.Length > 0
                => this with { Irreversible = string.Join(' ', why) },
            // For the reader and for lint; it changes nothing in how the script runs.
            ["allow", _, _, ..] => this,
            _ => null,
        };
    }

    private static string[] Names(string[] words) =>
        string.Join(',', words).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    [GeneratedRegex(@"^--\s*migrate:\s*(.*?)\s*$")]
    private static partial Regex Line();
}

/// <summary>Durations as PostgreSQL writes them: 500ms, 2s, 15min, 1h, and 0 for no limit.</summary>
internal static partial class Duration
{
    public static bool TryParse(string text, out TimeSpan value)
    {
        value = TimeSpan.Zero;
        if (Form().Match(text) is not { Success: true } match) return text == "0";
        if (!int.TryParse(match.Groups[1].Value, CultureInfo.InvariantCulture, out var number)) return false;
        value = match.Groups[2].Value switch
        {
            "ms" => TimeSpan.FromMilliseconds(number),
            "s" => TimeSpan.FromSeconds(number),
            "min" => TimeSpan.FromMinutes(number),
            _ => TimeSpan.FromHours(number),
        };
        return value.TotalMilliseconds <= int.MaxValue;    // what the server's settings hold
    }

    [GeneratedRegex(@"^(\d+)(ms|s|min|h)$")]
    private static partial Regex Form();
}
