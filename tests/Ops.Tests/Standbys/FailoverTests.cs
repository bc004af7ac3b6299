using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Npgsql;
using OpenReadings.Migrator;
using OpenReadings.Ops.Standbys;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests.Standbys;

/// <summary>The rehearsal: two real servers, a service that writes all the while, a switch, a crash, and the way back of both.</summary>
public sealed class FailoverTests : IAsyncLifetime
{
    private const string ReplicatorPassword = "of the replicator", ServicePassword = "of the service";
    private readonly string folder = Shell.TemporaryFolder();
    private readonly List<string> said = [];
    private OwnCluster a = null!, b = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private string Hosts => $"{a.Host},{b.Host}";

    public async ValueTask InitializeAsync()
    {
        var certificates = Certificates.In(folder);
        a = await OwnCluster.ProvisionAsync(certificates, withData: true);
        b = await OwnCluster.ProvisionAsync(certificates, withData: false);
        await a.StartAsync();
        await Shell.MustAsync("psql -X -f deploy/postgres/replicator.sql && psql -X -f db/bootstrap.sql", new Dictionary<string, string>(a.Psql)
        {
            ["REPLICATOR_PASSWORD"] = ReplicatorPassword, ["SERVICE"] = "readings", ["DATABASE"] = "readings", ["MIGRATOR_PASSWORD"] = ServicePassword,
            ["APP_PASSWORD"] = ServicePassword, ["RELAY_PASSWORD"] = ServicePassword,
        });
        await Migrations.UpAsync(a.As("readings_migrator", ServicePassword, "readings"), Path.Combine(TestServers.Root, "db", "scripts"), "readings", Ct);
    }

