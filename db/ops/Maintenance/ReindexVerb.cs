using System.CommandLine;
using Npgsql;

namespace OpenReadings.Ops.Maintenance;

/// <summary>
/// Builds indexes anew beside reading and writing, one at a time, and clears away what a broken-off build left: invalid
/// indexes are rebuilt, <c>…_ccnew</c> and <c>…_ccold</c> dropped.
/// </summary>
internal static class ReindexVerb
{
    internal sealed record Rebuilt(string Service, string Index, string Did, long Before, long After);

    internal sealed record Answer(IReadOnlyList<Rebuilt> Indexes)
    {
        public override string ToString() => Indexes.Count == 0
            ? "Nothing to do: no index is invalid or mostly air."
            : string.Join('\n', Indexes.Select(index =>
                $"{index.Service} {index.Index}: {index.Did}, {Words.Bytes(index.Before)} → {Words.Bytes(index.After)}"));
    }

    public static Command Verb()
    {
        var table = new Option<string>("--table") { Description = "All indexes of this table" };
        var index = new Option<string>("--index") { Description = "This index [default: those that are invalid or mostly air]" };
        var patience = new Option<int>("--lock-timeout") { Description = "Seconds to wait for a lock", DefaultValueFactory = _ => 5 };
        return new Command("reindex", "Build indexes anew beside reading and writing, and clear away invalid ones") { Place.Which, table, index, patience }
            .Runs(async (line, log, ct) =>
            {
                List<Rebuilt> rebuilt = [];
                foreach (var place in Place.Of(line, line.GetValue(table), line.GetValue(index)))
                {
                    await using var database = await place.OpenAsync(ct);
                    var chosen = new Choice(line.GetValue(table), line.GetValue(index));
                    rebuilt.AddRange(await RunAsync(database, chosen, TimeSpan.FromSeconds(line.GetValue(patience)), log, ct));
                }
                return (Exit.Ok, new Answer(rebuilt));
            });
    }

    internal sealed record Choice(string? Table = null, string? Index = null);

    private sealed record Index(string Name, bool IsLeftover, long Bytes);

    public static async Task<IReadOnlyList<Rebuilt>> RunAsync(
        ServiceDatabase database, Choice choice, TimeSpan lockTimeout, Action<string> log, CancellationToken ct)
    {
        await database.ExecuteAsync($"set statement_timeout = 0; set lock_timeout = {lockTimeout.TotalMilliseconds:0}", ct);
        // Taken or not, never waited for: whoever waits here with a snapshot would hold up the build that has it.
        if (!await database.OneAsync<bool>("select pg_try_advisory_lock(hashtextextended('openreadings reindex', 0))", ct))
            throw new OpsException(Exit.Refused, $"Another reindex is at work in {database.Service}.");
        if (await database.OneAsync<bool>("select exists (select from pg_stat_progress_create_index where datname = current_database())", ct))
            throw new OpsException(Exit.Refused, $"An index is being built in {database.Service} already.");

        List<Rebuilt> done = [];
        foreach (var leftover in await LeftoversAsync(database, ct)) done.Add(await DropAsync(leftover));
        foreach (var index in await ChosenAsync(database, choice, ct))
        {
            await RefuseBehindOldTransactionsAsync(database, index, lockTimeout, ct);
            log($"{database.Service} {index.Name}: {Words.Bytes(index.Bytes)}");
            try
            {
                await database.ExecuteAsync($"reindex index concurrently {index.Name}", ct);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
            {
                throw new OpsException(Exit.Refused,
                    $"{index.Name} waited {Words.Age(lockTimeout.TotalSeconds)} for a lock or an old transaction, and is as it was: `ops locks`, `ops slow`. "
                    + "The next run drops what this one left.", e);
            }
            done.Add(new(database.Service, index.Name, "rebuilt", index.Bytes,
                await database.OneAsync<long>("select pg_relation_size(to_regclass(@Name))", ct, new { index.Name })));
        }
        return done;

        async Task<Rebuilt> DropAsync(Index leftover)
        {
            log($"{database.Service} {leftover.Name}: left by a broken-off build");
            await database.ExecuteAsync($"drop index concurrently {leftover.Name}", ct);
            return new(database.Service, leftover.Name, "dropped", leftover.Bytes, 0);
        }
    }

    // A build ends by waiting for every transaction that began before it: one that is old already is not worth beginning behind.
    private static async Task RefuseBehindOldTransactionsAsync(ServiceDatabase database, Index index, TimeSpan age, CancellationToken ct)
    {
        var old = await database.QueryAsync<int>(
            """
            select pid from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
                and (backend_xid is not null or backend_xmin is not null) and xact_start < now() - make_interval(secs => @seconds)
            order by xact_start
            """, ct, new { seconds = age.TotalSeconds });
        if (old.Count > 0)
            throw new OpsException(
                Exit.Refused, $"{index.Name} would wait for the transaction of process {old[0]}, "
                + $"which is older than {Words.Age(age.TotalSeconds)}: `ops slow`.");
    }

    private static async Task<IReadOnlyList<Index>> LeftoversAsync(ServiceDatabase database, CancellationToken ct) =>
        [.. (await InvalidAsync(database, ct)).Where(index => index.IsLeftover)];

    private static async Task<IReadOnlyList<Index>> ChosenAsync(ServiceDatabase database, Choice choice, CancellationToken ct)
    {
        if (choice is { Table: null, Index: null })
        {
            var invalid = (await InvalidAsync(database, ct)).Where(index => !index.IsLeftover);
            var air = (await BloatEstimate.ReadAsync(database, ct))
                .Where(estimate => estimate is { IsIndex: true, Ratio: >= 0.5, Wasted: >= 16_000_000 })
                .Select(estimate => new Index(estimate.Name, IsLeftover: false, estimate.Bytes));
            return [.. invalid, .. air.ExceptBy(invalid.Select(index => index.Name), index => index.Name)];
        }
        var indexes = await database.QueryAsync<Index>(
            """
            select indexrelid::regclass::text as name, false as is_leftover, pg_relation_size(indexrelid) as bytes
            from pg_index i join pg_class c on c.oid = indexrelid
            where c.relkind = 'i' and not i.indisexclusion
                and (coalesce(pg_partition_root(i.indrelid), i.indrelid) = to_regclass(@Table) or i.indrelid = to_regclass(@Table)
                    or i.indexrelid = to_regclass(@Index) or pg_partition_root(i.indexrelid) = to_regclass(@Index))
            order by 1
            """, ct, choice);
        return indexes.Count > 0 ? indexes : throw new OpsException(
            Exit.Refused, $"{database.Service} has no index of {choice.Index ?? choice.Table}.");
    }

    private static Task<IReadOnlyList<Index>> InvalidAsync(ServiceDatabase database, CancellationToken ct) => database.QueryAsync<Index>(
        """
        select i.indexrelid::regclass::text as name, c.relname ~ '_cc(new|old)[0-9]*$' as is_leftover,
            pg_relation_size(i.indexrelid) as bytes
        from pg_index i join pg_class c on c.oid = i.indexrelid
        where c.relkind = 'i' and not i.indisvalid and c.relpersistence <> 't'
        order by 1
        """, ct);
}
