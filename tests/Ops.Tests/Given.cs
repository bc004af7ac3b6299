using Dapper;
using Npgsql;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests;

/// <summary>A database of a test's own, made as an operator would, and what an operator's tool sees of it.</summary>
internal sealed class Given(TestDatabase database, string service) : IAsyncDisposable
{
    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public TestDatabase Database => database;
    public Place Place => new(service, database.Superuser);

    public static async Task<Given> DatabaseAsync(string service) => new(await TestDatabase.CreateAsync(service), service);

    public Task<ServiceDatabase> OpenAsync() => Place.OpenAsync(Ct);

    public async Task DoAsync(string sql)
    {
        await using var connection = await ConnectAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Ct);
    }

    public async Task<T> AskAsync<T>(string sql)
    {
        await using var connection = await ConnectAsync();
        return (await connection.ExecuteScalarAsync<T>(sql))!;
    }

    public async Task<NpgsqlConnection> ConnectAsync()
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.Superuser) { Pooling = false, Options = "-c statement_timeout=20s" }.ConnectionString);
        await connection.OpenAsync(Ct);
        return connection;
    }

    /// <summary>A session in a transaction that has done this and goes no further.</summary>
    public async Task<NpgsqlConnection> InTransactionAsync(string sql)
    {
        var connection = await ConnectAsync();
        await connection.ExecuteAsync($"begin; {sql}");
        return connection;
    }

    /// <summary>The condition is about another session, so there is nothing to await but the server's word.</summary>
    public async Task UntilAsync(string condition)
    {
        await using var connection = await ConnectAsync();
        await UntilAsync(connection, condition);
    }

    public static async Task UntilAsync(NpgsqlConnection connection, string condition)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        while (!await connection.ExecuteScalarAsync<bool>(new($"select {condition}", cancellationToken: limit.Token))) await Task.Delay(20, limit.Token);
    }

    public ValueTask DisposeAsync() => database.DisposeAsync();
}
