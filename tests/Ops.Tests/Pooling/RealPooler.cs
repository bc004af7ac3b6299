using Npgsql;
using OpenReadings.Ops.Pooling;
using OpenReadings.Ops.Standbys;
using OpenReadings.Ops.Tests.Pooling;
using OpenReadings.Support;

[assembly: AssemblyFixture(typeof(RealPooler))]

namespace OpenReadings.Ops.Tests.Pooling;

/// <summary>A PgBouncer as <c>ops pgbouncer</c> describes it, in front of the run's PostgreSQL and a database of readings.</summary>
public sealed class RealPooler : IAsyncLifetime
{
    private const string Password = "of pgbouncer";
    private readonly string folder = Shell.TemporaryFolder();

    public TestDatabase Database { get; private set; } = null!;
    public string Ini { get; private set; } = "";
    public string File => Path.Combine(folder, "pgbouncer.ini");
    public int Port { get; } = Shell.FreePort();
    internal static Node Server => Assert.Single(Node.Of(TestServers.Postgres));

    /// <summary>How many connections of the server the requests of the app share here.</summary>
    public const int Pool = 3;

    public async ValueTask InitializeAsync()
    {
        Database = await TestDatabase.CreateAsync("readings");
        var name = new NpgsqlConnectionStringBuilder(Database.Superuser).Database!;
        await InstallAsync(name);
        Ini = await PgBouncerVerb.RenderAsync(Server, new([name], 2, 1, $"127.0.0.1:{Port}", folder), CancellationToken.None);
        // As printed, only smaller: so that two requests of different people do meet on one connection.
        await System.IO.File.WriteAllTextAsync(File, System.Text.RegularExpressions.Regex.Replace(
            Ini, "(?m)^default_pool_size = .*$", $"default_pool_size = {Pool}"));
        await Shell.MustAsync("""
            cd "$1"; printf '"pgbouncer" "%s"\n' "$2" >userlist.txt; chmod 600 userlist.txt; as=()
            ((EUID)) || { chown postgres: . userlist.txt pgbouncer.ini; as=(setpriv --reuid=postgres --regid=postgres --init-groups); }
            setsid "${as[@]}" /usr/sbin/pgbouncer pgbouncer.ini >log 2>&1 & echo $! >pid
            for turn in {1..200}; do (exec 3<>"/dev/tcp/127.0.0.1/$3") 2>/dev/null && exit; kill -0 $! || break; sleep 0.05; done
            cat log; exit 1
            """, null, folder, Password, $"{Port}");
    }

    /// <summary>Through the pooler, and with what decision 0030 asks of a connection string.</summary>
    public string Through(string connection) => new NpgsqlConnectionStringBuilder(connection) { Port = Port, MaxAutoPrepare = 0, Pooling = false }.ConnectionString;

    public static async Task InstallAsync(string database)
    {
        var server = new NpgsqlConnectionStringBuilder(TestServers.Postgres);
        await Shell.MustAsync("psql -X -f deploy/postgres/pgbouncer.sql && psql -X -f deploy/postgres/pgbouncer.sql", new Dictionary<string, string>
        {
            ["PGHOST"] = server.Host!, ["PGPORT"] = $"{server.Port}", ["PGUSER"] = server.Username!, ["PGPASSWORD"] = server.Password!,
            ["PGDATABASE"] = database, ["PGBOUNCER_PASSWORD"] = Password,
        });
    }

    public async ValueTask DisposeAsync()
    {
        await Shell.RunAsync("kill -INT $(cat \"$1/pid\"); while kill -0 $(cat \"$1/pid\") 2>/dev/null; do sleep 0.05; done", null, folder);
        await Database.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}
