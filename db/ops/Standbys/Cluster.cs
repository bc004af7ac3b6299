using System.Diagnostics;
using Npgsql;

namespace OpenReadings.Ops.Standbys;

/// <summary>A cluster of this machine in Debian's layout: the folder of its settings knows where its data is.</summary>
internal sealed class Cluster
{
    private readonly string settings;

    private Cluster(string settings, string data) => (this.settings, Data) = (settings, data);

    public string Data { get; }
    public string Log => Path.Combine(settings, "server.log");
    public bool HoldsData => File.Exists(Path.Combine(Data, "PG_VERSION"));

    private string StandbySignal => Path.Combine(Data, "standby.signal");

    public static async Task<Cluster> AtAsync(string settings, CancellationToken ct)
    {
        settings = Path.GetFullPath(settings);
        if (!File.Exists(Path.Combine(settings, "postgresql.conf")))
            throw new OpsException(Exit.Usage, $"There is no postgresql.conf in {settings}. Debian has it in /etc/postgresql/<version>/<cluster>.");
        return new(settings, (await ReadAsync(Tool.Server("postgres", "-C", "data_directory", "-D", settings), ct)).Trim());
    }

    public async Task<bool> IsRunningAsync(CancellationToken ct)
    {
        if (!HoldsData) return false;
        try
        {
            await ReadAsync(Tool.Server("pg_ctl", "-D", settings, "status"), ct);
            return true;
        }
        catch (OpsException e) when (e.Exit == Exit.Failed)
        {
            return false;
        }
    }

    /// <summary>What pg_control says while the server is stopped, by pg_controldata's own names.</summary>
    public async Task<IReadOnlyDictionary<string, string>> ControlAsync(CancellationToken ct) =>
        (await ReadAsync(Tool.Server("pg_controldata", "-D", Data), ct)).Split('\n')
            .Select(line => line.Split(':', 2, StringSplitOptions.TrimEntries)).Where(pair => pair.Length == 2)
            .ToDictionary(pair => pair[0], pair => pair[1]);

    /// <summary>Copies the primary beside the place and moves the copy there when it is whole: a cut copy is never taken for a cluster.</summary>
    public async Task CopyAsync(Node primary, string slot, CancellationToken ct)
    {
        if (Directory.Exists(Data) && Directory.EnumerateFileSystemEntries(Data).Any())
            throw new OpsException(Exit.Refused, $"{Data} holds something that is no cluster. Look at it, and empty it.");
        var part = Data.TrimEnd('/') + ".part";
        if (Directory.Exists(part)) Directory.Delete(part, recursive: true);
        await ReadAsync(AsClientOf(primary, "pg_basebackup", "-D", part, "-X", "stream", "-C", "-S", slot, "--checkpoint=fast", "--no-password"), ct);
        if (Directory.Exists(Data)) Directory.Delete(Data);
        Directory.Move(part, Data);
    }

    /// <summary>Takes back what this cluster wrote after the other became primary. Cut off, it can be done again.</summary>
    public async Task RewindAsync(Node primary, CancellationToken ct)
    {
        // The recovery that pg_rewind may have to run first refuses to be a standby. Whatever happens, it is one afterwards.
        File.Delete(StandbySignal);
        try
        {
            await ReadAsync(AsClientOf(primary, "pg_rewind", "--target-pgdata", Data, "--config-file", Path.Combine(settings, "postgresql.conf"),
                "--source-server", $"host={primary.Host} port={primary.Port} dbname=postgres user={new NpgsqlConnectionStringBuilder(primary.ConnectionString).Username}"), ct);
        }
        catch (OpsException e) when (e.Exit == Exit.Failed)
        {
            throw new OpsException(Exit.Failed, $"{e.Message}. Run this again; if it cannot be rewound, empty {Data}, and it is copied anew.", e);
        }
        finally
        {
            await SignalStandbyAsync();
        }
        // Slots of the time as primary would hold WAL back for standbys that are served elsewhere now.
        foreach (var slot in Directory.EnumerateDirectories(Path.Combine(Data, "pg_replslot"))) Directory.Delete(slot, recursive: true);
    }

    /// <summary>Makes the cluster, when it starts, a standby of that primary under the name.</summary>
    public async Task FollowAsync(Node primary, string name, CancellationToken ct)
    {
        var to = new NpgsqlConnectionStringBuilder(primary.ConnectionString);
        var password = Path.Combine(settings, "replicator.pgpass");
        var tls = Tool.Client(primary.ConnectionString, "psql").Environment;
        await PutAsync(password, "600", $"*:*:*:{to.Username}:{to.Password?.Replace("\\", @"\\", StringComparison.Ordinal).Replace(":", @"\:", StringComparison.Ordinal)}\n", ct);
        var root = to.RootCertificate is { Length: > 0 } certificate ? $" sslrootcert={Value(certificate)}" : "";
        var conninfo = $"host={Value(primary.Host)} port={primary.Port} user={Value(to.Username!)} passfile={Value(password)} "
            + $"application_name={name} connect_timeout=5 sslmode={tls["PGSSLMODE"]}{root}";
        Directory.CreateDirectory(Path.Combine(settings, "conf.d"));
        await PutAsync(Path.Combine(settings, "conf.d", "standby.conf"), "644",
            $"# Written by `ops replica`; means nothing while this server is primary.\nprimary_conninfo = {Value(conninfo)}\nprimary_slot_name = '{name}'\n", ct);
        await SignalStandbyAsync();
    }

    public Task StartAsync(string? command, CancellationToken ct) => ReadAsync(command is null
        ? Tool.Server("pg_ctl", "-D", settings, "-l", Log, "-w", "-s", "start")
        : new ProcessStartInfo("sh", ["-c", command]), ct);

    private Task SignalStandbyAsync() => PutAsync(StandbySignal, "600", "", CancellationToken.None);

    // A new file in one step, of the server's own user: it was made as such, and only then gets what is in it.
    private static async Task PutAsync(string file, string mode, string text, CancellationToken ct)
    {
        var part = file + ".new";
        string[] owner = Environment.IsPrivilegedProcess ? ["-o", "postgres", "-g", "postgres"] : [];
        await ReadAsync(new ProcessStartInfo("install", [.. owner, "-m", mode, "/dev/null", part]), ct);
        await File.WriteAllTextAsync(part, text, ct);
        File.Move(part, file, overwrite: true);
    }

    private static ProcessStartInfo AsClientOf(Node primary, string program, params string[] arguments)
    {
        var start = Tool.Server(program, arguments);
        foreach (var (name, value) in Tool.Client(primary.ConnectionString, program).Environment)
            if (name.StartsWith("PG", StringComparison.Ordinal) && name != "PGDATABASE") start.Environment[name] = value;
        return start;
    }

    private static async Task<string> ReadAsync(ProcessStartInfo start, CancellationToken ct)
    {
        start.Environment["LC_ALL"] = "C";
        var said = "";
        await Tool.RunAsync(start, null, async output => said = await new StreamReader(output).ReadToEndAsync(ct), ct);
        return said;
    }

    private static string Value(string text) => $"'{text.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("'", @"\'", StringComparison.Ordinal)}'";
}
