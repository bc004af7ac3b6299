using System.Text;
using Npgsql;

namespace OpenReadings.Ops.Sessions;

internal sealed record RunningStatement(int Pid, string Role, string Application, string State, double Seconds, string? Wait, string Text);

internal sealed record StatementTotal(
    long Calls, double TotalMilliseconds, double MeanMilliseconds, double MaxMilliseconds, long Rows, double? HitRatio,
    string Text);

/// <summary>What runs in a database now, and what has taken the most time. Statements are shown without their literals.</summary>
internal sealed record Slow(string Service, IReadOnlyList<RunningStatement> Now, IReadOnlyList<StatementTotal> Totals, string? Note)
{
    public static async Task<Slow> ReadAsync(ServiceDatabase database, int top, CancellationToken ct)
    {
        var now = await database.QueryAsync<RunningStatement>(
            """
            select pid, coalesce(usename, '')::text as role, application_name as application, state,
                extract(epoch from now() - case when state = 'active' then query_start else state_change end)::float8 as seconds,
                case when state = 'active' then wait_event_type || ': ' || wait_event end as wait, query as text
            from pg_stat_activity
            where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
                and state in ('active', 'idle in transaction', 'idle in transaction (aborted)')
            order by seconds desc limit @top
            """, ct, new { top });
        var (totals, note) = await TotalsAsync(database, top, ct);
        return new(database.Service,
            [.. now.Select(statement => statement with { Text = Words.WithoutLiterals(statement.Text) })],
            [.. totals.Select(total => total with { Text = Words.WithoutLiterals(total.Text) })], note);
    }

    // The extension may be missing, in another schema, or there without its library being loaded.
    private static async Task<(IReadOnlyList<StatementTotal>, string? Note)> TotalsAsync(ServiceDatabase database, int top, CancellationToken ct)
    {
        const string remedy = "shared_preload_libraries = 'pg_stat_statements', a restart, and in the database: create extension pg_stat_statements";
        var schema = await database.QueryAsync<string>(
            "select quote_ident(nspname) from pg_extension join pg_namespace n on n.oid = extnamespace where extname = 'pg_stat_statements'", ct);
        if (schema.Count == 0) return ([], $"No totals without pg_stat_statements: {remedy}.");
        try
        {
            return (await database.QueryAsync<StatementTotal>(
                $"""
                select calls, total_exec_time as total_milliseconds, mean_exec_time as mean_milliseconds,
                    max_exec_time as max_milliseconds, rows,
                    shared_blks_hit::float8 / nullif(shared_blks_hit + shared_blks_read, 0) as hit_ratio, query as text
                from {schema[0]}.pg_stat_statements
                where dbid = (select oid from pg_database where datname = current_database())
                order by total_exec_time desc limit @top
                """, ct, new { top }), null);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.ObjectNotInPrerequisiteState)
        {
            return ([], $"pg_stat_statements is not loaded: {remedy}.");
        }
    }

    public override string ToString()
    {
        var text = new StringBuilder($"{Service}: now\n");
        if (Now.Count == 0) text.AppendLine("  nothing");
        foreach (var statement in Now)
        {
            var what = statement.Wait is null ? statement.State : $"{statement.State}, {statement.Wait}";
            text.AppendLine($"  {statement.Pid,7} {Words.Age(statement.Seconds),8}  {what}  {statement.Role} {statement.Application}: {statement.Text}");
        }
        text.AppendLine($"{Service}: by total time");
        if (Note is not null) text.AppendLine($"  {Note}");
        foreach (var total in Totals)
            text.AppendLine($"  {Words.Age(total.TotalMilliseconds / 1000),8} in {total.Calls,8} calls, {Words.Age(total.MeanMilliseconds / 1000)} each, "
                + $"at most {Words.Age(total.MaxMilliseconds / 1000)}: {total.Text}");
        return text.ToString().TrimEnd();
    }
}
