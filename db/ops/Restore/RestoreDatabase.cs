using System.CommandLine;
using Npgsql;
using OpenReadings.Ops.Backup;

namespace OpenReadings.Ops.Restore;

/// <summary>
/// Restores one service into a new database, compares every table's rows and checksum with the manifest, and only then, and
/// only with --swap, gives it the name of the old one. The old one stays, as <c>NAME_before_TIME</c>.
/// </summary>
internal static class RestoreDatabase
{
    public sealed record Answer(string Service, string Set, string Database, long Tables, long Rows, string? Before)
    {
        public override string ToString() => $"{Service}: {Set} is back in {Database}: {Tables} tables, {Rows:N0} rows, all as in the manifest."
            + (Before is null ? "" : $"\nWhat was {Database} before is {Before}. When nobody misses it: drop database {Before}");
    }

    public static Command Verb()
    {
        var (from, key, set) = (BackupOptions.Places("--from", "Where sets are kept; the first place that has the set"), BackupOptions.Key(), BackupOptions.Set());
        Option<string> service = new("--service", "-s") { Description = "The service", Required = true };
        Option<string> into = new("--into") { Description = "The new database [default: NAME_restored_SET]" };
        Option<bool> swap = new("--swap") { Description = "Give it the old one's name once it is proven" };
        Option<bool> disconnect = new("--disconnect") { Description = "With --swap: end the sessions of who is connected to the old one" };
        return new Command("restore", "Restore a service into a new database, prove it, then swap") { from, key, set, service, into, swap, disconnect }
            .Runs(async (line, log, ct) =>
            {
                var (store, manifest) = await FindAsync(line.StoresOf(from), line.VaultOf(key), line.GetValue(set), ct);
                var backup = manifest.Services.FirstOrDefault(one => one.Service == line.GetValue(service))
                    ?? throw new OpsException(Exit.Usage, $"{manifest.Set} has no {line.GetValue(service)}. It has {string.Join(", ", manifest.Services.Select(one => one.Service))}.");
                var admin = Settings.Connection("admin");
                // Said before the long part, not after it.
                if (line.GetValue(swap) && !line.GetValue(disconnect)) await RefuseSessionsAsync(admin, backup.Facts.Database, ct);
                var name = line.GetValue(into) ?? $"{backup.Facts.Database}_restored_{manifest.Set.ToLowerInvariant()}";
                await RunAsync(admin, store, manifest, backup, line.VaultOf(key), name, log, ct);
                var before = line.GetValue(swap)
                    ? await SwapAsync(admin, name, backup.Facts.Database, line.GetValue(disconnect), DateTimeOffset.UtcNow, ct)
                    : null;
                return (Exit.Ok, new Answer(backup.Service, manifest.Set, line.GetValue(swap) ? backup.Facts.Database : name,
                    backup.Tables.Count, backup.Tables.Sum(table => table.Rows), before));
            });
    }

    /// <summary>The set, and the first place that has it. Its manifest is checked against the key.</summary>
    public static async Task<(IStore Store, Manifest Manifest)> FindAsync(IReadOnlyList<IStore> stores, Vault vault, string? set, CancellationToken ct)
    {
        foreach (var store in stores)
        {
            var sets = await Sets.ListAsync(store, ct);
            if ((set is null ? sets.Count > 0 : sets.Contains(set)) is false) continue;
            var manifest = await Sets.ReadAsync(store, set ?? sets[^1], ct);
            return (store, manifest.Checked(vault));
        }
        throw new OpsException(Exit.Failed, $"{set ?? "A complete set"} is in none of {string.Join(", ", stores.Select(store => store.Description))}.");
    }

