using System.Security.Cryptography;
using Npgsql;
using OpenReadings.Ops.Backup;
using OpenReadings.Ops.Restore;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests.Backup;

/// <summary>A readings database with rows in it, one complete set of it, and a folder for more.</summary>
public sealed class BackedUp : IAsyncLifetime
{
    internal static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);
    internal static readonly Vault Vault = new(Key);
    internal TestDatabase Database { get; private set; } = null!;
    internal string Folder { get; } = Directory.CreateTempSubdirectory("backup-tests-").FullName;

    /// <summary>Names the database by a name of its own: settings are the process's.</summary>
    internal string Service { get; } = $"readings{Guid.NewGuid():N}"[..20];
    internal string Set { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        Database = await TestDatabase.CreateAsync("readings");
        await ExecuteAsync(Database.Superuser,
            """
            select set_config('app.user_id', '018f0000-0000-7000-8000-000000000001', false);
            insert into sources (source_id, name, kind) values ('018f0000-0000-7000-8000-0000000000a1', 'Wätch', 'watch');
            insert into series (source_id) values ('018f0000-0000-7000-8000-0000000000a1');
            insert into readings (series_id, at, value)
            select series_id, timestamptz '2026-01-01' + n * interval '1 minute', 60 + n % 40 from series, generate_series(1, 20000) n;
            """);
        Environment.SetEnvironmentVariable($"ConnectionStrings__{Service}_backup", Database.Backup);
        Set = await RunAsync(new DirectoryStore(Folder));
    }

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    internal async Task<string> RunAsync(params IReadOnlyList<IStore> stores) =>
        (await RunBackup.RunAsync(stores, Vault, [Service], DateTimeOffset.UtcNow, _ => { }, CancellationToken.None)).Set;

    /// <summary>The set in a store of its own, to be harmed.</summary>
    internal (IStore Store, string Path) Copy()
    {
        var root = Directory.CreateTempSubdirectory("backup-copy-").FullName;
        Directory.CreateDirectory(Path.Combine(root, Set));
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Folder, Set))) File.Copy(file, Path.Combine(root, Set, Path.GetFileName(file)));
        return (new DirectoryStore(root), Path.Combine(root, Set));
    }

    internal static async Task<T> ScalarAsync<T>(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    internal static Task ExecuteAsync(string connectionString, string sql) => ScalarAsync<object>(connectionString, sql + "; select 1");
}

public sealed class BackupTests(BackedUp made) : IClassFixture<BackedUp>
{
    private static readonly VerifyBackups.Policy Lax = new(2, 2, 0, TimeSpan.FromHours(26));
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_restored_database_is_the_one_that_was_backed_up_down_to_rights_and_policies()
    {
        var name = $"{made.Service}_back";
        var (store, manifest) = await RestoreDatabase.FindAsync([new DirectoryStore(made.Folder)], BackedUp.Vault, null, Ct);
        var service = Assert.Single(manifest.Services);
        Assert.Equal(20_000, service.Tables.Where(table => table.Name.StartsWith("public.readings_2026", StringComparison.Ordinal)).Sum(table => table.Rows));
        await RestoreDatabase.RunAsync(TestServers.Postgres, store, manifest, service, BackedUp.Vault, name, _ => { }, Ct);
        var restored = new NpgsqlConnectionStringBuilder(made.Database.Superuser) { Database = name }.ConnectionString;
        try
        {
            foreach (var sql in new[]
            {
                "select string_agg(p::text, ';' order by p::text) from pg_policies p",
                "select string_agg(relname || relrowsecurity || relforcerowsecurity || (select string_agg(a::text, ',' order by a::text) from unnest(coalesce(relacl, acldefault('r', relowner))) a) || relowner::regrole, ';' order by relname) from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v')",
                "select string_agg(proname || (select string_agg(a::text, ',' order by a::text) from unnest(coalesce(proacl, acldefault('f', proowner))) a) || prosecdef, ';' order by proname) from pg_proc where pronamespace = 'public'::regnamespace",
                "select ((select string_agg(a::text, ',' order by a::text) from unnest(datacl) a), datcollate, datctype, datdba, encoding)::text from pg_database where datname = current_database()",
                "select setconfig::text from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase where datname = current_database() and setrole = 0",
                "select sum(hashtextextended(r::text, 0))::text from readings r",
            })
                Assert.Equal(await BackedUp.ScalarAsync<string>(made.Database.Superuser, sql), await BackedUp.ScalarAsync<string>(restored, sql));

            // The app of the restored database sees one person's rows and nobody else's.
            var app = new NpgsqlConnectionStringBuilder(made.Database.App) { Database = name }.ConnectionString;
            Assert.Equal(0, await BackedUp.ScalarAsync<long>(app, "select count(*) from readings"));
            var person = new NpgsqlConnectionStringBuilder(app) { Options = "-c app.user_id=018f0000-0000-7000-8000-000000000001" }.ConnectionString;
            Assert.Equal(20_000, await BackedUp.ScalarAsync<long>(person, "select count(*) from readings"));
        }
        finally
        {
            await CommandAsync($"drop database \"{name}\" with (force)");
        }
    }

