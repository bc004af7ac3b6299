using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>
/// Looks from a second connection at a runner that takes long: whom it waits for, and how far its index is. A script
/// that is quick never makes it connect, and what happens to it never harms the run.
/// </summary>
internal sealed class Watcher : IAsyncDisposable
{
    private readonly CancellationTokenSource stop = new();
    private readonly Turn turn;
    private readonly Task watching;
    private volatile IReadOnlyList<string>? blocking;
    private string? said;

    public Watcher(Turn turn, TimeSpan every)
    {
        this.turn = turn;
        watching = WatchAsync(every, stop.Token);
    }

    /// <summary>Who was in the way when it was last looked; null if it was never seen to wait.</summary>
    public IReadOnlyList<string>? Blocking => blocking;

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
    }

    private async Task WatchAsync(TimeSpan every, CancellationToken ct)
    {
        await Task.Delay(every, ct);
        try
        {
            await using var session =
                await Session.OpenAsync(turn.Target, new Patience { Attempts = 1 }, _ => { }, ct);
            while (true)
            {
                await LookAsync(session, ct);
                await Task.Delay(every, ct);
            }
        }
        catch (Exception e) when (e is MigrationException or NpgsqlException)
        {
            turn.Log($"no progress to be seen: {e.Message}");
        }
    }

    private async Task LookAsync(Session session, CancellationToken ct)
    {
        var waits = await session.QueryAsync(
            """
            select format('pid %s, %s (%s), %s since %s', pid, coalesce(nullif(application_name, ''), 'unnamed'),
                          usename, state, to_char(xact_start, 'HH24:MI:SS TZ'))
            from pg_stat_activity where pid = any (pg_blocking_pids(@pid)) order by pid
            """, row => row.GetString(0), ct, new NpgsqlParameter("pid", turn.Session.Pid));
        if (waits.Count > 0) blocking = waits;
        var progress = await session.ScalarAsync<string>(
            """
            select format('index %s: %s, %s', index_relid::regclass, phase, case
                when tuples_total > 0 then format('%s of %s rows', tuples_done, tuples_total)
                when blocks_total > 0 then format('%s of %s blocks', blocks_done, blocks_total)
                else format('%s of %s lockers', lockers_done, lockers_total) end)
            from pg_stat_progress_create_index where pid = @pid
            """, ct, new NpgsqlParameter("pid", turn.Session.Pid));
        var news = string.Join("; ", waits.Select(who => $"waiting for {who}").Append(progress).OfType<string>());
        if (news.Length > 0 && news != said) turn.Log(news);
        said = news;
    }
}
