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

    public Task<bool> IsInvalidAsync(Session session, CancellationToken ct) => IsAsync("not indisvalid", session, ct);

    public Task<bool> IsValidAsync(Session session, CancellationToken ct) => IsAsync("indisvalid", session, ct);

    public async Task DropInvalidAsync(Session session, Action<string> log, CancellationToken ct)
    {
        if (!await IsInvalidAsync(session, ct)) return;
        log($"dropping the INVALID index {Name} that a broken-off build left");
        await session.ExecuteAsync($"drop index concurrently {Name}", ct);
    }

    private Task<bool> IsAsync(string condition, Session session, CancellationToken ct) => session.ScalarAsync<bool>(
        $"select exists (select from pg_index where indexrelid = to_regclass(@name) and {condition})",
        ct, new NpgsqlParameter("name", Name));

    [GeneratedRegex("""
        ^create\s+(unique\s+)?index\s+concurrently\s+(if\s+not\s+exists\s+)?(?<name>"[^"]+"|[a-z0-9_$]+)\s+on\s
        """, RegexOptions.IgnoreCase | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Form();
}
