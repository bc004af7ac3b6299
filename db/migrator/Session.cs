using System.Globalization;
using System.Net.Sockets;
using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>The start-up contract: ten tries, each at most five seconds, one to five seconds apart by chance.</summary>
public sealed record Patience
{
    public int Attempts { get; init; } = 10;
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Waits between two tries. By chance, so that a cluster that starts does not ask all at once.</summary>
    public Func<CancellationToken, Task> PauseAsync { get; init; } =
        ct => Task.Delay(TimeSpan.FromSeconds(1 + 4 * Random.Shared.NextDouble()), ct);
}

/// <summary>The one connection of a run, with nothing left to the settings of server, role or machine.</summary>
internal sealed class Session : IAsyncDisposable
{
    private readonly NpgsqlConnection connection;

    /// <summary>What a script raises, as it raises it.</summary>
    public event Action<string>? Noticed;

    private Session(NpgsqlConnection connection) => this.connection = connection;

    public string Database => connection.Database!;
    public int Pid => connection.ProcessID;
    public string Host => $"{connection.Host}:{connection.Port}";
    public bool IsOpen => connection.FullState == System.Data.ConnectionState.Open;

    public static async Task<Session> OpenAsync(
        Target target, Patience patience, Action<string> log, CancellationToken ct)
    {
        // Without a look at the server's types: nothing but text and numbers is read here.
        var wanted = ConnectionStringFor(target, patience);
        var builder = new NpgsqlDataSourceBuilder(wanted.ConnectionString);
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        // Of several hosts it is the primary, whichever that is now.
        await using NpgsqlDataSource all = wanted.Host!.Contains(',') ? builder.BuildMultiHost() : builder.Build();
        var source = all is NpgsqlMultiHostDataSource hosts ? hosts.WithTargetSession(TargetSessionAttributes.Primary) : all;
        for (var attempt = 1; ; attempt++)
        {
            var connection = source.CreateConnection();
            try
            {
                return await ConnectAsync(connection, patience, log, ct);
            }
            catch (Exception e)
                when (e is NpgsqlException or TimeoutException or SocketException or OperationCanceledException)
            {
                await connection.DisposeAsync();
                ct.ThrowIfCancellationRequested();
                // What a pooler says of our settings stays true, where even a wrong password may be right in a moment.
                if (e is PostgresException { SqlState: PostgresErrorCodes.ProtocolViolation }) throw Pooler(e);
                var reason = e is OperationCanceledException ? "no answer in time" : e.Message;
                log($"waiting for {wanted.Database} at {wanted.Host}:{wanted.Port}, "
                    + $"try {attempt} of {patience.Attempts}: {reason}");
                if (attempt == patience.Attempts)
                    throw new MigrationException(ExitCode.Unreachable, $"No database: {reason}", inner: e);
                await patience.PauseAsync(ct);
            }
            catch
            {
                await connection.DisposeAsync();
                throw;
            }
        }
    }

    // Logs in and runs a statement: a port is open long before a server is ready.
    private static async Task<Session> ConnectAsync(
        NpgsqlConnection connection, Patience patience, Action<string> log, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(patience.ConnectTimeout);
        await connection.OpenAsync(limit.Token);
        var session = new Session(connection);
        connection.Notice += (_, e) =>
        {
            log($"{e.Notice.InvariantSeverity.ToLowerInvariant()}: {e.Notice.MessageText}");
            session.Noticed?.Invoke(e.Notice.MessageText);
        };
        if (await session.ScalarAsync<int>("select pg_backend_pid()", limit.Token) != connection.ProcessID)
            throw Pooler(null);
        return session;
    }

    public async Task<int> ExecuteAsync(Statement statement, CancellationToken ct)
    {
        // A batch command is sent as it is; a plain command is cut at each semicolon, in BEGIN ATOMIC bodies too.
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand(statement.Text));
        return Math.Max(0, await batch.ExecuteNonQueryAsync(ct));
    }

    public async Task ExecuteAsync(string sql, CancellationToken ct, params NpgsqlParameter[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(parameters);
        await command.ExecuteNonQueryAsync(ct);
    }

    public async Task<T?> ScalarAsync<T>(string sql, CancellationToken ct, params NpgsqlParameter[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(parameters);
        return await command.ExecuteScalarAsync(ct) is T value ? value : default;
    }

    public async Task<List<T>> QueryAsync<T>(
        string sql, Func<NpgsqlDataReader, T> read, CancellationToken ct, params NpgsqlParameter[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(parameters);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var rows = new List<T>();
        while (await reader.ReadAsync(ct)) rows.Add(read(reader));
        return rows;
    }

    /// <summary>All of the body, or nothing.</summary>
    public async Task AtomicallyAsync(Func<Task> body, CancellationToken ct)
    {
        await ExecuteAsync("begin", ct);
        try
        {
            await body();
            await ExecuteAsync("commit", ct);
        }
        catch
        {
            await RollBackAsync();
            throw;
        }
    }

    /// <summary>Back to the settings of the start. Not DISCARD ALL, which would give up the lock.</summary>
    public async Task ResetAsync(CancellationToken ct)
    {
        await ExecuteAsync("reset session authorization", ct);
        await ExecuteAsync("reset role", ct);
        await ExecuteAsync("reset all", ct);
    }

    /// <summary>Ends a transaction that failed. That failure is the caller's news, and not what happens here.</summary>
    public async Task RollBackAsync()
    {
        try
        {
            if (IsOpen) await ExecuteAsync("rollback", CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            // The connection is gone, and the server rolls back by itself.
        }
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private static MigrationException Pooler(Exception? e) => MigrationException.Usage(
        "A connection pooler stands in between (PgBouncer?), where locks and settings are lost. "
        + "Connect to PostgreSQL itself.", e);

    private static NpgsqlConnectionStringBuilder ConnectionStringFor(Target target, Patience patience)
    {
        var builder = target.Parse();
        builder.Pooling = false;
        builder.TargetSessionAttributes = null;
        builder.Enlist = false;
        builder.Timeout = Math.Max(1, (int)Math.Ceiling(patience.ConnectTimeout.TotalSeconds));
        builder.CommandTimeout = 0;    // the server's own timeouts decide
        builder.KeepAlive = 30;
        builder.IncludeErrorDetail = true;
        builder.ApplicationName = $"migrate/{target.Service}/{Environment.MachineName}";
        builder.SearchPath = "public";
        builder.Timezone = "UTC";
        // As options of the start-up, so that RESET ALL comes back to them. With row_security off a statement that a
        // policy would filter fails instead of doing a part of the work.
        builder.Options = builder.Options
            + " -c row_security=off -c client_connection_check_interval=2s -c standard_conforming_strings=on"
            + " -c client_min_messages=notice -c statement_timeout=0 -c lock_timeout=0"
            + " -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off"
            + @" -c default_transaction_isolation=read\ committed";
        return builder;
    }

    /// <summary>A time as a setting of the server takes it.</summary>
    public static string Milliseconds(TimeSpan time) =>
        time.TotalMilliseconds.ToString("0", CultureInfo.InvariantCulture);
}
