using System.Globalization;
using System.Net;
using Npgsql;
using OpenReadings.Ops.Standbys;

namespace OpenReadings.Ops.Pooling;

/// <summary>What would leak, break or starve with a pgbouncer.ini.</summary>
internal static class PoolerCheck
{
    internal sealed record Answer(IReadOnlyList<string> Findings)
    {
        public override string ToString() => Findings.Count == 0 ? "Nothing is wrong with it." : string.Join('\n', Findings);
    }

    internal static async Task<Answer> RunAsync(Node server, string file, int poolers, CancellationToken ct)
    {
        if (!File.Exists(file)) throw new OpsException(Exit.Usage, $"There is no {file}.");
        var ini = Parse(await File.ReadAllLinesAsync(file, ct));
        var pooler = ini.GetValueOrDefault("pgbouncer") ?? [];
        var databases = ini.GetValueOrDefault("databases") ?? [];
        var (_, usable) = await PgBouncerVerb.ConnectionsAsync(server, ct);
        var found = new List<string>();
        string? Of(string name) => pooler.GetValueOrDefault(name);
        int Number(string name) => int.TryParse(Of(name), CultureInfo.InvariantCulture, out var number) ? number : 0;

        if (Of("pool_mode") != "transaction") found.Add("pool_mode is not transaction: a client holds a connection of the server for as long as its own lasts.");
        if (Of("auth_type") != "scram-sha-256") found.Add("auth_type is not scram-sha-256: the server keeps SCRAM verifiers, and anything else is weaker or cannot work.");
        if ((Of("ignore_startup_parameters") ?? "").Split(',', StringSplitOptions.TrimEntries).Contains("options"))
            found.Add("ignore_startup_parameters has options: a migration would run through the pooler, where its lock does not hold.");
        if (Number("max_db_connections") is var each && each == 0) found.Add("max_db_connections is not set: nothing keeps connections back for the others.");
        else if (each * databases.Count * poolers > usable)
            found.Add($"{poolers} pooler(s) × {databases.Count} databases × max_db_connections {each} is more than the {usable} that {server} has.");
        if (Of("listen_addr") is { } address && !(IPAddress.TryParse(address, out var ip) && IPAddress.IsLoopback(ip))
            && Of("client_tls_sslmode") is not ("require" or "verify-ca" or "verify-full"))
            found.Add($"It listens on {address}, and client_tls_sslmode does not ask for TLS.");
        if (!OperatingSystem.IsWindows() && Of("auth_file") is { } list && File.Exists(list) && (File.GetUnixFileMode(list) & (UnixFileMode)0b000_000_111) != 0)
            found.Add($"{list} holds a password and can be read by all: chmod 600.");
        foreach (var target in databases.Values.Select(DatabaseName).Distinct())
            if (await WrongAuthQueryAsync(server, target, ct) is { } wrong) found.Add($"{target}: {wrong}");
        return new(found);
    }

    private static async Task<string?> WrongAuthQueryAsync(Node server, string database, CancellationToken ct)
    {
        var there = server with { ConnectionString = new NpgsqlConnectionStringBuilder(server.ConnectionString) { Database = database }.ConnectionString };
        try
        {
            var wrong = await there.ScalarAsync<string>(
                """
                select case
                    when f is null or not exists (select from pg_roles where rolname = 'pgbouncer') then 'deploy/postgres/pgbouncer.sql was not run there.'
                    when not (select prosecdef from pg_proc where oid = f) then 'pgbouncer.verifier is not SECURITY DEFINER.'
                    when has_function_privilege('public', f, 'execute') then 'everybody may call pgbouncer.verifier.'
                    when not has_function_privilege('pgbouncer', f, 'execute') then 'the role pgbouncer may not call pgbouncer.verifier.'
                    else '' end
                from (select to_regprocedure('pgbouncer.verifier(text)')::oid) as at (f)
                """, ct);
            return wrong.Length == 0 ? null : wrong;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName)
        {
            return "there is no such database.";
        }
    }

    private static string DatabaseName(string target) =>
        target.Split(' ', StringSplitOptions.RemoveEmptyEntries).First(part => part.StartsWith("dbname=", StringComparison.Ordinal))["dbname=".Length..];

    private static Dictionary<string, Dictionary<string, string>> Parse(string[] lines)
    {
        Dictionary<string, Dictionary<string, string>> sections = [];
        Dictionary<string, string> section = [];
        foreach (var line in lines.Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] is not (';' or '#')))
        {
            if (line[0] == '[') sections[line.Trim('[', ']')] = section = [];
            else if (line.Split('=', 2, StringSplitOptions.TrimEntries) is [var name, var value]) section[name] = value;
        }
        return sections;
    }
}
