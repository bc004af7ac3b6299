using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>One service: its scripts and its database.</summary>
public sealed record Target(string Service, string ScriptsRoot, string ConnectionString)
{
    /// <summary>In the order in which they are applied: shared, the service's own, what is repeatable.</summary>
    internal IReadOnlyList<Script> LoadScripts() =>
        [.. Script.LoadAll(ScriptsRoot, Service), .. Script.LoadRepeatables(ScriptsRoot, Service)];

    // The text is never shown: it holds the password.
    internal NpgsqlConnectionStringBuilder Parse(string? defaultDatabase = null)
    {
        try
        {
            var builder = new NpgsqlConnectionStringBuilder(ConnectionString) { PersistSecurityInfo = false };
            builder.Database ??= defaultDatabase;
            if (builder is { Host: not null, Database: not null }) return builder;
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidOperationException)
        {
            // Said below, in words that do not repeat the text.
        }
        throw MigrationException.Usage($"The connection string of {Service} cannot be read. "
            + "It is Host=…;Port=…;Database=…;Username=…;Password=….");
    }
}
