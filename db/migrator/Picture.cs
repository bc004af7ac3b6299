using System.Text.RegularExpressions;

namespace OpenReadings.Migrator;

/// <summary>A schema as text that two databases with the same schema agree on.</summary>
internal static partial class Picture
{
    /// <summary>Without versions and owners, and without partitions, as those come with the months.</summary>
    public static async Task<string> OfAsync(Target target, CancellationToken ct)
    {
        await using var session = await Session.OpenAsync(target, new Patience(), _ => { }, ct);
        var partitions = await session.QueryAsync(
            "select inhrelid::regclass::text from pg_inherits join pg_partitioned_table on partrelid = inhparent",
            row => $"--exclude-table={row.GetString(0)}", ct);
        var dump = await Tools.DumpAsync(target, ["--schema-only", "--no-owner", .. partitions], ct);
        var text = Lines().Replace(Noise().Replace(dump, ""), "\n\n").Trim('\n') + "\n";
        // The roles of a policy come in the order in which they were made.
        return Policy().Replace(text, match => match.Groups[1].Value
            + string.Join(", ", match.Groups[2].Value.Split(", ").Order(StringComparer.Ordinal)) + match.Groups[3].Value);
    }

    /// <summary>What one has and the other has not, statement by statement.</summary>
    public static IEnumerable<string> Difference(string has, string hasNot)
    {
        var others = Parts(hasNot).ToHashSet();
        return Parts(has).Where(part => !others.Contains(part));
    }

    // Minor releases differ in whether they print AS before an alias.
    private static IEnumerable<string> Parts(string picture) =>
        As().Replace(picture, "").Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(part => part.Trim());

    [GeneratedRegex(@"^(--|SET |SELECT pg_catalog\.|\\).*\n", RegexOptions.Multiline)]
    private static partial Regex Noise();

    [GeneratedRegex(@"\n{3,}")]
    private static partial Regex Lines();

    [GeneratedRegex(@"^(CREATE POLICY .*? TO )([\w, ]+?)( USING| WITH|;)", RegexOptions.Multiline)]
    private static partial Regex Policy();

    [GeneratedRegex(@"\bAS ")]
    private static partial Regex As();
}
