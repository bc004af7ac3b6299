using System.CommandLine;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Npgsql;

namespace OpenReadings.Ops.Standbys;

/// <summary>
/// Makes a cluster of this machine a standby of the primary, whatever it is now: nothing yet (copied), a standby that stopped
/// (started), a former primary (rewound). Running it again on one that follows says so and changes nothing.
/// </summary>
internal static partial class ReplicaVerb
{
    private const long Near = 16 << 20;

    private static readonly Option<string> ClusterAt = new("--cluster")
    {
        Description = "The folder with postgresql.conf of this machine's cluster", Required = true, HelpName = "FOLDER",
    };

    private static readonly Option<string> Name = new("--name")
    {
        Description = "What the standby is called: its slot, and application_name", Required = true,
    };

    private static readonly Option<bool> Rewind = new("--rewind")
    {
        Description = "Give up what a former primary committed and the new one never received",
    };

    private static readonly Option<string> Start = new("--start")
    {
        Description = "What starts the server [default: pg_ctl start]", HelpName = "COMMAND",
    };

    private static readonly Option<int> Patience = new("--timeout")
    {
        Description = "Seconds until it has to stream", DefaultValueFactory = _ => 300,
    };

    public static Command Verb() =>
        new Command("replica", "Make this machine's cluster a standby: ConnectionStrings__replicator names all hosts (Host=a,b)")
        {
            ClusterAt, Name, Rewind, Start, Patience,
        }.Runs(async (line, say, ct) => (Exit.Ok, await RunAsync(
            new(Settings.Connection("replicator"), line.GetValue(ClusterAt)!, line.GetValue(Name)!, line.GetValue(Rewind), line.GetValue(Start),
                TimeSpan.FromSeconds(line.GetValue(Patience))), say, ct)));

    internal sealed record Request(string Connection, string Cluster, string Name, bool Rewind, string? Start, TimeSpan Patience);

    internal sealed record Answer(string Standby, string Primary, string Did, long LagBytes, double Seconds)
    {
        public override string ToString() => $"{Standby} {Did} and follows {Primary}, {LagBytes} bytes behind ({Seconds:F1} s).";
    }

    internal static async Task<Answer> RunAsync(Request request, Action<string> say, CancellationToken ct)
    {
        var clock = Stopwatch.StartNew();
        var name = request.Name;
        if (!SlotName().IsMatch(name)) throw new OpsException(Exit.Usage, $"The name is \"{name}\": small letters, digits and _ only.");
        var cluster = await Cluster.AtAsync(request.Cluster, ct);
        var primary = await Node.PrimaryAsync(request.Connection, ct);
        await RefuseUnfitAsync(primary, ct);
        if (await cluster.IsRunningAsync(ct))
        {
            if (await LagAsync(primary, name, ct) is { } already) return new(name, $"{primary}", "was there", already, clock.Elapsed.TotalSeconds);
            throw new OpsException(Exit.Refused, $"The server in {cluster.Data} runs and is not standby {name} of {primary}. Stop it first (a primary: deploy/postgres/fence.sh).");
        }

        var did = cluster.HoldsData ? await ReuseAsync(cluster, primary, request, say, ct) : await CopyAsync(cluster, primary, name, say, ct);
        await cluster.FollowAsync(primary, name, ct);
        await cluster.StartAsync(request.Start, ct);
        var lag = await UntilNearAsync(cluster, primary, name, request.Patience, ct);
        return new(name, $"{primary}", did, lag, clock.Elapsed.TotalSeconds);
    }

    private static async Task<string> CopyAsync(Cluster cluster, Node primary, string name, Action<string> say, CancellationToken ct)
    {
        await DropSlotAsync(primary, name, ct);
        say($"Copying {primary} to {cluster.Data}");
        await cluster.CopyAsync(primary, name, ct);
        return "was copied";
    }

