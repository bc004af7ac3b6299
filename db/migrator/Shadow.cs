using System.Security.Cryptography;
using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>A database for trying things, made as the real ones are (db/bootstrap.sql), and gone afterwards.</summary>
internal sealed class Shadow : IAsyncDisposable
{
    private readonly Target server;

    private Shadow(Target server, Target target) => (this.server, Target) = (server, target);

    public Target Target { get; }

    /// <param name="of">Whose roles and scripts it has.</param>
    /// <param name="server">A superuser of the server on which it is made.</param>
    /// <param name="ct">Ends it early.</param>
    public static async Task<Shadow> CreateAsync(Target of, string server, CancellationToken ct)
    {
        var given = (of with { ConnectionString = server }).Parse(defaultDatabase: "postgres");
        var admin = of with { ConnectionString = given.ConnectionString };
        var database = $"shadow_{of.Service[..Math.Min(of.Service.Length, 40)]}_"
            + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));
        // The superuser acts as the role that owns everything, as whom the job logs in.
        var settings = new NpgsqlConnectionStringBuilder(admin.ConnectionString)
        {
            Database = database,
            Options = $"-c role={of.Service}_migrator",
        };
        var shadow = new Shadow(admin, of with { ConnectionString = settings.ConnectionString });
        try
        {
            await Tools.PsqlAsync(
                admin, Bootstrap(of.ScriptsRoot), ct, ("SERVICE", of.Service), ("DATABASE", database));
            return shadow;
        }
        catch
        {
            await shadow.DisposeAsync();
            throw;
        }
    }

    /// <summary>The schema and the journal of a database, without anybody's rows.</summary>
    public async Task CopyAsync(Target live, CancellationToken ct)
    {
        var file = Path.GetTempFileName();
        try
        {
            var schema = await Tools.DumpAsync(live, ["--schema-only", "--no-owner"], ct);
            var journal = schema.Contains("CREATE TABLE public.schemaversions", StringComparison.Ordinal)
                ? await Tools.DumpAsync(live, ["--data-only", "--table=public.schemaversions*"], ct) : "";
            await File.WriteAllTextAsync(file, schema + journal, ct);
            await Tools.PsqlAsync(Target, file, ct);
        }
        finally
        {
            File.Delete(file);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await using var session = await Session.OpenAsync(server, new Patience { Attempts = 1 }, _ => { }, default);
        await session.ExecuteAsync($"drop database if exists {Target.Parse().Database} with (force)", default);
    }

    // In the repository and beside the published program alike.
    private static string Bootstrap(string scriptsRoot)
    {
        var file = Path.GetFullPath(Path.Combine(scriptsRoot, "..", "bootstrap.sql"));
        return File.Exists(file) ? file : throw MigrationException.Usage($"A shadow database needs {file}.");
    }
}
