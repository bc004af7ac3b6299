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

    public string Connection { get; private set; } = "";
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
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!await connection.ExecuteScalarAsync<bool>(new($"select {condition}", cancellationToken: limit.Token))) await Task.Delay(50, limit.Token);
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        await ScriptAsync("kill");
        Directory.Delete(folder, recursive: true);
    }

    private async Task ScriptAsync(string verb)
    {
        string[] arguments = verb == "start" ? [verb, folder, $"{FreePort()}"] : [verb, folder];
        var start = new ProcessStartInfo("bash", [Path.Combine(TestServers.Root, "deploy", "local", "postgres.sh"), .. arguments]);
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    private int port;

    private int FreePort()
    {
        if (port != 0) return port;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return port = ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
