using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Dapper;
using Npgsql;
using OpenReadings.Ops.Health;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests.Health;

/// <summary>A whole server with the four databases and no other guests, set up as one in production is.</summary>
public sealed class OwnServer : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("ops-server").FullName;
    private readonly List<(string Service, TestDatabase Database)> databases = [];
    private int port;

    public string Connection { get; private set; } = "";
    public string HostRules => Path.Combine(folder, "data", "pg_hba.conf");
    public Uri Broker { get; private set; } = null!;
    internal IReadOnlyList<Place> Places => [.. databases.Select(database => new Place(database.Service, database.Database.Superuser))];
    internal Scope Scope => new(Places) { Broker = Broker };

    /// <summary>What tells the program of it.</summary>
    internal IEnumerable<(string, string)> Settings =>
        [.. Places.Select(place => ($"ConnectionStrings__{place.Service}_admin", place.ConnectionString)), ("Broker", Broker.ToString()), ("OPENREADINGS_OPS_STATE", folder)];

    public async ValueTask InitializeAsync()
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(folder, (UnixFileMode)Convert.ToInt32("755", 8));
        await ScriptAsync("start");
        Connection = await File.ReadAllTextAsync(Path.Combine(folder, "connection"));
        foreach (var setting in new[] { "shared_preload_libraries = 'pg_stat_statements'", "archive_mode = on", "archive_command = 'true'" })
            await DoAsync($"alter system set {setting}");
        await ScriptAsync("stop");
        await ScriptAsync("start");
        NpgsqlConnection.ClearAllPools();
        var made = await Task.WhenAll(OpenReadings.Ops.Settings.Services.Select(async service => (service, await TestDatabase.CreateAsync(service, Connection))));
        databases.AddRange(made);
        foreach (var (_, database) in databases) await DoAsync("create extension pg_stat_statements", database.Superuser);
        Broker = await TestBroker.CreateVhostAsync();
    }

    public async Task DoAsync(string sql, string? connectionString = null)
    {
        await using var connection = new NpgsqlConnection(connectionString ?? Connection);
        await connection.ExecuteAsync(sql);
    }

    public async Task UntilAsync(string condition)
    {
        await using var connection = new NpgsqlConnection(Connection);
        await Given.UntilAsync(connection, condition);
    }

    /// <summary>A standby that receives everything at once and replays it an hour later, through a slot of its own.</summary>
    public async Task StartStandbyAsync()
    {
        var settings = new NpgsqlConnectionStringBuilder(Connection);
        await BashAsync(
            """
            . deploy/local/common.sh; become postgres; bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
            install -d -m 700 ${run_as:+-o postgres} "$1/standby"; cd /
            "${run_as[@]}" "$bin/pg_basebackup" -d "host=127.0.0.1 port=$2 user=postgres" -D "$1/standby" -R -X stream -c fast -C -S late
            printf "port = %s\nrecovery_min_apply_delay = '1h'\narchive_mode = off\n" "$3" >>"$1/standby/postgresql.auto.conf"
            launch "$1/standby.pid" "$1/standby.log" "${run_as[@]}" "$bin/postgres" -D "$1/standby"
            """, ("PGPASSWORD", settings.Password!), folder, $"{settings.Port}", $"{FreePort()}");
        await UntilAsync("exists (select from pg_stat_replication where state = 'streaming')");
    }

    public async Task StopStandbyAsync()
    {
        await BashAsync(""". deploy/local/common.sh; finish "$1/standby.pid" INT 20; rm -rf "$1/standby" """, default, folder);
        await UntilAsync("not exists (select from pg_stat_replication)");
        await DoAsync("select pg_drop_replication_slot('late')");
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        await ScriptAsync("kill");
        Directory.Delete(folder, recursive: true);
    }

    private static async Task BashAsync(string script, (string Name, string Value) setting, params string[] arguments)
    {
        var start = new ProcessStartInfo("bash", ["-c", script, "bash", .. arguments]) { WorkingDirectory = TestServers.Root };
        if (setting.Name is not null) start.Environment[setting.Name] = setting.Value;
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    private Task ScriptAsync(string verb)
    {
        if (port == 0) port = FreePort();
        return BashAsync("""deploy/local/postgres.sh "$@" """, default, [verb, folder, .. verb == "start" ? [$"{port}"] : Array.Empty<string>()]);
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
