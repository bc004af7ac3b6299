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

    public string Server => new NpgsqlConnectionStringBuilder(ConnectionString) is var builder ? $"{builder.Host}:{builder.Port}" : "";

    public static IReadOnlyList<Place> Of(ParseResult line) =>
        line.GetValue(Which) is { } one ? [Of(one)] : [.. Settings.Services.Select(Of)];

    /// <summary>A service that moved to a server of its own has <c>ConnectionStrings__&lt;service&gt;_admin</c>.</summary>
    public static Place Of(string service)
    {
        if (Settings.Find($"ConnectionStrings__{service}_admin") is { } own) return new(service, own);
        try
        {
            return new(service, new NpgsqlConnectionStringBuilder(Settings.Connection("admin")) { Database = service }.ConnectionString);
        }
        catch (ArgumentException e)
        {
            // The text is not shown: it holds the password.
            throw new OpsException(Exit.Usage, "ConnectionStrings__admin is no connection string: Host=…;Port=…;Username=…;Password=….", e);
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
}
