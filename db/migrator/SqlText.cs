using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>Statements as text for psql, from those that are otherwise sent with parameters.</summary>
internal static partial class SqlText
{
    public static string Inline(string sql, params NpgsqlParameter[] parameters)
    {
        var values = parameters.ToDictionary(parameter => parameter.ParameterName, parameter => Literal(parameter.Value));
        return Parameter().Replace(sql, match => values[match.Groups[1].Value]);
    }

    private static string Literal(object? value) => value switch
    {
        null or DBNull => "null",
        int number => number.ToString(CultureInfo.InvariantCulture),
        DateTimeOffset time => Quote(time.ToString("O", CultureInfo.InvariantCulture)),
        _ => Quote(value.ToString()!),
    };

    private static string Quote(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    [GeneratedRegex("@([a-zA-Z0-9]+)")]
    private static partial Regex Parameter();
}
