using Npgsql;

namespace OpenReadings.Ops;

/// <summary>A PostgreSQL of its own, reachable through a socket in a private folder only, and gone at the end.</summary>
internal sealed class ScratchServer : IAsyncDisposable
{
    public const string Superuser = "drill";
    private readonly string folder;

    private ScratchServer(string folder) => this.folder = folder;

    public string Data => Path.Combine(folder, "data");
    public string Folder => folder;

    /// <summary>Without a pool, so that a server that stops does not wait for us.</summary>
    public string ConnectionTo(string database, string user = Superuser) =>
        new NpgsqlConnectionStringBuilder { Host = folder, Port = 5432, Username = user, Database = database, Pooling = false }.ConnectionString;

    /// <summary>The folder, owned by who may run a server. Nothing is in it.</summary>
    public static ScratchServer InFolder()
    {
        var folder = Directory.CreateTempSubdirectory("openreadings-drill-").FullName;
        if (Environment.IsPrivilegedProcess) Tool.GiveToServer(folder);
        return new ScratchServer(folder);
    }

    public static async Task<ScratchServer> StartNewAsync(CancellationToken ct, params IEnumerable<string> settings)
    {
        var server = InFolder();
        try
        {
            await Tool.RunAsync(Tool.Server("initdb", "--no-sync", "--pgdata", server.Data, "--username", Superuser, "--auth", "trust",
                "--encoding", "UTF8", "--locale", "C.UTF-8"), null, null, ct);
            await server.StartAsync(ct, settings);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts what is in <see cref="Data"/> and waits until it answers. Its log says why when it does not.</summary>
    public async Task StartAsync(CancellationToken ct, params IEnumerable<string> settings)
    {
        string[] options = ["-c", "listen_addresses=", "-c", $"unix_socket_directories={folder}", "-c", "port=5432", "-c", "fsync=off",
            "-c", "max_connections=300", .. settings.SelectMany(setting => new[] { "-c", setting })];
        try
        {
            await Tool.RunAsync(Tool.Server("pg_ctl", "start", "--wait", "--timeout", "300", "--silent", "--pgdata", Data, "--log", Path.Combine(folder, "log"),
                "--options", string.Join(' ', options.Select(option => $"'{option}'"))), null, null, ct);
        }
        catch (OpsException e)
        {
            var log = Path.Combine(folder, "log");
            throw new OpsException(Exit.Failed, $"{e.Message} {(File.Exists(log) ? string.Join("; ", File.ReadLines(log).TakeLast(5)) : "")}", e);
        }
    }

    public Task StopAsync() => Tool.RunAsync(
        Tool.Server("pg_ctl", "stop", "--wait", "--silent", "--mode", "fast", "--pgdata", Data), null, null, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        if (File.Exists(Path.Combine(Data, "postmaster.pid"))) await StopAsync();
        Directory.Delete(folder, recursive: true);
    }
}
