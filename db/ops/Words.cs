using System.Globalization;
using System.Text.RegularExpressions;

namespace OpenReadings.Ops;

/// <summary>Figures as a person reads them, and statements without what a person wrote into them.</summary>
internal static partial class Words
{
    private static readonly string[] Units = ["B", "kB", "MB", "GB", "TB"];

    public static string Bytes(double bytes)
    {
        var unit = 0;
        for (; Math.Abs(bytes) >= 1000 && unit < Units.Length - 1; unit++) bytes /= 1024;
        return string.Create(CultureInfo.InvariantCulture, $"{Math.Round(bytes, unit > 0 && Math.Abs(bytes) < 10 ? 1 : 0)} {Units[unit]}");
    }

    public static string Age(double seconds) => seconds switch
    {
        < 1 => string.Create(CultureInfo.InvariantCulture, $"{seconds * 1000:0} ms"),
        < 120 => string.Create(CultureInfo.InvariantCulture, $"{seconds:0} s"),
        < 7200 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60:0} min"),
        < 172_800 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600:0} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{seconds / 86_400:0} days"),
    };

    public static string Percent(double ratio) => string.Create(CultureInfo.InvariantCulture, $"{ratio * 100:0.#} %");

    /// <summary>
    /// The statement on one line, a ? for each literal: those may be a person's values. A text that the server cut off in the
    /// middle of a literal ends there.
    /// </summary>
    public static string WithoutLiterals(string sql, int limit = 160)
    {
        var bare = Blank().Replace(Literal().Replace(sql, found => found.Value[0] switch
        {
            '"' => found.Value,
            '-' or '/' => " ",
            _ => "?",
        }), " ").Trim();
        return bare.Length <= limit ? bare : bare[..(limit - 1)] + "…";
    }

    [GeneratedRegex("""
        "(?:[^"]|"")*"
        | --[^\n]* | /\*.*?(?:\*/|$)
        | \$(?<tag>[A-Za-z_]\w*|)\$.*?(?:\$\k<tag>\$|$)
        | [eE]'(?:[^'\\]|\\.|'')*(?:'|\\?$)
        | [bBxXnNuU]?&?'(?:[^']|'')*(?:'|$)
        | (?<![\w$])\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?(?!\w)
        """, RegexOptions.Singleline | RegexOptions.IgnorePatternWhitespace | RegexOptions.ExplicitCapture)]
    private static partial Regex Literal();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blank();
}
