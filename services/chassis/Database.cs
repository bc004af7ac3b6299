using System.Collections.Concurrent;
using System.Diagnostics;
using System.Reflection;
using System.Text.Json;
using Dapper;
using Npgsql;
using NpgsqlTypes;
using OpenReadings.Events;

namespace OpenReadings.Chassis;

/// <summary>Begins transactions that see one user's rows and no others.</summary>
public sealed class Database(NpgsqlDataSource source, OutboxSignal outbox)
{
    private static readonly ConcurrentDictionary<Type, PropertyInfo[]> ArgumentProperties = new();

    public Task<UserTransaction> BeginAsync(CurrentUser user, CancellationToken ct) => BeginAsync(user.Id, user.Owner, user.ClientId, user.Role, ct);

    /// <summary>For consumers: the user of the event.</summary>
    public Task<UserTransaction> BeginAsync(Guid userId, CancellationToken ct) => BeginAsync(userId, null, null, null, ct);

    private async Task<UserTransaction> BeginAsync(Guid userId, Guid? owner, Guid? client, string? role, CancellationToken ct)
    {
        var db = await BeginUnownedAsync(ct);
        try
        {
            // Local to the transaction: a pooled connection can never carry it to another user.
            if (owner is null && client is null) await db.ExecuteAsync("select set_config('app.user_id', @userId::text, true)", new { userId });
            else await db.ExecuteAsync(
                "select set_config('app.user_id', @userId::text, true), set_config('app.owner_id', @owner, true), set_config('app.client_id', @client, true)",
                new { userId, owner = owner.ToString(), client = client.ToString() });
            if (role is not null) await db.ExecuteAsync("select set_config('role', @role, true)", new { role });
            return db;
        }
        catch
        {
            await db.DisposeAsync();
            throw;
        }
    }