    /// <summary>Makes the database, fills it and compares it. Drops it again when anything fails.</summary>
    public static async Task RunAsync(
        string admin, IStore store, Manifest manifest, ServiceBackup backup, Vault vault, string name, Action<string> log, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(admin);
        await connection.OpenAsync(ct);
        var facts = backup.Facts;
        await using (var exists = new NpgsqlCommand("select exists (select from pg_database where datname = $1)", connection)
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = name } },
        })
        {
            if (await exists.ExecuteScalarAsync(ct) is true)
                throw new OpsException(Exit.Refused, $"There is a database {name} already. Drop it, or name another one: --into NAME.");
        }
        await ExecuteAsync($"create database {Quote(name)} owner {Quote(facts.Owner)} template template0 encoding {Literal(facts.Encoding)} "
            + $"lc_collate {Literal(facts.Collate)} lc_ctype {Literal(facts.Ctype)}");
        try
        {
            // Closed to everybody but its owner, as the original: the rights that a dump does not carry come first.
            await ExecuteAsync($"revoke all on database {Quote(name)} from public");
            foreach (var role in facts.MayConnect) await ExecuteAsync($"grant connect on database {Quote(name)} to {role}");
            foreach (var setting in facts.Settings.Select(setting => setting.Split('=', 2)))
                await ExecuteAsync($"alter database {Quote(name)} set {Quote(setting[0])} = {Literal(setting[1])}");

            var there = new NpgsqlConnectionStringBuilder(admin) { Database = name, Pooling = false }.ConnectionString;
            var program = Tool.Client(there, "pg_restore", "--exit-on-error", "--single-transaction", "--no-password", $"--dbname={name}");
            await Tool.RunAsync(program, async input =>
            {
                await using var stored = await store.OpenAsync($"{manifest.Set}/{backup.Dump.Name}", ct);
                await vault.DecryptAsync($"{manifest.Set}/{backup.Dump.Name}", stored, input, ct);
            }, null, ct);
            log($"{backup.Service}: restored into {name}");

            if (await Fingerprint.DifferencesAsync(there, backup, ct) is { Count: > 0 } differences)
                throw new OpsException(Exit.Failed, $"What was restored is not what was dumped: {string.Join("; ", differences.Take(10))}.");
            await using var restored = new NpgsqlConnection(there);
            await restored.OpenAsync(ct);
            await using var analyze = new NpgsqlCommand("analyze", restored) { CommandTimeout = 0 };
            await analyze.ExecuteNonQueryAsync(ct);
        }
        catch
        {
            await using var drop = new NpgsqlCommand($"drop database if exists {Quote(name)} with (force)", connection);
            await drop.ExecuteNonQueryAsync(CancellationToken.None);
            throw;
        }

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 300 };
            await command.ExecuteNonQueryAsync(ct);
        }
    }

    /// <summary>Both names change in one transaction, or neither does. Says what the old database is called now.</summary>
    public static async Task<string?> SwapAsync(
        string admin, string restored, string name, bool disconnect, DateTimeOffset now, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(admin) { Database = "postgres", Pooling = false }.ConnectionString);
        await connection.OpenAsync(ct);
        if (!disconnect) await RefuseSessionsAsync(admin, name, ct);
        var before = await ScalarAsync<bool>("select exists (select from pg_database where datname = $1)", name)
            ? $"{name}_before_{Manifest.NameOf(now).ToLowerInvariant()}" : null;

        // Nobody can come back in between: connections are refused until the name is the new one's.
        if (before is not null) await ExecuteAsync($"alter database {Quote(name)} allow_connections false");
        try
        {
            await ScalarAsync<long>("select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where datname = $1", name);
            await ExecuteAsync((before is null ? "" : $"alter database {Quote(name)} rename to {Quote(before)};")
                + $"alter database {Quote(restored)} rename to {Quote(name)}");
        }
        finally
        {
            if (before is not null)
            {
                var old = await ScalarAsync<bool>("select exists (select from pg_database where datname = $1)", before) ? before : name;
                await ExecuteAsync($"alter database {Quote(old)} allow_connections true");
            }
        }
        return before;

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(CancellationToken.None);
        }

        async Task<T> ScalarAsync<T>(string sql, string value)
        {
            await using var command = new NpgsqlCommand(sql, connection) { Parameters = { new NpgsqlParameter<string> { TypedValue = value } } };
            return (T)(await command.ExecuteScalarAsync(CancellationToken.None))!;
        }
    }

    private static async Task RefuseSessionsAsync(string admin, string name, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(admin);
        await connection.OpenAsync(ct);
        await using var command = new NpgsqlCommand(
            "select count(*) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid() and backend_type = 'client backend'", connection)
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = name } },
        };
        if (await command.ExecuteScalarAsync(ct) is long and > 0 and var sessions)
            throw new OpsException(Exit.Refused, $"{sessions} sessions use {name}. Stop the service first, or say --disconnect.");
    }

    private static string Quote(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    private static string Literal(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
}