    private static async Task<string> ReuseAsync(Cluster cluster, Node primary, Request request, Action<string> say, CancellationToken ct)
    {
        var control = await cluster.ControlAsync(ct);
        var theirs = (await primary.LookAsync(ct)).SystemIdentifier;
        if (control["Database system identifier"] != theirs)
            throw new OpsException(Exit.Refused, $"{cluster.Data} holds another cluster than {primary}: empty the folder if nobody needs it.");
        var wasPrimary = !control["Database cluster state"].Contains("recovery", StringComparison.Ordinal);
        if (wasPrimary && !request.Rewind)
        {
            throw new OpsException(Exit.Refused,
                $"{cluster.Data} was a primary. What it committed and {primary} never received is lost when it is rewound: say --rewind.");
        }
        await KeepSlotAsync(primary, request.Name, ct);
        if (!wasPrimary) return "was started";
        say($"Rewinding {cluster.Data} to where {primary} went on");
        await cluster.RewindAsync(primary, ct);
        return "was rewound";
    }

    private static async Task RefuseUnfitAsync(Node primary, CancellationToken ct)
    {
        var wrong = await primary.ScalarAsync<string>(
            """
            select concat_ws(' ',
                case when current_setting('wal_level') = 'minimal' then 'wal_level is minimal.' end,
                case when current_setting('max_slot_wal_keep_size') = '-1'
                     then 'max_slot_wal_keep_size is unlimited: a standby that is away would fill the disk.' end,
                case when current_setting('wal_log_hints') = 'off' and current_setting('data_checksums') = 'off'
                     then 'Neither wal_log_hints nor data checksums are on: pg_rewind needs one.' end)
            """, ct);
        if (wrong.Length > 0) throw new OpsException(Exit.Refused, $"{primary} is not made for standbys. {wrong} See deploy/postgres/postgresql.conf.");
    }

    private static async Task DropSlotAsync(Node primary, string name, CancellationToken ct)
    {
        if (await primary.ScalarAsync<bool>("select exists (select from pg_replication_slots where slot_name = $1 and active)", ct, Text(name)))
            throw new OpsException(Exit.Refused, $"A standby of the name {name} is connected to {primary}. Choose another --name.");
        await primary.ScalarAsync<long>(
            "select count(pg_drop_replication_slot(slot_name)) from pg_replication_slots where slot_name = $1 and not active", ct, Text(name));
    }

    private static async Task KeepSlotAsync(Node primary, string name, CancellationToken ct)
    {
        if (await primary.ScalarAsync<bool>("select exists (select from pg_replication_slots where slot_name = $1 and wal_status = 'lost')", ct, Text(name)))
            throw new OpsException(Exit.Refused, $"{name} was away for longer than {primary} keeps WAL. Empty its data folder: it has to be copied anew.");
        await primary.ScalarAsync<long>(
            """
            select count(pg_create_physical_replication_slot($1, true))
            where not exists (select from pg_replication_slots where slot_name = $1)
            """, ct, Text(name));
    }

    private static async Task<long?> LagAsync(Node primary, string name, CancellationToken ct)
    {
        var lag = await primary.ScalarAsync<long>(
            """
            select coalesce(min(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)), -1)::bigint
            from pg_stat_replication where application_name = $1 and state = 'streaming'
            """, ct, Text(name));
        return lag < 0 ? null : lag;
    }

    private static async Task<long> UntilNearAsync(Cluster cluster, Node primary, string name, TimeSpan patience, CancellationToken ct)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < patience; await Task.Delay(200, ct))
            if (await LagAsync(primary, name, ct) is { } lag and < Near) return lag;
        throw new OpsException(Exit.Failed, $"{name} does not stream from {primary} after {patience.TotalSeconds:F0} s. Its log says why ({cluster.Log}, or the service manager's).");
    }

    private static NpgsqlParameter Text(string value) => new() { Value = value };

    [GeneratedRegex("^[a-z0-9_]{1,63}$")]
    private static partial Regex SlotName();
}
