using System.CommandLine;
using System.Globalization;
using System.Net;
using Npgsql;
using OpenReadings.Ops.Standbys;

namespace OpenReadings.Ops.Access;

/// <summary>Reads pg_hba.conf as each server would, before it is in force, and puts it into force when nothing is wrong.</summary>
internal static class HbaVerb
{
    private static readonly Option<bool> Reload = new("--reload") { Description = "Put it into force, on every server, when nothing is wrong on any" };

    public static Command Verb() =>
        new Command("hba", "Who may come from where: look at pg_hba.conf of every host in ConnectionStrings__admin; 3 when something is wrong") { Reload }
            .Runs(async (line, say, ct) =>
            {
                var answer = await RunAsync(Settings.Connection("admin"), line.GetValue(Reload), say, ct);
                return (answer.Findings.Count == 0 ? Exit.Ok : Exit.Findings, answer);
            });

    internal sealed record Answer(IReadOnlyList<string> Findings, bool Reloaded)
    {
        public override string ToString() => Findings.Count > 0
            ? string.Join('\n', Findings)
            : Reloaded ? "Nothing is wrong; it is in force." : "Nothing is wrong; ops hba --reload puts it into force.";
    }

    internal static async Task<Answer> RunAsync(string connection, bool reload, Action<string> say, CancellationToken ct)
    {
        var seen = await Node.LookAtAllAsync(Node.Of(connection), ct);
        foreach (var (node, state) in seen)
            if (state.Role == Role.Away) say($"{node} does not answer, and was not looked at: {state.Reason}");
        var there = seen.Where(one => one.State.Role != Role.Away).Select(one => one.Node).ToList();
        if (there.Count == 0) throw new OpsException(Exit.Unreachable, "No server answers.");

        var findings = new List<string>();
        foreach (var node in there) findings.AddRange(await LookAsync(node, ct));
        if (!reload || findings.Count > 0) return new(findings, false);
        foreach (var node in there) await node.ScalarAsync<bool>("select pg_reload_conf()", ct);
        return new(findings, true);
    }

    private static async Task<IReadOnlyList<string>> LookAsync(Node node, CancellationToken ct)
    {
        await using var connection = await node.OpenAsync(ct);
        await using var command = new NpgsqlCommand(
            """
            select line_number, coalesce(type, ''), coalesce(address, ''), coalesce(netmask, ''), coalesce(auth_method, ''), coalesce(error, ''),
                current_setting('ssl') = 'on'
            from pg_hba_file_rules order by line_number
            """, connection);
        var findings = new List<string>();
        var (needsTls, hasTls) = (false, false);
        await using var rows = await command.ExecuteReaderAsync(ct);
        while (await rows.ReadAsync(ct))
        {
            var rule = new Rule(rows.GetInt32(0), rows.GetString(1), rows.GetString(2), rows.GetString(3), rows.GetString(4), rows.GetString(5));
            needsTls |= rule.Type == "hostssl";
            hasTls = rows.GetBoolean(6);
            findings.AddRange(rule.Wrong().Select(wrong => string.Create(CultureInfo.InvariantCulture, $"{node} line {rule.Line}: {wrong}")));
        }
        if (needsTls && !hasTls) findings.Add($"{node}: ssl is off, so no hostssl line ever matches.");
        return findings;
    }

    private sealed record Rule(int Line, string Type, string Address, string Netmask, string Method, string Error)
    {
        public IEnumerable<string> Wrong()
        {
            if (Error.Length > 0)
            {
                yield return Error;
                yield break;
            }
            if (Method == "reject") yield break;
            if (Method is "trust" or "password" or "md5" or "ident") yield return $"{Method} is no proof of who comes: scram-sha-256 (peer on the socket).";
            if (Type == "local" || IsLoopback) yield break;
            if (Type != "hostssl") yield return $"{Type} lets data travel without TLS: hostssl.";
            if (Address == "all" || Netmask is "0.0.0.0" or "::") yield return "everybody's address: name the network of the service.";
        }

        private bool IsLoopback => IPAddress.TryParse(Address, out var address) && IPAddress.IsLoopback(address);
    }
}
