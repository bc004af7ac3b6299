using System.CommandLine;
using System.Diagnostics;
using System.Globalization;

namespace OpenReadings.Ops.Standbys;

/// <summary>
/// Makes a standby the primary: looks, fences the old primary, sees that nothing is missing, promotes. Each step refuses with
/// the reason and leaves the standby as it was; after a refusal or a crash the whole is simply run again.
/// </summary>
internal static class FailoverVerb
{
    private static readonly Option<string> To = new("--to")
    {
        Description = "The standby that becomes primary, as ConnectionStrings__admin names it", Required = true, HelpName = "HOST:PORT",
    };

    private static readonly Option<string> Fence = new("--fence")
    {
        Description = "A shell command after whose success the old primary can take no write, "
            + "such as: ssh db1 /opt/openreadings/deploy/postgres/fence.sh /etc/postgresql/15/main",
        Required = true, HelpName = "COMMAND",
    };

    private static readonly Option<long> MaxLag = new("--max-lag")
    {
        Description = "Bytes that the standby may be behind a primary that answers, before it is stopped", DefaultValueFactory = _ => 16 << 20,
    };

    private static readonly Option<int> MaxLoss = new("--max-loss")
    {
        Description = "Seconds since the standby's last commit, when the primary does not answer", DefaultValueFactory = _ => 60,
    };

    public static Command Verb() =>
        new Command("failover", "Fence the primary and promote a standby: ConnectionStrings__admin names all hosts (Host=a,b)") { To, Fence, MaxLag, MaxLoss }
            .Runs(async (line, say, ct) => (Exit.Ok, await RunAsync(
                new(Settings.Connection("admin"), line.GetValue(To)!, line.GetValue(Fence)!, line.GetValue(MaxLag),
                    TimeSpan.FromSeconds(line.GetValue(MaxLoss))), say, ct)));

    internal sealed record Request(string Connection, string To, string Fence, long MaxLag, TimeSpan MaxLoss);

    internal sealed record Answer(string Primary, bool Promoted, double SecondsWithoutPrimary, IReadOnlyList<string> Next)
    {
        public override string ToString() => Promoted
            ? $"{Primary} is primary; there was none for {SecondsWithoutPrimary:F1} s.\n{string.Join('\n', Next.Select(next => $"  next: {next}"))}"
            : $"{Primary} is primary already, and the only one.";
    }

    internal static async Task<Answer> RunAsync(Request request, Action<string> say, CancellationToken ct)
    {
        var nodes = Node.Of(request.Connection);
        var to = nodes.SingleOrDefault(node => $"{node}" == request.To)
            ?? throw new OpsException(Exit.Usage, $"{request.To} is none of the hosts in ConnectionStrings__admin: {string.Join(", ", nodes)}.");
        var others = nodes.Where(node => node != to).ToList();

        var seen = await Node.LookAtAllAsync(nodes, ct);
        say(Node.Describe(seen));
        var standby = seen.Single(one => one.Node == to).State;
        var primaries = seen.Where(one => one.State.Role == Role.Primary).ToList();
        if (primaries.Count > 1)
            throw new OpsException(Exit.Refused, "Two primaries take writes. Fence the one that is to go (deploy/postgres/fence.sh) before anything else.");
        if (standby.Role == Role.Primary) return new($"{to}", false, 0, []);
        if (standby.Role == Role.Away) throw new OpsException(Exit.Unreachable, $"{to} does not answer: {standby.Reason}");
        var (primary, before) = primaries.Count == 1 ? primaries[0] : (null, null);
        if (before is not null) RefuseIfFar(to, standby, primary!, before, request.MaxLag);
        else RefuseIfOld(to, standby, request.MaxLoss);

        say("Fencing");
        var clock = Stopwatch.StartNew();
        await Tool.RunAsync(new ProcessStartInfo("sh", ["-c", request.Fence]), null, null, ct);
        foreach (var (node, state) in await Node.LookAtAllAsync(others, ct))
            if (state.Role == Role.Primary) throw new OpsException(Exit.Refused, $"The fence ended well, and {node} still takes writes. {to} stays a standby.");
        if (before is not null) await UntilReceivedAsync(to, before.Position, ct);

        say($"Promoting {to}");
        if (!await to.ScalarAsync<bool>("select pg_promote(true, 60)", ct))
            throw new OpsException(Exit.Failed, $"{to} was told to become primary and is not yet after 60 s. Its log says why; then run this again.");
        seen = await Node.LookAtAllAsync(nodes, ct);
        if (seen.Count(one => one.State.Role == Role.Primary) != 1 || seen.Single(one => one.Node == to).State.Role != Role.Primary)
            throw new OpsException(Exit.Failed, $"After the promotion: {Node.Describe(seen)}");
        return new($"{to}", true, clock.Elapsed.TotalSeconds,
        [
            "services with several hosts in their connection strings find it by themselves within seconds",
            "PgBouncer: ops pgbouncer >/etc/pgbouncer/pgbouncer.ini, then reload it",
            .. others.Select(node => $"on {node}, when it is well again: ops replica --cluster … --name … --rewind"),
            "a base backup: the old ones end where the new timeline begins",
        ]);
    }

    private static void RefuseIfFar(Node to, NodeState standby, Node primary, NodeState before, long maxLag)
    {
        if (standby.SystemIdentifier != before.SystemIdentifier)
            throw new OpsException(Exit.Refused, $"{to} is no copy of {primary}: they are different clusters.");
        if (!standby.IsStreaming)
            throw new OpsException(Exit.Refused, $"{to} receives nothing from {primary}, which answers. Mend that first: ops replica.");
        if (before.Position - standby.Position is var lag && lag > maxLag)
            throw new OpsException(Exit.Refused, $"{to} is {lag} bytes behind {primary}, more than {maxLag}. Wait, or say --max-lag.");
    }

    // Nobody can tell what a primary that is away had still committed; only how old the newest is that came over.
    private static void RefuseIfOld(Node to, NodeState standby, TimeSpan maxLoss)
    {
        var age = standby.LastCommit is { } last ? DateTimeOffset.UtcNow - last : TimeSpan.FromSeconds(int.MaxValue - 60);
        if (age <= maxLoss) return;
        var since = standby.LastCommit?.ToString("u", CultureInfo.InvariantCulture) ?? "before it last started";
        throw new OpsException(Exit.Refused, $"No primary answers, and the last commit that {to} has is of {since}. If it was idle since, or that must be "
            + $"lost, say --max-loss {Math.Ceiling(age.TotalSeconds) + 60:F0}.");
    }

    private static async Task UntilReceivedAsync(Node to, long position, CancellationToken ct)
    {
        var missing = 0L;
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromSeconds(10); await Task.Delay(100, ct))
        {
            missing = position - (await to.LookAsync(ct)).Position;
            if (missing <= 0) return;
        }
        throw new OpsException(Exit.Refused, $"The old primary is fenced and {to} lacks {missing} bytes of what it had committed. Take its standby.signal away "
            + "and start it, or give those up: run this again, when it does not look at them any more.");
    }
}