    [Fact]
    public async Task A_drill_proves_the_newest_set_in_a_server_of_its_own()
    {
        var answer = await Drill.RunAsync([new DirectoryStore(made.Folder)], BackedUp.Vault, null, _ => { }, Ct);
        Assert.True(Assert.Single(answer.Services).Rows > 20_000);
        Assert.Equal(made.Set, answer.Set);
    }

    [Fact]
    public async Task A_bit_that_fell_over_is_found_with_and_without_the_key_and_nothing_is_restored_from_it()
    {
        var (store, path) = made.Copy();
        var file = Path.Combine(path, $"{made.Service}.dump.enc");
        var bytes = await File.ReadAllBytesAsync(file, Ct);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(file, bytes, Ct);

        var answer = await VerifyBackups.RunAsync([store], null, Lax, DateTimeOffset.UtcNow, Ct);
        Assert.Contains(answer.Violations, violation => violation.Contains("SHA-256", StringComparison.Ordinal));

        var name = $"{made.Service}_harmed";
        var (_, manifest) = await RestoreDatabase.FindAsync([store], BackedUp.Vault, null, Ct);
        await Assert.ThrowsAsync<OpsException>(() =>
            RestoreDatabase.RunAsync(TestServers.Postgres, store, manifest, manifest.Services[0], BackedUp.Vault, name, _ => { }, Ct));
        Assert.False(await BackedUp.ScalarAsync<bool>(TestServers.Postgres, $"select exists (select from pg_database where datname = '{name}')"));
    }

