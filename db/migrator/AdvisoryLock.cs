using System.Diagnostics;

namespace OpenReadings.Migrator;

/// <summary>
/// One runner per database at a time. Polled, because a runner that blocks in pg_advisory_lock holds a snapshot, and a
/// concurrent index build of the one that has the lock would wait for it for ever: a deadlock.
/// </summary>
internal sealed class AdvisoryLock
{
    public const string Key = "hashtextextended('openreadings migrate ' || current_database() || '.public', 0)";

    private const string Locks = $"""
        from pg_locks l
        where l.locktype = 'advisory' and l.granted and l.objsubid = 1
          and l.database = (select oid from pg_database where datname = current_database())
          and ((l.classid::bigint << 32) | l.objid::bigint) = {Key}
        """;

    public long WaitedMs { get; private init; }
    public string? Holder { get; private init; }

    public static async Task<AdvisoryLock> TakeAsync(
        Session session, TimeSpan patience, Action<string> log, CancellationToken ct)
    {
        var waited = Stopwatch.StartNew();
        string? holder = null;
        while (!await session.ScalarAsync<bool>($"select pg_try_advisory_lock({Key})", ct))
        {
            var now = await HolderAsync(session, ct);
            if (now is not null && now != holder) log($"waiting for the lock, held by {holder = now}");
            if (waited.Elapsed >= patience)
                throw new MigrationException(ExitCode.Busy, "Another runner has held the lock of "
                    + $"{session.Database} at {session.Host} for {patience.TotalSeconds:0.#} s and more: {holder}.");
            await Task.Delay(Random.Shared.Next(50, 250), ct);
        }
        return new AdvisoryLock { WaitedMs = waited.ElapsedMilliseconds, Holder = holder };
    }

    /// <summary>A script may give it up (pg_advisory_unlock_all, DISCARD ALL); then nothing may be applied.</summary>
    public static async Task<bool> IsHeldAsync(Session session, CancellationToken ct) =>
        await session.ScalarAsync<bool>($"select exists (select {Locks} and l.pid = pg_backend_pid())", ct);

    public static Task ReleaseAsync(Session session) =>
        session.ExecuteAsync($"select pg_advisory_unlock({Key})", CancellationToken.None);

    /// <summary>Ends the session that has it. The server rolls back what that had not committed.</summary>
    public static Task<bool> TerminateAsync(Session session, CancellationToken ct) =>
        session.ScalarAsync<bool>($"select coalesce(pg_terminate_backend((select l.pid {Locks}), 10000), false)", ct);

    public static Task<string?> HolderAsync(Session session, CancellationToken ct) => session.ScalarAsync<string>(
        $"""
        select format('pid %s, %s (%s), since %s', a.pid, a.application_name, coalesce(a.client_addr::text, 'local'),
                      to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'))
        from pg_stat_activity a where a.pid = (select l.pid {Locks})
        """, ct);
}