    public async ValueTask DisposeAsync()
    {
        await b.DisposeAsync();
        await a.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_service_goes_on_writing_through_a_switch_and_a_crash_and_nothing_that_was_acknowledged_is_lost()
    {
        var made = await ReplicaAsync(b, "b", rewind: false);
        Assert.Equal("was copied", made.Did);
        Assert.Equal("was there", (await ReplicaAsync(b, "b", rewind: false)).Did);
        Assert.Equal("reserved", await Sql.ScalarAsync<string>(a.Superuser, "select wal_status from pg_replication_slots where slot_name = 'b' and active"));

        await using var identity = await TestIdentity.StartAsync();
        await using var service = await StartServiceAsync(identity);
        using var client = new HttpClient { BaseAddress = service.Address, Timeout = TimeSpan.FromSeconds(20) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", identity.TokenFor(Guid.NewGuid()));
        var acknowledged = new List<string> { await WriteAsync(client) };

        // Refusals change nothing.
        await RefusedAsync(FailoverAsync(b, "true"), Exit.Refused, "still takes writes");
        await RefusedAsync(FailoverAsync(b, "echo unplugged; exit 7"), Exit.Failed, "sh failed");
        await RefusedAsync(FailoverAsync("localhost:1", "true"), Exit.Usage, "none of the hosts");
        await RefusedAsync(ReplicaAsync(a, "a", rewind: true), Exit.Refused, "runs and is not standby a");
        Assert.True(await Sql.ScalarAsync<bool>(b.Superuser, "select pg_is_in_recovery()"));
        acknowledged.Add(await WriteAsync(client));

        // A switch that was planned: a is stopped cleanly and loses nothing, whatever was written up to then.
        var switched = await FailoverAsync(b, Fencing(a));
        Assert.True(switched.Promoted);
        acknowledged.Add(await WriteAsync(client));
        Assert.False((await FailoverAsync(b, "exit 1")).Promoted);
        await Migrations.UpAsync(a.As("readings_migrator", ServicePassword, "readings", Hosts), Path.Combine(TestServers.Root, "db", "scripts"), "readings", Ct);
        Assert.Equal(acknowledged.Order(), await StoredAsync(b));

        // Fenced is fenced: started by accident, it takes no write.
        await a.StartAsync();
        var refused = await Assert.ThrowsAsync<PostgresException>(() => Sql.RunAsync(a.Superuser, "create table after_the_end ()"));
        Assert.Equal(PostgresErrorCodes.ReadOnlySqlTransaction, refused.SqlState);
        await Shell.MustAsync(Fencing(a), null);

        var back = await ReplicaAsync(a, "a", rewind: false);
        Assert.Equal("was started", back.Did);

        // A crash: b is gone, and a is told nothing. What had come over is what is there.
        acknowledged.Add(await WriteAsync(client));
        await UntilReceivedAsync(from: b, to: a);
        await b.CrashAsync();
        await RefusedAsync(FailoverAsync(a, Fencing(b), maxLoss: TimeSpan.Zero), Exit.Refused, "--max-loss");
        Assert.True((await FailoverAsync(a, Fencing(b))).Promoted);
        acknowledged.Add(await WriteAsync(client));
        Assert.Equal(acknowledged.Order(), await StoredAsync(a));

        // The one that crashed as primary comes back only by giving up what nobody else has.
        await RefusedAsync(ReplicaAsync(b, "b", rewind: false), Exit.Refused, "say --rewind");
        var rewound = await ReplicaAsync(b, "b", rewind: true);
        Assert.Equal("was rewound", rewound.Did);
        acknowledged.Add(await WriteAsync(client));
        await UntilReceivedAsync(from: a, to: b);
        Assert.Equal(acknowledged.Order(), await StoredAsync(b));
        Assert.Equal(0L, await Sql.ScalarAsync<long>(b.Superuser, "select count(*) from pg_replication_slots"));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"without a primary: switch {switched.SecondsWithoutPrimary:F1} s; copy {made.Seconds:F1} s, rewind {rewound.Seconds:F1} s");
    }

    [Fact]
    public async Task A_cluster_that_wrote_on_its_own_gives_that_up_and_a_stranger_is_left_alone()
    {
        await ReplicaAsync(b, "b", rewind: false);
        // a is cut off and promoted over, and still commits: nobody has that but itself.
        await Sql.RunAsync(b.Superuser, "select pg_promote()");
        await Sql.RunAsync(a.Superuser, "create table only_here (); checkpoint");
        await RefusedAsync(FailoverAsync(b, "true"), Exit.Refused, "Two primaries");
        await RefusedAsync(ReplicaAsync(a, "a", rewind: true), Exit.Refused, "Two primaries");
        await Sql.RunAsync(b.Superuser, "create table there ()");
        await a.CrashAsync();
        await Shell.MustAsync(Fencing(a), null);
        Assert.Equal("was rewound", (await ReplicaAsync(a, "a", rewind: true)).Did);
        Assert.Equal("there", await Sql.ScalarAsync<string>(a.Superuser,
            "select string_agg(tablename, ' ') from pg_tables where tablename in ('only_here', 'there')"));

        await Sql.RunAsync(b.Superuser, "alter system set max_slot_wal_keep_size = -1");
        await Sql.RunAsync(b.Superuser, "select pg_reload_conf()");
        await RefusedAsync(ReplicaAsync(a, "a", rewind: true), Exit.Refused, "max_slot_wal_keep_size is unlimited");
        await Sql.RunAsync(b.Superuser, "alter system reset max_slot_wal_keep_size");
        await Sql.RunAsync(b.Superuser, "select pg_reload_conf()");

        await using var stranger = await OwnCluster.ProvisionAsync(a.Certificates, withData: true);
        await RefusedAsync(ReplicaAsync(stranger, "c", rewind: true), Exit.Refused, "another cluster");
        await RefusedAsync(ReplicaAsync(stranger, "C; drop", rewind: true), Exit.Usage, "small letters");
    }

    private static string Fencing(OwnCluster cluster) => $"'{TestServers.Root}/deploy/postgres/fence.sh' '{cluster.Settings}'";

    private Task<ReplicaVerb.Answer> ReplicaAsync(OwnCluster cluster, string name, bool rewind) => ReplicaVerb.RunAsync(
        new(a.As("replicator", ReplicatorPassword, hosts: Hosts), cluster.Settings, name, rewind, null, TimeSpan.FromSeconds(60)), said.Add, Ct);

    private Task<FailoverVerb.Answer> FailoverAsync(OwnCluster to, string fence, TimeSpan? maxLoss = null) => FailoverAsync(to.Host, fence, maxLoss);

    private Task<FailoverVerb.Answer> FailoverAsync(string to, string fence, TimeSpan? maxLoss = null) => FailoverVerb.RunAsync(
        new(a.As("postgres", OwnCluster.Password, hosts: Hosts), to, fence, 16 << 20, maxLoss ?? TimeSpan.FromMinutes(5)), said.Add, Ct);

    private static async Task RefusedAsync(Task asked, Exit exit, string reason)
    {
        var refused = await Assert.ThrowsAsync<OpsException>(() => asked);
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        Assert.Equal(exit, refused.Exit);
    }

    private async Task<ServiceProcess> StartServiceAsync(TestIdentity identity)
    {
        var broker = await TestBroker.CreateVhostAsync();
        string As(string role) => a.As($"readings_{role}", ServicePassword, "readings", Hosts)
            .Replace("Pooling=False", "Target Session Attributes=primary", StringComparison.Ordinal);
        var service = new ServiceProcess("readings", () => new()
        {
            ["ConnectionStrings:app"] = As("app"), ["ConnectionStrings:relay"] = As("relay"), ["Broker"] = broker.ToString(),
            ["Identity:Issuer"] = TestIdentity.Issuer, ["Identity:Jwks"] = identity.Jwks.ToString(), ["Limits:RequestsPerMinute"] = "1000000",
        });
        await service.StartAsync();
        return service;
    }

    /// <summary>A client that does as the 503 says: again, with the same id, until it is acknowledged.</summary>
    private static async Task<string> WriteAsync(HttpClient client)
    {
        var id = Guid.NewGuid().ToString();
        for (var limit = DateTime.UtcNow.AddSeconds(60); ; await Task.Delay(100, Ct))
        {
            using var answer = await client.PutAsJsonAsync($"/readings/v1/sources/{id}", new { name = id, kind = "meter", metrics = new { reading = "kW.h" } }, Ct);
            if (answer.IsSuccessStatusCode) return id;
            if (answer.StatusCode != HttpStatusCode.ServiceUnavailable || DateTime.UtcNow > limit)
                Assert.Fail($"{answer.StatusCode}: {await answer.Content.ReadAsStringAsync(Ct)}");
        }
    }

    private static async Task<IEnumerable<string>> StoredAsync(OwnCluster cluster) =>
        (await Sql.ScalarAsync<string[]>(new NpgsqlConnectionStringBuilder(cluster.Superuser) { Database = "readings" }.ConnectionString,
            "select array_agg(name order by name) from sources")).Order();

    private static async Task UntilReceivedAsync(OwnCluster from, OwnCluster to)
    {
        var position = await Sql.ScalarAsync<string>(from.Superuser, "select pg_current_wal_lsn()::text");
        for (var limit = DateTime.UtcNow.AddSeconds(30); DateTime.UtcNow < limit; await Task.Delay(50, Ct))
            if (await Sql.ScalarAsync<bool>(to.Superuser, $"select coalesce(pg_last_wal_replay_lsn() >= '{position}', false)")) return;
        Assert.Fail($"{to.Host} did not receive {position}");
    }
}
