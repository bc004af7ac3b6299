using Npgsql;

namespace OpenReadings.Ops.Tests.Standbys;

/// <summary>A server as deploy/postgres/provision.sh makes it, with TLS, to be killed and promoted as a test likes.</summary>
internal sealed class OwnCluster : IAsyncDisposable
{
    public const string Password = "of the superuser";
    private const string AsPostgres = """
        bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1); as=()
        ((EUID)) || as=(setpriv --reuid=postgres --regid=postgres --init-groups); cd /; export HOME=/
        """;

    private OwnCluster(string folder, Certificates certificates, int port) =>
        (Folder, Certificates, Port) = (folder, certificates, port);

    public string Folder { get; }
    public Certificates Certificates { get; }
    public int Port { get; }
    public string Settings => Path.Combine(Folder, "settings");
    public string Data => Path.Combine(Folder, "data");
    public string Host => $"localhost:{Port}";

    /// <summary>Makes the folders; the data only when asked to, as a standby gets its own from the primary.</summary>
    public static async Task<OwnCluster> ProvisionAsync(Certificates certificates, bool withData)
    {
        var cluster = new OwnCluster(Shell.TemporaryFolder(), certificates, Shell.FreePort());
        Directory.CreateDirectory(cluster.Settings);
        var secret = Path.Combine(cluster.Folder, "password");
        await File.WriteAllTextAsync(secret, Password);
        // Everybody here is a neighbour; the sample's networks are not.
        await File.WriteAllTextAsync(Path.Combine(cluster.Settings, "pg_hba.conf"), """
            local   all          postgres    peer
            hostssl all          all         127.0.0.1/32  scram-sha-256
            hostssl all          all         ::1/128       scram-sha-256
            hostssl replication  replicator  127.0.0.1/32  scram-sha-256
            hostssl replication  replicator  ::1/128       scram-sha-256

            """);
        await Shell.MustAsync("""
            [ "$EUID" != 0 ] || chown postgres: "$1" "$1/settings" "$1/settings/pg_hba.conf"
            deploy/postgres/provision.sh "$1/settings" "$1/data" "$2" "$1/password" "$3" "$4"
            """, null, cluster.Folder, $"{cluster.Port}", certificates.Certificate, certificates.Key);
        if (!withData) Directory.Delete(cluster.Data, recursive: true);
        await File.WriteAllTextAsync(Path.Combine(cluster.Settings, "conf.d", "test.conf"),
            "fsync = off\nunix_socket_directories = ''\nshared_buffers = '32MB'\nlisten_addresses = 'localhost'\n");
        return cluster;
    }

    public Task StartAsync() => Shell.MustAsync(AsPostgres + """

        "${as[@]}" "$bin/pg_ctl" -D "$1" -l "$1/server.log" -w -s start || { tail -n 20 "$1/server.log"; exit 1; }
        """, null, Settings);

    /// <summary>Ends it as a power cut would.</summary>
    public Task CrashAsync() => Shell.MustAsync(AsPostgres + "\n\"${as[@]}\" \"$bin/pg_ctl\" -D \"$1\" -s -m immediate -w stop", null, Settings);

    public string As(string user, string password, string database = "postgres", string hosts = "") => new NpgsqlConnectionStringBuilder
    {
        Host = hosts.Length > 0 ? hosts : "localhost", Port = Port, Username = user, Password = password, Database = database, SslMode = SslMode.VerifyFull,
        RootCertificate = Certificates.Root, Pooling = false, PersistSecurityInfo = true,
    }.ConnectionString;

    public string Superuser => As("postgres", Password);

    /// <summary>What psql needs to be this server's superuser.</summary>
    public Dictionary<string, string> Psql => new()
    {
        ["PGHOST"] = "localhost", ["PGPORT"] = $"{Port}", ["PGUSER"] = "postgres", ["PGPASSWORD"] = Password, ["PGDATABASE"] = "postgres",
        ["PGSSLMODE"] = "verify-full", ["PGSSLROOTCERT"] = Certificates.Root,
    };

    public async ValueTask DisposeAsync()
    {
        await Shell.RunAsync(AsPostgres + "\n\"${as[@]}\" \"$bin/pg_ctl\" -D \"$1\" -s -m immediate -w stop", null, Settings);
        Directory.Delete(Folder, recursive: true);
    }
}

internal static class Sql
{
    public static async Task<T> ScalarAsync<T>(string connection, string sql)
    {
        await using var source = NpgsqlDataSource.Create(connection);
        await using var command = source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    public static async Task RunAsync(string connection, string sql)
    {
        await using var source = NpgsqlDataSource.Create(connection);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }
}
