using Dapper;
using Npgsql;

namespace OpenReadings.Ops;

/// <summary>An open connection to the database of one service.</summary>
internal sealed class ServiceDatabase(string service, NpgsqlConnection connection) : IAsyncDisposable
{
    static ServiceDatabase() => DefaultTypeMap.MatchNamesWithUnderscores = true;

    public string Service => service;
    public NpgsqlConnection Connection => connection;

    public async Task<IReadOnlyList<T>> QueryAsync<T>(string sql, CancellationToken ct, object? args = null) =>
        (await connection.QueryAsync<T>(new(sql, args, cancellationToken: ct))).AsList();

    public Task<T> OneAsync<T>(string sql, CancellationToken ct, object? args = null) =>
        connection.QuerySingleAsync<T>(new(sql, args, cancellationToken: ct));

    public Task<int> ExecuteAsync(string sql, CancellationToken ct, object? args = null) =>
        connection.ExecuteAsync(new(sql, args, cancellationToken: ct));

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
