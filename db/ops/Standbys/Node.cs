using System.Net.Sockets;
using Npgsql;

namespace OpenReadings.Ops.Standbys;

internal enum Role
{
    /// <summary>Does not answer, or not to this role.</summary>
    Away,
    Primary,
    Standby,
}

/// <summary>What a server said of itself. Positions are bytes of WAL since the cluster began.</summary>
internal sealed record NodeState(
    Role Role, string? Reason = null, string? SystemIdentifier = null, long Position = 0, bool IsStreaming = false,
    DateTimeOffset? LastCommit = null);

/// <summary>One of the servers that a connection string with several hosts names.</summary>
internal sealed record Node(string Host, int Port, string ConnectionString)
{
    public override string ToString() => $"{Host}:{Port}";

    public static IReadOnlyList<Node> Of(string connectionString)
    {
        NpgsqlConnectionStringBuilder all;
        try { all = new(connectionString) { TargetSessionAttributes = null }; }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidOperationException)
        {
            // The text is not shown: it holds the password.
            throw new OpsException(Exit.Usage, "That is no connection string: Host=a,b;Port=…;Username=…;Password=….", e);
        }
        return [.. (all.Host ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(One)];

        Node One(string host)
        {
            var end = host.LastIndexOf(':');
            // An IPv6 address has colons of its own, and a port only behind brackets.
            var hasPort = end > 0 && (host.IndexOf(':') == end || host[end - 1] == ']');
            var port = hasPort ? int.Parse(host[(end + 1)..], System.Globalization.CultureInfo.InvariantCulture) : all.Port;
            var name = (hasPort ? host[..end] : host).Trim('[', ']');
            return new(name, port, new NpgsqlConnectionStringBuilder(all.ConnectionString)
            {
                Host = name, Port = port, Pooling = false, Timeout = 10, CommandTimeout = 90, ApplicationName = "ops", PersistSecurityInfo = true,
            }.ConnectionString);
        }
    }

    /// <summary>The one that is primary. None is an outage, and two are worse: neither is then guessed about.</summary>
    public static async Task<Node> PrimaryAsync(string connectionString, CancellationToken ct)
    {
        var seen = await LookAtAllAsync(Of(connectionString), ct);
        var primaries = seen.Where(node => node.State.Role == Role.Primary).Select(node => node.Node).ToList();
        return primaries switch
        {
            [var one] => one,
            [] => throw new OpsException(Exit.Unreachable, $"No primary answers. {Describe(seen)}"),
            _ => throw new OpsException(Exit.Refused, $"Two primaries take writes: {string.Join(" and ", primaries)}. Fence one of them first."),
        };
    }

    public static async Task<IReadOnlyList<(Node Node, NodeState State)>> LookAtAllAsync(IEnumerable<Node> nodes, CancellationToken ct) =>
        await Task.WhenAll(nodes.Select(async node => (node, await node.LookAsync(ct))));

    public static string Describe(IEnumerable<(Node Node, NodeState State)> seen) => string.Join(" ", seen.Select(one => one.State.Role switch
    {
        Role.Away => $"{one.Node} is away ({one.State.Reason}).",
        Role.Primary => $"{one.Node} is primary.",
        _ => $"{one.Node} is a standby{(one.State.IsStreaming ? "" : " that receives nothing")}.",
    }));

    public async Task<NodeState> LookAsync(CancellationToken ct)
    {
        try
        {
            await using var connection = await OpenAsync(ct);
            await using var command = new NpgsqlCommand(
                """
                select pg_is_in_recovery(), (select system_identifier::text from pg_control_system()),
                    pg_wal_lsn_diff(case when pg_is_in_recovery() then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                                         else pg_current_wal_flush_lsn() end, '0/0')::bigint,
                    exists (select from pg_stat_wal_receiver where status = 'streaming'), pg_last_xact_replay_timestamp()
                """, connection);
            await using var row = await command.ExecuteReaderAsync(ct);
            await row.ReadAsync(ct);
            return new(row.GetBoolean(0) ? Role.Standby : Role.Primary, null, row.GetString(1), row.GetInt64(2), row.GetBoolean(3),
                await row.IsDBNullAsync(4, ct) ? null : row.GetFieldValue<DateTimeOffset>(4));
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or SocketException)
        {
            return new(Role.Away, e.Message);
        }
    }

    public async Task<NpgsqlConnection> OpenAsync(CancellationToken ct)
    {
        var connection = new NpgsqlConnection(ConnectionString);
        try
        {
            await connection.OpenAsync(ct);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public async Task<T> ScalarAsync<T>(string sql, CancellationToken ct, params NpgsqlParameter[] parameters)
    {
        await using var connection = await OpenAsync(ct);
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(parameters);
        return (T)(await command.ExecuteScalarAsync(ct))!;
    }
}
