using System.CommandLine;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using Npgsql;

namespace OpenReadings.Ops.Backup;

/// <summary>
/// Dumps each service in one snapshot, with what dumps leave out, encrypted, to every place; reads it back; and writes the
/// manifest last. Whatever fails, nothing half is listed, and the exit code is not 0.
/// </summary>
internal static class RunBackup
{
    public sealed record Answer(string Set, IReadOnlyList<string> Places, IReadOnlyList<ServiceAnswer> Services, long DurationMs)
    {
        public override string ToString() => string.Join('\n', Services.Select(service =>
                $"{service.Service,-10} {service.Bytes,14:N0} bytes {service.Rows,14:N0} rows   schema {service.SchemaVersion}"))
            + $"\n{Set} is complete in {string.Join(" and ", Places)} ({DurationMs} ms).";
    }

    public sealed record ServiceAnswer(string Service, long Bytes, long Rows, string SchemaVersion);

    public static Command Verb()
    {
        var (places, key, services) = (BackupOptions.Places("--to", "Where to keep the set, again for another copy"), BackupOptions.Key(), BackupOptions.Services());
        return new Command("run", "Back up: dump, encrypt, store, read back") { places, key, services }.Runs(async (line, log, ct) =>
            (Exit.Ok, await RunAsync(line.StoresOf(places), line.VaultOf(key), line.ServicesOf(services), DateTimeOffset.UtcNow, log, ct)));
    }

    public static async Task<Answer> RunAsync(
        IReadOnlyList<IStore> stores, Vault vault, IReadOnlyList<string> services, DateTimeOffset now, Action<string> log, CancellationToken ct)
    {
        var clock = Stopwatch.StartNew();
        var set = Manifest.NameOf(now);
        var folder = Directory.CreateTempSubdirectory("openreadings-backup-").FullName;
        try
        {
            var backups = new List<ServiceBackup>();
            foreach (var service in services)
            {
                backups.Add(await DumpAsync(service, set, folder, vault, ct));
                log($"{service}: dumped");
            }
            var manifest = new Manifest(1, set, now, DateTimeOffset.UtcNow, vault.KeyId, backups, "").Sealed(vault);
            foreach (var store in stores) await StoreAsync(store, manifest, folder, log, ct);
            return new Answer(set, [.. stores.Select(store => store.Description)],
                [.. backups.Select(backup => new ServiceAnswer(
                    backup.Service, backup.Dump.Size, backup.Tables.Sum(table => table.Rows), backup.Facts.SchemaVersion))],
                clock.ElapsedMilliseconds);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<ServiceBackup> DumpAsync(string service, string set, string folder, Vault vault, CancellationToken ct)
    {
        // Without a pool the lock ends with the connection.
        var connectionString = new NpgsqlConnectionStringBuilder(Settings.Connection($"{service}_backup")) { Pooling = false }.ConnectionString;
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(ct);
        if (await ScalarAsync<bool>("select pg_try_advisory_lock(hashtextextended('openreadings backup', 0))") is false)
            throw new OpsException(Exit.Refused, $"Another backup of {service} is running.");
        await using var snapshot = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, ct);
        var facts = await Fingerprint.FactsAsync(connection, ct);
        var id = await ScalarAsync<string>("select pg_export_snapshot()");

        // Counted while it is dumped, in the same snapshot; a failure of either stops the other.
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var dump = Stopping(WriteAsync("dump", Tool.Client(connectionString, "pg_dump",
            "--format=custom", "--compress=6", $"--snapshot={id}", "--lock-wait-timeout=60s", "--no-password")));
        var tables = Stopping(Fingerprint.TablesAsync(connection, both.Token));
        await Task.WhenAll(dump, tables);
        var globals = await WriteAsync("globals", Tool.Client(connectionString, "pg_dumpall",
            "--globals-only", "--no-role-passwords", "--no-password", $"--database={facts.Database}"));
        return new ServiceBackup(service, facts, await tables, await dump, globals);

        async Task<T> ScalarAsync<T>(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            return (T)(await command.ExecuteScalarAsync(ct))!;
        }

        async Task<T> Stopping<T>(Task<T> part)
        {
            try
            {
                return await part;
            }
            catch
            {
                await both.CancelAsync();
                throw;
            }
        }

        async Task<StoredFile> WriteAsync(string part, ProcessStartInfo program)
        {
            var name = $"{service}.{part}.enc";
            await using var file = new FileStream(Path.Combine(folder, name), FileMode.CreateNew);
            using var hash = SHA256.Create();
            await using var hashing = new CryptoStream(file, hash, CryptoStreamMode.Write, leaveOpen: true);
            await Tool.RunAsync(program, null, output => vault.EncryptAsync($"{set}/{name}", output, hashing, both.Token), both.Token);
            await hashing.FlushFinalBlockAsync(ct);
            return new StoredFile(name, file.Length, Convert.ToHexStringLower(hash.Hash!));
        }
    }

    private static async Task StoreAsync(IStore store, Manifest manifest, string folder, Action<string> log, CancellationToken ct)
    {
        if ((await store.ListAsync(ct)).Any(name => name.StartsWith(manifest.Set + "/", StringComparison.Ordinal)))
            throw new OpsException(Exit.Refused, $"{store.Description} has a set {manifest.Set} already.");
        try
        {
            foreach (var file in manifest.Files()) await store.PutAsync($"{manifest.Set}/{file.Name}", Path.Combine(folder, file.Name), ct);
            await Sets.CheckStoredAsync(store, manifest, ct);
            var written = Path.Combine(folder, "manifest.json");
            await File.WriteAllBytesAsync(written, JsonSerializer.SerializeToUtf8Bytes(manifest, Manifest.Json), ct);
            await store.PutAsync($"{manifest.Set}/manifest.json", written, ct);
            log($"{store.Description}: stored and read back");
        }
        catch (Exception e)
        {
            try { await Sets.DeleteAsync(store, manifest.Set, CancellationToken.None); }
            catch (Exception again) when (Stores.IsTrouble(again))
            {
                // What is left has no manifest, so it is no set; prune removes it after a day. The first trouble is the news.
                log($"{store.Description}: what was stored of {manifest.Set} could not be removed: {again.Message}");
            }
            if (Stores.IsTrouble(e)) throw new OpsException(Exit.Failed, $"{store.Description} did not take {manifest.Set}: {e.Message}", e);
            throw;
        }
    }
}