    /// <summary>A transaction of nobody: row-level security shows it no person's row.</summary>
    public async Task<UserTransaction> BeginUnownedAsync(CancellationToken ct)
    {
        var connection = await source.OpenConnectionAsync(ct);
        try
        {
            // Npgsql sends BEGIN together with the next command, so this costs no round trip of its own.
            return new UserTransaction(connection, await connection.BeginTransactionAsync(ct), outbox, ct);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>One query as one user in one round trip.</summary>
    public async Task<IReadOnlyList<T>> ReadAsync<T>(CurrentUser user, string sql, object? args, CancellationToken ct)
    {
        await using var batch = Batch(user).Add(sql, args);
        return await ReadAsync<T>(batch, ct);
    }

    /// <summary>One query as nobody in one round trip: row-level security shows it no person's row.</summary>
    public async Task<IReadOnlyList<T>> ReadUnownedAsync<T>(string sql, object? args, CancellationToken ct)
    {
        await using var batch = new UserBatch(source, outbox).Add(sql, args);
        return await ReadAsync<T>(batch, ct);
    }

    private static async Task<IReadOnlyList<T>> ReadAsync<T>(UserBatch batch, CancellationToken ct)
    {
        await using var reader = await batch.ExecuteReaderAsync(ct);
        var parse = reader.GetRowParser(typeof(T));
        var rows = new List<T>();
        while (await reader.ReadAsync(ct)) rows.Add((T)parse(reader));
        return rows;
    }

    /// <summary>Several statements as one user in one round trip and one implicit transaction.</summary>
    public UserBatch Batch(CurrentUser user) => new(source, outbox, user);

    /// <summary>The same as somebody who is known otherwise than by a token.</summary>
    public UserBatch Batch(Guid userId) => new UserBatch(source, outbox).Set(userId);

    internal static IEnumerable<NpgsqlParameter> Parameters(object args) => ArgumentProperties
        .GetOrAdd(args.GetType(), type => type.GetProperties())
        .Select(property => new NpgsqlParameter(property.Name, property.GetValue(args) switch
        {
            null => DBNull.Value,
            DateTimeOffset at => at.UtcDateTime,
            var value => value,
        }));
}

/// <summary>Statements of one user that travel together. All take effect or none does.</summary>
public sealed class UserBatch : IAsyncDisposable
{
    private readonly NpgsqlBatch batch;
    private readonly OutboxSignal outbox;
    private readonly string mark = "";
    private int settings;                                       // results that come before the caller's own

    /// <summary>As nobody.</summary>
    internal UserBatch(NpgsqlDataSource source, OutboxSignal outbox)
    {
        this.outbox = outbox;
        batch = source.CreateBatch();
    }

    internal UserBatch(NpgsqlDataSource source, OutboxSignal outbox, CurrentUser user) : this(source, outbox)
    {
        if (user is { Owner: null, ClientId: null }) Set(user.Id);
        else Set("select set_config('app.user_id', $1, true), set_config('app.owner_id', $2, true), set_config('app.client_id', $3, true)",
            Text(user.Id), Text(user.Owner), Text(user.ClientId));
        if (user.Role is null) return;
        Set("select set_config('role', $1, true)", new NpgsqlParameter<string> { TypedValue = user.Role });
        // A prepared statement is planned for one role: another role has its own, so that neither makes the other plan again.
        mark = $"\n-- as {user.Role}";
    }

    internal UserBatch Set(Guid userId) => Set("select set_config('app.user_id', $1, true)", Text(userId));

    // A batch without a transaction is one implicit transaction, and so is the setting's life.
    private UserBatch Set(string sql, params NpgsqlParameter[] parameters)
    {
        settings++;
        return Add(sql, parameters);
    }

    // Empty is as good as not set.
    private static NpgsqlParameter<string> Text(Guid? id) => new() { TypedValue = id.ToString()! };

    public UserBatch Add(string sql, object? args) => Add(sql, args is null ? [] : [.. Database.Parameters(args)]);

    public UserBatch Add(string sql, params NpgsqlParameter[] parameters)
    {
        var command = new NpgsqlBatchCommand(sql + mark);
        foreach (var parameter in parameters) command.Parameters.Add(parameter);
        batch.BatchCommands.Add(command);
        return this;
    }

    /// <summary>Runs all and stands before the first result of the caller's own statements.</summary>
    public async Task<NpgsqlDataReader> ExecuteReaderAsync(CancellationToken ct)
    {
        var reader = await batch.ExecuteReaderAsync(ct);
        try
        {
            for (var i = 0; i < settings; i++) await reader.NextResultAsync(ct);
            return reader;
        }
        catch
        {
            await reader.DisposeAsync();
            throw;
        }
    }

    public async Task ExecuteAsync(CancellationToken ct) => await batch.ExecuteNonQueryAsync(ct);

    /// <summary>Tells the relay that the batch, now committed, wrote to the outbox.</summary>
    public void WakeRelay() => outbox.Wake();

    public ValueTask DisposeAsync() => batch.DisposeAsync();
}

/// <summary>
/// Connection, transaction, row-level-security identity and cancellation at once. Disposing without
/// <see cref="CommitAsync"/> rolls back.
/// </summary>
public sealed class UserTransaction(
    NpgsqlConnection connection, NpgsqlTransaction transaction, OutboxSignal outbox, CancellationToken ct) : IAsyncDisposable
{
    private bool published;

    public NpgsqlConnection Connection => connection;
    public NpgsqlTransaction Transaction => transaction;
    public CancellationToken CancellationToken => ct;

    public async Task<IReadOnlyList<T>> QueryAsync<T>(string sql, object? args = null) =>
        (await connection.QueryAsync<T>(Command(sql, args))).AsList();

    /// <summary>The one row, or the default when there is none.</summary>
    public async Task<T?> FindAsync<T>(string sql, object? args = null) =>
        await connection.QuerySingleOrDefaultAsync<T>(Command(sql, args));

    public async Task<T?> ScalarAsync<T>(string sql, object? args = null) =>
        await connection.ExecuteScalarAsync<T>(Command(sql, args));

    public Task<int> ExecuteAsync(string sql, object? args = null) => connection.ExecuteAsync(Command(sql, args));

    /// <summary>Announces what happened, if and only if the transaction commits.</summary>
    public async Task PublishAsync<TEvent>(TEvent happened) where TEvent : IEvent
    {
        await ExecuteAsync(
            """
            insert into outbox (id, event_type, subject, data, traceparent)
            values (@Id, @Type, @Subject, @Data::json, @Traceparent)
            """,
            new
            {
                Id = OrderedId.Next(), TEvent.Type, happened.Subject, Data = JsonSerializer.Serialize(happened, Json.Options),
                Traceparent = Activity.Current?.Id,
            });
        published = true;
    }

    /// <summary>For slices whose SQL writes to the outbox itself: the relay is woken after the commit.</summary>
    public void Published() => published = true;

    /// <summary>True when this consumer sees the message for the first time; a second delivery changes nothing.</summary>
    public async Task<bool> IsFirstTimeAsync(Guid messageId, string consumer) => await ExecuteAsync(
        "insert into inbox (message_id, consumer) values (@messageId, @consumer) on conflict do nothing",
        new { messageId, consumer }) == 1;

    public async Task CommitAsync()
    {
        await transaction.CommitAsync(ct);
        if (published) outbox.Wake();
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await connection.DisposeAsync();
    }

    private CommandDefinition Command(string sql, object? args) => new(sql, args, transaction, cancellationToken: ct);
}

/// <summary>Process-wide settings of Dapper. They come before anything that might query.</summary>
internal static class DapperSettings
{
    public static void Apply()
    {
        DefaultTypeMap.MatchNamesWithUnderscores = true;
        // Dapper's own map would pass the value by the handler, and Npgsql refuses an offset other than zero.
        SqlMapper.RemoveTypeMap(typeof(DateTimeOffset));
        SqlMapper.RemoveTypeMap(typeof(DateTimeOffset?));
        SqlMapper.AddTypeHandler(new Utc());
    }

    private sealed class Utc : SqlMapper.TypeHandler<DateTimeOffset>
    {
        public override DateTimeOffset Parse(object value) => value is DateTimeOffset at ? at : new((DateTime)value, TimeSpan.Zero);

        public override void SetValue(System.Data.IDbDataParameter parameter, DateTimeOffset value)
        {
            ((NpgsqlParameter)parameter).NpgsqlDbType = NpgsqlDbType.TimestampTz;
            parameter.Value = value.UtcDateTime;
        }
    }
}
