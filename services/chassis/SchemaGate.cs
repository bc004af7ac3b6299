using System.Reflection;
using System.Text.RegularExpressions;
using Dapper;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace OpenReadings.Chassis;

/// <summary>The service cannot start; the message says why and the process ends with exit code 1.</summary>
public sealed class StartRefusedException(string reason) : Exception(reason);

/// <summary>
/// Waits for the database (10 tries, 1 to 5 s apart, 5 s for each connection) and refuses to serve on a schema that lacks
/// a script this build was written against. A newer schema is fine: rolling the program back must work.
/// </summary>
public sealed partial class SchemaGate(NpgsqlDataSource source, IReadOnlyCollection<string> needed, TimeProvider clock, ILogger<SchemaGate> log)
    : IHostedLifecycleService
{
    private const int Tries = 10;
    private const string Prefix = "schema/";

    /// <summary>
    /// The scripts that a service's build needs of those it carries with it. What fills or takes away later (decision 0023), or
    /// runs in some places only, need not be there.
    /// </summary>
    public static IReadOnlyCollection<string> ScriptsOf(Assembly service) =>
    [
        .. service.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)
            && IsNeeded(new StreamReader(service.GetManifestResourceStream(name)!).ReadToEnd())).Select(name => name[Prefix.Length..]),
    ];

    /// <summary>Whether this script is of the phase expand and runs everywhere, by its <c>migrate:</c> lines (db/migrator/Header.cs).</summary>
    public static bool IsNeeded(string script) => !Later().IsMatch(script);

    [GeneratedRegex(@"^--\s*migrate:(.*;)?\s*(phase\s+(data|contract)|env\s)", RegexOptions.Multiline)]
    private static partial Regex Later();

    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var missing = await MissingAsync(cancellationToken);
                if (missing.Count == 0) return;
                throw new StartRefusedException($"The schema lacks {missing.Count} script(s), first {missing[0]}: run the migrator before this version.");
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException)
            {
                if (attempt == Tries) throw new StartRefusedException($"The database did not answer {Tries} times: {e.Message}");
                var pause = TimeSpan.FromSeconds(1 + Random.Shared.NextDouble() * 4);
                log.LogWarning("Database try {Attempt} of {Tries} failed ({Reason}), next in {Seconds:F1} s", attempt, Tries, e.Message, pause.TotalSeconds);
                await Task.Delay(pause, clock, cancellationToken);
            }
        }
    }

    /// <summary>The scripts that this build needs and the database has not run.</summary>
    public async Task<IReadOnlyList<string>> MissingAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        try
        {
            var applied = await connection.QueryAsync<string>(new("select scriptname from schemaversions", cancellationToken: ct));
            return [.. needed.Except(applied).Order(StringComparer.Ordinal)];
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InsufficientPrivilege)
        {
            return [.. needed];
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