    [Fact]
    public async Task A_manifest_that_somebody_rewrote_is_refused()
    {
        var (store, path) = made.Copy();
        var manifest = Path.Combine(path, "manifest.json");
        await File.WriteAllTextAsync(manifest, (await File.ReadAllTextAsync(manifest, Ct)).Replace("\"rows\": 20000", "\"rows\": 19999", StringComparison.Ordinal)
            .Replace("\"owner\": \"readings_migrator\"", "\"owner\": \"postgres\"", StringComparison.Ordinal), Ct);
        var refused = await Assert.ThrowsAsync<OpsException>(() => RestoreDatabase.FindAsync([store], BackedUp.Vault, null, Ct));
        Assert.Contains("seal", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_key_is_told_apart_before_anything_is_read()
    {
        var refused = await Assert.ThrowsAsync<OpsException>(() =>
            RestoreDatabase.FindAsync([new DirectoryStore(made.Folder)], new Vault(RandomNumberGenerator.GetBytes(32)), null, Ct));
        Assert.Contains(BackedUp.Vault.KeyId, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dump_that_fails_fails_the_run_and_leaves_nothing_behind()
    {
        // The app may not read past row-level security, which pg_dump takes as what it is: an incomplete dump.
        var name = $"{made.Service}x";
        Environment.SetEnvironmentVariable($"ConnectionStrings__{name}_backup", made.Database.App);
        var folder = Directory.CreateTempSubdirectory("backup-fails-").FullName;
        await Assert.ThrowsAnyAsync<Exception>(() => RunBackup.RunAsync(
            [new DirectoryStore(folder)], BackedUp.Vault, [made.Service, name], DateTimeOffset.UtcNow, _ => { }, Ct));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    [Theory]
    [InlineData(null, true, true)]
    [InlineData("--schema-only", true, false)]
    [InlineData("--data-only", false, true)]
    public async Task Sql_is_written_whole_for_its_owner_only_and_over_nothing(string? part, bool schema, bool rows)
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("export-").FullName, "readings.sql");
        await ExportSql.RunAsync(made.Service, file, part, Ct);
        var sql = await File.ReadAllTextAsync(file, Ct);
        Assert.Equal((schema, rows), (sql.Contains("CREATE POLICY", StringComparison.Ordinal), sql.Contains("Wätch", StringComparison.Ordinal)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Equal(Exit.Refused, (await Assert.ThrowsAsync<OpsException>(() => ExportSql.RunAsync(made.Service, file, part, Ct))).Exit);
        Assert.Single(Directory.EnumerateFiles(Path.GetDirectoryName(file)!));
    }

    [Fact]
    public async Task Two_backups_of_a_service_at_a_time_are_one()
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(made.Database.Backup) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(Ct);
        await using var held = new NpgsqlCommand("select pg_advisory_lock(hashtextextended('openreadings backup', 0))", connection);
        await held.ExecuteNonQueryAsync(Ct);
        var refused = await Assert.ThrowsAsync<OpsException>(() => made.RunAsync(new DirectoryStore(Directory.CreateTempSubdirectory().FullName)));
        Assert.Equal(Exit.Refused, refused.Exit);
    }

    [Fact]
    public async Task The_policy_counts_copies_media_and_what_is_off_site_and_looks_at_the_age()
    {
        var store = new DirectoryStore(made.Folder);
        Assert.Empty((await VerifyBackups.RunAsync([store], BackedUp.Vault, Lax, DateTimeOffset.UtcNow, Ct)).Violations);
        var strict = await VerifyBackups.RunAsync([store], null, new(3, 2, 1, TimeSpan.FromHours(26)), DateTimeOffset.UtcNow, Ct);
        Assert.Equal(["2 copies, not 3", "0 copies off-site, not 1"], strict.Violations);
        var late = await VerifyBackups.RunAsync([store], null, Lax, DateTimeOffset.UtcNow.AddHours(30), Ct);
        Assert.Contains(late.Violations, violation => violation.Contains("30 h old", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_place_that_does_not_take_a_set_is_named_and_one_that_is_away_is_one_copy_less()
    {
        var file = Path.GetTempFileName();
        var refused = await Assert.ThrowsAsync<OpsException>(() => made.RunAsync(new DirectoryStore(Path.Combine(file, "below"))));
        Assert.StartsWith($"{file}/below did not take 2", refused.Message, StringComparison.Ordinal);
        File.Delete(file);

        Environment.SetEnvironmentVariable("AWS_ACCESS_KEY_ID", S3Server.AccessKey);
        Environment.SetEnvironmentVariable("AWS_SECRET_ACCESS_KEY", S3Server.SecretKey);
        using var away = new S3Store(new Uri("s3://backups"), new Uri("http://127.0.0.1:9"));
        var answer = await VerifyBackups.RunAsync([away, new DirectoryStore(made.Folder)], null, new(3, 2, 0, TimeSpan.FromHours(1)), DateTimeOffset.UtcNow, Ct);
        Assert.StartsWith("s3://backups/ cannot be read: ", answer.Violations[0], StringComparison.Ordinal);
        Assert.Equal("2 copies, not 3", answer.Violations[1]);
    }

    [Fact]
    public async Task Pruning_keeps_the_last_whole_set_even_when_it_is_the_oldest()
    {
        var (store, path) = made.Copy();
        var root = Path.GetDirectoryName(path)!;
        foreach (var day in new[] { "20990101T000000Z", "20990102T000000Z" })
        {
            Directory.CreateDirectory(Path.Combine(root, day));
            foreach (var file in Directory.EnumerateFiles(path)) File.Copy(file, Path.Combine(root, day, Path.GetFileName(file)));
        }
        Directory.CreateDirectory(Path.Combine(root, "20200101T000000Z"));
        await File.WriteAllTextAsync(Path.Combine(root, "20200101T000000Z", "half.dump.enc"), "half", Ct);

        // The two newer ones say they are the older one: no whole sets.
        var dry = await PruneBackups.RunAsync(store, new Retention(1, 0, 0, 0), true, DateTimeOffset.UtcNow, _ => { }, Ct);
        Assert.Equal([made.Set, "20990102T000000Z"], dry.Kept);
        Assert.True(Directory.Exists(Path.Combine(root, "20200101T000000Z")));

        await PruneBackups.RunAsync(store, new Retention(1, 0, 0, 0), false, DateTimeOffset.UtcNow, _ => { }, Ct);
        Assert.Equal([made.Set, "20990102T000000Z"], Directory.EnumerateDirectories(root).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_set_without_a_manifest_is_not_listed_and_its_remnants_stay_for_a_day()
    {
        var (store, path) = made.Copy();
        File.Delete(Path.Combine(path, "manifest.json"));
        Assert.Empty(await Sets.ListAsync(store, Ct));
        Assert.Empty((await PruneBackups.RunAsync(store, new Retention(1, 1, 1, 1), false, DateTimeOffset.UtcNow, _ => { }, Ct)).Deleted);
        Assert.Equal([made.Set], (await PruneBackups.RunAsync(store, new Retention(1, 1, 1, 1), false, DateTimeOffset.UtcNow.AddDays(2), _ => { }, Ct)).Deleted);
        Assert.False(Directory.Exists(path));
    }

    [Fact]
    public async Task A_swap_refuses_while_somebody_is_connected_and_leaves_the_old_database_beside_the_new_one()
    {
        var (name, restored) = ($"{made.Service}_live", $"{made.Service}_new");
        foreach (var database in new[] { name, restored }) await CommandAsync($"create database \"{database}\"");
        string To(string database) => new NpgsqlConnectionStringBuilder(TestServers.Postgres) { Database = database, Pooling = false }.ConnectionString;
        await BackedUp.ExecuteAsync(To(restored), "create table proof ()");
        await using var someone = new NpgsqlConnection(To(name));
        await someone.OpenAsync(Ct);

        Assert.Equal(Exit.Refused, (await Assert.ThrowsAsync<OpsException>(() =>
            RestoreDatabase.SwapAsync(TestServers.Postgres, restored, name, false, DateTimeOffset.UtcNow, Ct))).Exit);
        var before = await RestoreDatabase.SwapAsync(TestServers.Postgres, restored, name, true, DateTimeOffset.UtcNow, Ct);
        Assert.True(await BackedUp.ScalarAsync<bool>(To(name), "select to_regclass('proof') is not null"));
        Assert.True(await BackedUp.ScalarAsync<bool>(To(before!), "select to_regclass('proof') is null"));
        foreach (var database in new[] { name, before }) await CommandAsync($"drop database \"{database}\" with (force)");
    }

    [Fact]
    public async Task A_bucket_serves_as_well_as_a_folder()
    {
        await using var server = await S3Server.StartAsync(Ct);
        Environment.SetEnvironmentVariable("AWS_ACCESS_KEY_ID", S3Server.AccessKey);
        Environment.SetEnvironmentVariable("AWS_SECRET_ACCESS_KEY", S3Server.SecretKey);
        using var store = new S3Store(new Uri("s3://backups/openreadings"), server.Address);
        var set = await made.RunAsync(store);
        Assert.Equal([set], await Sets.ListAsync(store, Ct));
        Assert.All(server.Objects.Keys, key => Assert.StartsWith($"openreadings/{set}/", key, StringComparison.Ordinal));

        // Large files go in parts; lists come in pages.
        var file = Path.GetTempFileName();
        var large = RandomNumberGenerator.GetBytes(20 << 20);
        await File.WriteAllBytesAsync(file, large, Ct);
        await store.PutAsync("large/1", file, Ct);
        foreach (var name in new[] { "large/2", "large/3" })
        {
            await File.WriteAllTextAsync(file, name, Ct);
            await store.PutAsync(name, file, Ct);
        }
        Assert.True(server.Parts > 1);
        Assert.Equal(large, server.Objects["openreadings/large/1"]);
        Assert.Equal(6, (await store.ListAsync(Ct)).Count);

        var answer = await VerifyBackups.RunAsync([store, new DirectoryStore(made.Folder)], BackedUp.Vault, new(3, 3, 1, TimeSpan.FromHours(1)), DateTimeOffset.UtcNow, Ct);
        Assert.Empty(answer.Violations);
        await Sets.DeleteAsync(store, set, Ct);
        Assert.Empty(await Sets.ListAsync(store, Ct));
        await Assert.ThrowsAsync<OpsException>(() => store.OpenAsync($"{set}/manifest.json", Ct));
        File.Delete(file);
    }

    // Alone: the making of databases is nothing for a transaction, and several statements at a time are one.
    private static async Task CommandAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(TestServers.Postgres);
        await connection.OpenAsync(Ct);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Ct);
    }
}
