using System.CommandLine;
using Npgsql;

namespace OpenReadings.Ops;

/// <summary>The database of one service, and how a superuser gets there.</summary>
internal sealed record Place(string Service, string ConnectionString)
{
    public static readonly Option<string> Which = new("--service", "-s")
    {
        Description = "One service [default: all four]",
        HelpName = string.Join('|', Settings.Services),
    };

    static Place() => Which.AcceptOnlyFromAmong([.. Settings.Services]);

    public string Server { get; } = AddressOf(ConnectionString);

    public static IReadOnlyList<Place> Of(ParseResult line) =>
        line.GetValue(Which) is { } one ? [Of(one)] : [.. Settings.Services.Select(Of)];

    /// <summary>Those asked for; a table or an index is of one.</summary>
    public static IReadOnlyList<Place> Of(ParseResult line, params ReadOnlySpan<string?> relations)
    {
        foreach (var relation in relations)
            if (relation is not null && line.GetValue(Which) is null)
                throw new OpsException(Exit.Usage, $"Whose {relation}? --service {Which.HelpName}");
        return Of(line);
    }

    /// <summary>A service that moved to a server of its own has <c>ConnectionStrings__&lt;service&gt;_admin</c>.</summary>
    public static Place Of(string service)
    {
        var own = Settings.FindConnection($"{service}_admin");
        try
        {
            var builder = new NpgsqlConnectionStringBuilder(own ?? Settings.Connection("admin"));
            if (own is null || builder.Database is null) builder.Database = service;
            return new(service, builder.ConnectionString);
        }
        catch (ArgumentException e)
        {
            // The text is not shown: it holds the password.
            throw new OpsException(
                Exit.Usage, $"The admin's connection string for {service} is none: Host=…;Port=…;Username=…;Password=….", e);
        }
    }

    /// <summary>Connects within five seconds. What is asked there waits for no lock longer than two, and ends after thirty.</summary>
    public async Task<ServiceDatabase> OpenAsync(CancellationToken ct)
    {
        var builder = new NpgsqlConnectionStringBuilder(ConnectionString)
        {
            Pooling = false, Timeout = 5, CommandTimeout = 0, ApplicationName = "ops", SearchPath = "public", Timezone = "UTC",
        };
        var connection = new NpgsqlConnection(builder.ConnectionString);
        try
        {
            await connection.OpenAsync(ct);
            var database = new ServiceDatabase(Service, connection);
            await database.ExecuteAsync("set lock_timeout = '2s'; set statement_timeout = '30s'; set jit = off", ct);
            return database;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private static string AddressOf(string connectionString)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString);
        return $"{builder.Host}:{builder.Port}";
    }
}
