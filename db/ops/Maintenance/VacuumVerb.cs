using System.CommandLine;
using System.Globalization;
using Npgsql;

namespace OpenReadings.Ops.Maintenance;

/// <summary>
/// Cleans and analyzes, one table after the other, beside reading and writing. <c>--full</c> rewrites one table and locks it
/// for as long: only when that is said, and when the disk has room for the copy.
/// </summary>
internal static class VacuumVerb
{
    internal sealed record Cleaned(string Service, string Table, long Before, long After, long EstimatedWaste);

    internal sealed record Answer(IReadOnlyList<Cleaned> Tables)
    {
        public override string ToString() => string.Join('\n', Tables.Select(table => $"{table.Service} {table.Table}: "
            + $"{Words.Bytes(table.Before)} → {Words.Bytes(table.After)} (about {Words.Bytes(table.EstimatedWaste)} was air)"));
    }

    public static Command Verb()
    {
        var table = new Option<string>("--table") { Description = "Only this table; a partitioned one with its partitions [default: all]" };
        var full = new Option<bool>("--full") { Description = "Rewrite the table, so that the disk gets its space back" };
        var lockIt = new Option<bool>("--lock-table") { Description = "With --full: nobody can read or write the table meanwhile" };
        return new Command("vacuum", "Clean tables and renew their statistics") { Place.Which, table, full, lockIt }.Runs(async (line, log, ct) =>
        {
            List<Cleaned> cleaned = [];
            foreach (var place in Place.Of(line, line.GetValue(table)))
            {
                await using var database = await place.OpenAsync(ct);
                cleaned.AddRange(await RunAsync(database, line.GetValue(table), line.GetValue(full), line.GetValue(lockIt), log, ct));
            }
            return (Exit.Ok, new Answer(cleaned));
        });
    }

    public static async Task<IReadOnlyList<Cleaned>> RunAsync(
        ServiceDatabase database, string? only, bool full, bool lockTable, Action<string> log, CancellationToken ct)
    {
        if (full && only is null) throw new OpsException(
            Exit.Refused, "--full takes one table: --table NAME. Each is locked while it is rewritten.");
        var tables = await database.QueryAsync<string>(
            """
            select oid::regclass::text from pg_class
            where relnamespace = 'public'::regnamespace and relkind in ('r', 'm')
                and (@only::text is null or coalesce(pg_partition_root(oid), oid) = to_regclass(@only) or oid = to_regclass(@only))
            order by 1
            """, ct, new { only });
        if (tables.Count == 0 && only is not null) throw new OpsException(Exit.Refused, $"{database.Service} has no table {only}.");

        var waste = (await BloatEstimate.ReadAsync(database, ct)).ToDictionary(estimate => estimate.Name, estimate => estimate.Wasted);
        await database.ExecuteAsync("set statement_timeout = 0; set lock_timeout = '5s'", ct);
        List<Cleaned> cleaned = [];
        foreach (var table in tables)
        {
            var before = await SizeAsync();
            if (full) await RefuseUnlessSafeAsync(database, table, before, lockTable, ct);
            log($"{database.Service} {table}: {Words.Bytes(before)}");
            try
            {
                await database.ExecuteAsync($"vacuum ({(full ? "full, " : "")}analyze) {table}", ct);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
            {
                throw new OpsException(Exit.Refused, $"Somebody has held {table} for five seconds: `ops locks` says who.", e);
            }
            cleaned.Add(new(database.Service, table, before, await SizeAsync(), waste.GetValueOrDefault(table)));

            Task<long> SizeAsync() => database.OneAsync<long>("select pg_total_relation_size(to_regclass(@table))", ct, new { table });
        }
        return cleaned;
    }

    public static async Task RefuseUnlessSafeAsync(ServiceDatabase database, string table, long bytes, bool lockTable, CancellationToken ct)
    {
        if (!lockTable)
            throw new OpsException(
                Exit.Refused, $"VACUUM FULL locks {table} ({Words.Bytes(bytes)}) until it is rewritten: nobody reads or writes it. "
                + "Say --lock-table if that may be.");
        if (await database.OneAsync<bool>("select reltablespace <> 0 from pg_class where oid = to_regclass(@table)", ct, new { table }))
            throw new OpsException(Exit.Refused, $"{table} is in a tablespace of its own, whose free space is not known here.");
        var free = await FreeBytesAsync(database, ct);
        if (free < bytes * 1.2)
            throw new OpsException(
                Exit.Refused, $"The copy of {table} may need {Words.Bytes(bytes * 1.2)}, and {Words.Bytes(free)} are free.");
    }

    // The server's own disk, not this machine's: only the server can say.
    private static async Task<double> FreeBytesAsync(ServiceDatabase database, CancellationToken ct)
    {
        try
        {
            await database.ExecuteAsync("create temp table if not exists df (line text); truncate df; copy df from program 'df -Pk .'", ct);
            var line = (await database.QueryAsync<string>("select line from df", ct))[^1];
            return 1024 * double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is PostgresException or FormatException or IndexOutOfRangeException)
        {
            throw new OpsException(Exit.Refused, $"The server does not say how much of its disk is free: {e.Message}", e);
        }
    }
}
