using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>One service: its scripts and its database.</summary>
public sealed record Target(string Service, string ScriptsRoot, string ConnectionString)
{
    internal IReadOnlyList<Script> LoadScripts() => Script.LoadAll(ScriptsRoot, Service);

    // The text is never shown: it holds the password.
    internal NpgsqlConnectionStringBuilder Parse()
    {
        try
        {
            var builder = new NpgsqlConnectionStringBuilder(ConnectionString) { PersistSecurityInfo = false };
            return builder is { Host: not null, Database: not null } ? builder : throw new ArgumentException("incomplete");
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidOperationException)
        {
            throw new MigrationException(ExitCode.Usage,
                $"The connection string of {Service} cannot be read. It is Host=…;Port=…;Database=…;Username=…;Password=….");
        }
    }
}
