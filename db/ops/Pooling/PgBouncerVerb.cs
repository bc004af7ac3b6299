using System.CommandLine;
using System.Globalization;
using System.Net;
using Npgsql;
using OpenReadings.Ops.Standbys;

namespace OpenReadings.Ops.Pooling;

/// <summary>Prints a pgbouncer.ini that fits the server it is for, or says what is wrong with one.</summary>
internal static class PgBouncerVerb
{
    private static readonly Option<int> Replicas = new("--replicas")
    {
        Description = "Replicas of each service", DefaultValueFactory = _ => 2,
    };

    private static readonly Option<int> Poolers = new("--poolers")
    {
        Description = "PgBouncers in front of this server", DefaultValueFactory = _ => 1,
    };

    private static readonly Option<string> Listen = new("--listen")
    {
        Description = "Address and port to listen on; beyond loopback with TLS", DefaultValueFactory = _ => "127.0.0.1:6432",
    };

    private static readonly Option<string> Folder = new("--directory")
    {
        Description = "Where userlist.txt, server.crt and server.key will be", DefaultValueFactory = _ => "/etc/pgbouncer",
    };

    private static readonly Option<string[]> Names = new("--databases")
    {
        Description = "The databases", DefaultValueFactory = _ => [.. Settings.Services], AllowMultipleArgumentsPerToken = true,
    };

    private static readonly Argument<string> File = new("file") { Description = "The pgbouncer.ini to look at" };

    public static Command Verb()
    {
        var check = new Command("check", "Look at a pgbouncer.ini together with the server that it is for; 3 when something is wrong") { File, Poolers }
            .Runs(async (line, _, ct) =>
            {
                var primary = await Node.PrimaryAsync(Settings.Connection("admin"), ct);
                var found = await PoolerCheck.RunAsync(primary, line.GetValue(File)!, line.GetValue(Poolers), ct);
                return (found.Findings.Count == 0 ? Exit.Ok : Exit.Findings, found);
            });
        return new Command("pgbouncer", "Print a pgbouncer.ini sized for the server of ConnectionStrings__admin")
        {
            Replicas, Poolers, Listen, Folder, Names, check,
        }.Runs(async (line, _, ct) =>
        {
            var primary = await Node.PrimaryAsync(Settings.Connection("admin"), ct);
            var ini = await RenderAsync(primary, new(line.GetValue(Names)!, line.GetValue(Replicas), line.GetValue(Poolers),
                line.GetValue(Listen)!, line.GetValue(Folder)!), ct);
            return (Exit.Ok, new Answer(ini));
        });
    }

    internal sealed record Request(IReadOnlyList<string> Databases, int Replicas, int Poolers, string Listen, string Folder);

    private sealed record Answer(string PgbouncerIni)
    {
        public override string ToString() => PgbouncerIni;
    }

    internal static async Task<string> RenderAsync(Node server, Request request, CancellationToken ct)
    {
        if (!IPEndPoint.TryParse(request.Listen, out var listen) || listen.Port == 0)
            throw new OpsException(Exit.Usage, $"--listen is \"{request.Listen}\": an address and a port, such as 127.0.0.1:6432.");
        if (request.Replicas < 1 || request.Poolers < 1 || request.Databases.Count == 0)
            throw new OpsException(Exit.Usage, "There is at least one replica, one pooler and one database.");
        var (most, usable) = await ConnectionsAsync(server, ct);
        var sizing = new Sizing(most, usable, request.Databases.Count, request.Replicas, request.Poolers).OrRefuse();
        var text = await TemplateAsync();
        (string, string)[] values =
        [
            ("SIZING", $"; Of {most} connections the server gives {request.Poolers} pooler(s) {sizing.AllServerConnections}; without a pooler the services may want "
                + $"{sizing.WithoutPooler}. PgBouncer may need {sizing.Files} files (systemd: LimitNOFILE)."),
            ("DATABASES", string.Join('\n', request.Databases.Select(name => $"{name} = host={server.Host} port={server.Port} dbname={name}"))),
            ("LISTEN", $"{listen.Address}"), ("LISTEN_PORT", $"{listen.Port}"), ("DIRECTORY", request.Folder), ("TLS", Tls(server, listen, request.Folder)),
            ("CLIENTS", $"{sizing.Clients}"), ("POOL", $"{sizing.Pool}"), ("DATABASE_CONNECTIONS", $"{sizing.PerDatabase}"),
        ];
        foreach (var (name, value) in values) text = text.Replace($"${{{name}}}", value, StringComparison.Ordinal);
        return text.TrimEnd();
    }

    internal static async Task<(int Most, int Usable)> ConnectionsAsync(Node server, CancellationToken ct)
    {
        var usable = await server.ScalarAsync<string>(
            "select concat_ws(' ', current_setting('max_connections'), current_setting('superuser_reserved_connections'))", ct);
        var numbers = usable.Split(' ').Select(number => int.Parse(number, CultureInfo.InvariantCulture)).ToArray();
        return (numbers[0], numbers[0] - numbers[1]);
    }

    private static string Tls(Node server, IPEndPoint listen, string folder)
    {
        var to = new NpgsqlConnectionStringBuilder(server.ConnectionString);
        var isNear = server.Host is "localhost" || IPAddress.TryParse(server.Host, out var address) && IPAddress.IsLoopback(address);
        if (!isNear && (to.SslMode != SslMode.VerifyFull || to.RootCertificate is not { Length: > 0 }))
        {
            throw new OpsException(Exit.Refused, $"The way to {server} is not safe: say SSL Mode=VerifyFull;Root Certificate=… in ConnectionStrings__admin, "
                + "and PgBouncer asks for the same.");
        }
        var near = IPAddress.IsLoopback(listen.Address)
            ? "client_tls_sslmode = disable"
            : $"client_tls_sslmode = require\nclient_tls_protocols = secure\nclient_tls_cert_file = {folder}/server.crt\nclient_tls_key_file = {folder}/server.key";
        var far = to.SslMode == SslMode.VerifyFull
            ? $"server_tls_sslmode = verify-full\nserver_tls_protocols = secure\nserver_tls_ca_file = {to.RootCertificate}"
            : "server_tls_sslmode = prefer";
        return $"{near}\n{far}";
    }

    private static async Task<string> TemplateAsync()
    {
        using var reader = new StreamReader(typeof(PgBouncerVerb).Assembly.GetManifestResourceStream("pgbouncer.ini")!);
        return await reader.ReadToEndAsync();
    }
}
