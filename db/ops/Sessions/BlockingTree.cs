using System.Globalization;
using System.Text;
using System.Text.Json.Serialization;

namespace OpenReadings.Ops.Sessions;

/// <summary>A session that waits for a lock or holds one that others wait for.</summary>
internal sealed record LockedSession(
    int Pid, string Database, string Role, string Application, string State, double TransactionSeconds,
    double WaitingSeconds, string WaitsFor, string BlockedBy, string Statement)
{
    [JsonIgnore]
    public IReadOnlyList<int> Blockers { get; } =
        [.. BlockedBy.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(pid => int.Parse(pid, CultureInfo.InvariantCulture))];


    /// <summary>The state of a transaction whose session has left it: there is no process to end.</summary>
    public const string Prepared = "prepared transaction";

    [JsonIgnore]
    public string Way => State == Prepared ? "select gid from pg_prepared_xacts, then rollback prepared 'GID'"
        : State == "active" ? $"`ops locks --cancel {Pid}` stops its statement" : $"it only idles: `ops locks --terminate {Pid}` ends it";
}

/// <summary>Who waits for whom. Process 0 stands for transactions that were prepared and left by their session.</summary>
internal sealed record BlockingTree(IReadOnlyList<LockedSession> Sessions)
{
    [JsonIgnore]
    public IReadOnlyList<LockedSession> Blocked => [.. Sessions.Where(session => session.Blockers.Count > 0)];

    /// <summary>Those who hold others up and wait for nobody.</summary>
    [JsonIgnore]
    public IReadOnlyList<LockedSession> Roots => [.. Sessions.Where(session => session.Blockers.Count == 0)];

    public static async Task<BlockingTree> ReadAsync(ServiceDatabase database, CancellationToken ct)
    {
        var sessions = await database.QueryAsync<LockedSession>(
            """
            with waiting as materialized (
                select pid, array(select distinct unnest(pg_blocking_pids(pid))) as blockers from pg_locks where not granted group by pid),
            involved as (
                select pid from waiting where cardinality(blockers) > 0
                union select unnest(blockers) from waiting)
            select i.pid, coalesce(a.datname, '')::text as database, coalesce(a.usename, '')::text as role,
                coalesce(a.application_name, '') as application,
                case when i.pid = 0 then @Prepared else coalesce(a.state, '') end as state,
                coalesce(extract(epoch from now() - a.xact_start), 0)::float8 as transaction_seconds,
                coalesce((select extract(epoch from now() - min(l.waitstart))
                    from pg_locks l where l.pid = i.pid and not l.granted), 0)::float8 as waiting_seconds,
                coalesce((select string_agg(distinct concat_ws(' ', l.mode,
                        case when l.database = d.oid then l.relation::regclass::text else l.locktype end), ', ')
                    from pg_locks l where l.pid = i.pid and not l.granted), '') as waits_for,
                coalesce(array_to_string(w.blockers, ','), '') as blocked_by, coalesce(a.query, '') as statement
            from involved i left join pg_stat_activity a using (pid) left join waiting w using (pid), pg_database d
            where d.datname = current_database()
            order by waiting_seconds desc, i.pid
            """, ct, new { LockedSession.Prepared });
        return new([.. sessions.Select(session => session with { Statement = Words.WithoutLiterals(session.Statement) })]);
    }

    public int WaitingFor(int pid) => Behind(pid, []).Count;

    public override string ToString()
    {
        if (Sessions.Count == 0) return "Nobody waits for a lock.";
        var text = new StringBuilder();
        foreach (var root in Roots)
        {
            Write(text, root, depth: 0, []);
            text.AppendLine($"  → {root.Way}");
        }
        return text.ToString().TrimEnd();
    }

    private void Write(StringBuilder text, LockedSession session, int depth, HashSet<int> above)
    {
        var what = session.Blockers.Count > 0
            ? $"waits for {session.WaitsFor}, {Words.Age(session.WaitingSeconds)}"
            : $"{session.State}, transaction {Words.Age(session.TransactionSeconds)}";
        var who = $"{session.Pid} {session.Role}@{session.Database} {session.Application}";
        text.AppendLine($"{new string(' ', depth * 4)}{who}: {what}: {session.Statement}");
        if (!above.Add(session.Pid)) return;
        foreach (var behind in Sessions.Where(other => other.Blockers.Contains(session.Pid))) Write(text, behind, depth + 1, above);
        above.Remove(session.Pid);
    }

    private HashSet<int> Behind(int pid, HashSet<int> seen)
    {
        foreach (var session in Sessions.Where(session => session.Blockers.Contains(pid) && seen.Add(session.Pid)))
            Behind(session.Pid, seen);
        return seen;
    }
}
