using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>Who is connected, in which state, and how near the limit is.</summary>
internal static class Connections
{
    private sealed record State(string Name, int Count, double OldestSeconds);

    private sealed record Client(string Database, string Role, string Application, int Count);

    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        // Only clients: background workers are in the same view and have slots of their own.
        var states = await database.QueryAsync<State>(
            """
            select coalesce(state, 'starting') as name, count(*)::int as count,
                coalesce(max(extract(epoch from now() - state_change)), 0)::float8 as oldest_seconds
            from pg_stat_activity where backend_type = 'client backend'
            group by 1 order by 2 desc, 1
            """, ct);
        var clients = await database.QueryAsync<Client>(
            """
            select coalesce(datname, '')::text as database, coalesce(usename, '')::text as role, application_name as application,
                count(*)::int as count
            from pg_stat_activity where backend_type = 'client backend'
            group by 1, 2, 3 order by 4 desc, 1, 2, 3
            """, ct);
        var max = await database.OneAsync<int>(
            "select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int", ct);

        var count = states.Sum(state => state.Count);
        var idle = states.Where(state => state.Name.StartsWith("idle in transaction", StringComparison.Ordinal))
            .Select(state => state.OldestSeconds).DefaultIfEmpty(0).Max();
        section.Figures = new { Count = count, Max = max, States = states, Clients = clients };
        section.Summary = $"{count} of {max} ({Words.Percent((double)count / max)}): "
            + string.Join(", ", states.Select(state => $"{state.Count} {state.Name}"));
        section.Judge((double)count / max, scope.Limits.ConnectionsRatio, $"{count} of {max} connections are taken",
            $"most are of {clients[0].Role} ({clients[0].Application}); PgBouncer, smaller pools, or `ops tune --conns`");
        section.Judge(idle, scope.Limits.IdleInTransactionSeconds, $"a transaction has been open and idle for {Words.Age(idle)}",
            "it holds locks and keeps vacuum from cleaning: `ops slow` shows it, `ops locks --terminate PID` ends it");

        foreach (var state in states) section.Measure(Metric.Connections, state.Count, state.Name, section.Of);
        section.Measure(Metric.ConnectionsMax, max, section.Of);
        section.Measure(Metric.IdleInTransaction, idle, section.Of);
    }
}
