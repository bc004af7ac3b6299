using System.Text.RegularExpressions;
using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>The index that a CREATE INDEX CONCURRENTLY makes, named as the statement writes it.</summary>
internal sealed partial record ConcurrentIndex(string Name)
{
    public static ConcurrentIndex? Of(Statement statement) =>
        Form().Match(statement.Text) is { Success: true } match
            ? new ConcurrentIndex(match.Groups["name"].Value)
            : null;

    public Task<bool> IsInvalidAsync(Session session, CancellationToken ct) => session.ScalarAsync<bool>(
        "select exists (select from pg_index where indexrelid = to_regclass(@name) and not indisvalid)",
        ct, new NpgsqlParameter("name", Name));

    public async Task DropInvalidAsync(Session session, Action<string> log, CancellationToken ct)
    {
        if (!await IsInvalidAsync(session, ct)) return;
        log($"dropping the INVALID index {Name} that a broken-off build left");
        await session.ExecuteAsync($"drop index concurrently {Name}", ct);
    }

    [GeneratedRegex("""
        ^create\s+(unique\s+)?index\s+concurrently\s+(if\s+not\s+exists\s+)?(?<name>"[^"]+"|[a-z0-9_$]+)\s+on\s
        """, RegexOptions.IgnoreCase | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Form();
}
