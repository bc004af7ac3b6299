using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Npgsql;
using OpenReadings.Migrator;
using OpenReadings.Ops.Pooling;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests.Pooling;

public sealed class PgBouncerTests(RealPooler pooler)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Many_people_at_once_on_few_connections_see_each_only_their_own()
    {
        await using var identity = await TestIdentity.StartAsync();
        await using var service = await StartServiceAsync(identity);
        // The first fetches the issuer's keys, so that on a busy machine none of the forty is told to come again.
        await LiveAsync(service.Address, identity.TokenFor(Guid.NewGuid()));
        var seen = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => LiveAsync(service.Address, identity.TokenFor(Guid.NewGuid()))));
        Assert.All(seen, one => Assert.Equal(one.Made, one.Listed));
        var connections = await ScalarAsync<long>(pooler.Database.Superuser,
            "select count(*) from pg_stat_activity where datname = current_database() and usename = 'readings_app' and application_name = 'readings'");
        Assert.InRange(connections, 1, RealPooler.Pool);
        Assert.DoesNotContain(service.Lines, line => line.Contains("prepared statement", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Who_the_user_is_ends_with_the_transaction_and_the_next_client_of_the_same_connection_is_nobody()
    {
        var met = 0;
        for (var turn = 0; turn < 50; turn++)
        {
            await using var first = new NpgsqlConnection(pooler.Through(pooler.Database.App));
            await using var second = new NpgsqlConnection(pooler.Through(pooler.Database.App));
            await first.OpenAsync(Ct);
            await second.OpenAsync(Ct);
            int session;
            await using (var transaction = await first.BeginTransactionAsync(Ct))
            {
                session = await ScalarAsync<int>(first, $"select pg_backend_pid() from set_config('app.user_id', '{Guid.NewGuid()}', true)");
                await transaction.CommitAsync(Ct);
            }
            var next = await ScalarAsync<string>(second, "select pg_backend_pid() || ' ' || coalesce(current_setting('app.user_id', true), '')");
            if (next.Split(' ')[0] == $"{session}") met++;
            Assert.EndsWith(" ", next, StringComparison.Ordinal);
        }
        Assert.NotEqual(0, met);
    }

    [Fact]
    public async Task Only_who_belongs_there_comes_through()
    {
        Assert.Equal("readings_app", await ScalarAsync<string>(pooler.Through(pooler.Database.App), "select current_user::text"));
        Assert.Equal("readings_relay", await ScalarAsync<string>(pooler.Through(pooler.Database.Relay), "select current_user::text"));
        await RefusedAsync(pooler.Through(pooler.Database.App).Replace("Password=test", "Password=guessed", StringComparison.Ordinal));
        await RefusedAsync(pooler.Through(pooler.Database.Backup));
        await RefusedAsync(pooler.Through(pooler.Database.Superuser));
    }

    [Fact]
    public async Task The_migrator_says_that_a_pooler_stands_in_between()
    {
        var refused = await Assert.ThrowsAnyAsync<Exception>(() => Migrations.UpAsync(
            pooler.Through(pooler.Database.Migrator), Path.Combine(TestServers.Root, "db", "scripts"), "readings", Ct));
        Assert.Contains("A connection pooler stands in between", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_but_the_pooler_may_ask_for_verifiers_and_it_is_told_of_services_only()
    {
        var refused = await Assert.ThrowsAsync<PostgresException>(() =>
            ScalarAsync<string>(pooler.Database.App, "select passwd from pgbouncer.verifier('readings_app')"));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
        Assert.Equal("readings_app", await ScalarAsync<string>(pooler.Database.Superuser,
            """
            select string_agg(told.usename, ' ') from unnest(array['readings_app', 'readings_migrator', 'readings_backup', 'postgres', 'pgbouncer']) name,
                pgbouncer.verifier(name) told
            """));
    }

    [Theory]
    [InlineData(100, 1, 1, 4)]
    [InlineData(300, 3, 2, 4)]
    [InlineData(5000, 20, 8, 4)]
    public void Poolers_never_hold_more_than_the_server_has(int most, int replicas, int poolers, int databases)
    {
        var sizing = new Sizing(most, most - 3, databases, replicas, poolers).OrRefuse();
        Assert.InRange(sizing.AllServerConnections, databases * poolers * 5, most - 3 - 12);
        Assert.Equal(replicas * databases * 84, sizing.Clients);
    }

    [Fact]
    public void A_server_that_is_too_small_is_told_how_large_it_has_to_be()
    {
        var refused = Assert.Throws<OpsException>(() => new Sizing(40, 37, 4, 2, 2).OrRefuse());
        Assert.Contains("need 55 at least", refused.Message, StringComparison.Ordinal);
        new Sizing(55, 52, 4, 2, 2).OrRefuse();
    }

    [Fact]
    public async Task Beyond_this_machine_it_is_TLS_or_nothing()
    {
        var far = new Ops.Standbys.Node("db1.example.org", 5432, TestServers.Postgres);
        var near = RealPooler.Server;
        var outside = await PgBouncerVerb.RenderAsync(near, new(["readings"], 2, 1, "10.0.0.5:6432", "/etc/pgbouncer"), Ct);
        Assert.Contains("client_tls_sslmode = require", outside, StringComparison.Ordinal);
        var refused = await Assert.ThrowsAsync<OpsException>(() =>
            PgBouncerVerb.RenderAsync(far, new(["readings"], 2, 1, "127.0.0.1:6432", "/etc/pgbouncer"), Ct));
        Assert.Contains("SSL Mode=VerifyFull", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_printed_passes_its_own_check_and_each_thing_that_would_leak_or_starve_is_found()
    {
        Assert.Empty((await PoolerCheck.RunAsync(RealPooler.Server, pooler.File, 1, Ct)).Findings);
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, pooler.Ini
            .Replace("pool_mode = transaction", "pool_mode = session", StringComparison.Ordinal)
            .Replace("auth_type = scram-sha-256", "auth_type = md5", StringComparison.Ordinal)
            .Replace("= extra_float_digits", "= extra_float_digits, options", StringComparison.Ordinal)
            .Replace("max_db_connections = ", "max_db_connections = 1", StringComparison.Ordinal)
            .Replace("listen_addr = 127.0.0.1", "listen_addr = *", StringComparison.Ordinal)
            .Replace("[pgbouncer]", "elsewhere = host=127.0.0.1 dbname=postgres\n[pgbouncer]", StringComparison.Ordinal), Ct);
        var found = (await PoolerCheck.RunAsync(RealPooler.Server, file, 1, Ct)).Findings;
        File.Delete(file);
        foreach (var word in new[] { "pool_mode", "auth_type", "options", "max_db_connections", "listens on *", "postgres: deploy/postgres/pgbouncer.sql" })
            Assert.Contains(found, finding => finding.Contains(word, StringComparison.Ordinal));
        Assert.Equal(6, found.Count);
    }

    /// <summary>A person's day: declares, writes, reads; often enough that a driver would have prepared every statement.</summary>
    private static async Task<(string Made, string Listed)> LiveAsync(Uri address, string token)
    {
        using var client = new HttpClient { BaseAddress = address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        var made = new List<string>();
        for (var turn = 0; turn < 4; turn++)
        {
            var id = Guid.NewGuid().ToString();
            using var put = await client.PutAsJsonAsync($"/readings/v1/sources/{id}", new { name = id, kind = "meter", metrics = new { reading = "kW.h" } }, Ct);
            Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync(Ct));
            using var post = await client.PostAsJsonAsync($"/readings/v1/sources/{id}/readings",
                new { readings = new[] { new { at = "2026-11-20T08:00:00+01:00", values = new { reading = turn } } } }, Ct);
            Assert.True(post.IsSuccessStatusCode, await post.Content.ReadAsStringAsync(Ct));
            made.Add(id);
        }
        var listed = await client.GetFromJsonAsync<JsonElement>("/readings/v1/sources", Ct);
        return (string.Join(' ', made.Order()), string.Join(' ', listed.GetProperty("sources").EnumerateArray()
            .Select(source => source.GetProperty("source_id").GetString()).Order()));
    }

    private async Task<ServiceProcess> StartServiceAsync(TestIdentity identity)
    {
        var broker = await TestBroker.CreateVhostAsync();
        string Pooled(string connection) => pooler.Through(connection).Replace("Pooling=False", "", StringComparison.Ordinal);
        var service = new ServiceProcess("readings", () => new()
        {
            ["ConnectionStrings:app"] = Pooled(pooler.Database.App), ["ConnectionStrings:relay"] = Pooled(pooler.Database.Relay),
            ["Broker"] = broker.ToString(), ["Identity:Issuer"] = TestIdentity.Issuer, ["Identity:Jwks"] = identity.Jwks.ToString(),
            ["Limits:RequestsPerMinute"] = "1000000", ["Limits:AddressPerMinute"] = "1000000", ["Limits:SensitivePerMinute"] = "1000000",
        });
        await service.StartAsync();
        return service;
    }

    private static async Task RefusedAsync(string connection) =>
        await Assert.ThrowsAsync<PostgresException>(() => ScalarAsync<int>(connection, "select 1"));

    private static async Task<T> ScalarAsync<T>(string connection, string sql)
    {
        await using var open = new NpgsqlConnection(connection);
        await open.OpenAsync(Ct);
        return await ScalarAsync<T>(open, sql);
    }

    private static async Task<T> ScalarAsync<T>(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync(Ct))!;
    }
}
