using System.Data;
using Npgsql;
using OpenReadings.Ops.Health.Checks;
using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health;

/// <summary>Runs every check. What cannot be reached or asked is a finding, and the others go on.</summary>
internal static class Examination
{
    private delegate Task Look(ServiceDatabase database, Section section, Scope scope, CancellationToken ct);

    private static readonly (string Name, Look Look)[] OfServer =
    [
        ("connections", Connections.LookAsync),
        ("locks", BlockedSessions.LookAsync),
        ("wraparound", Wraparound.LookAtDatabasesAsync),
        ("replication", Replication.LookAsync),
        ("archiving", Archiving.LookAsync),
        ("settings", ServerSettings.LookAsync),
    ];

    private static readonly (string Name, Look Look)[] OfDatabase =
    [
        ("slow", SlowStatements.LookAsync),
        ("cache", Cache.LookAsync),
        ("sizes", Sizes.LookAsync),
        ("bloat", Bloat.LookAsync),
        ("indexes", Indexes.LookAsync),
        ("vacuum", Vacuum.LookAsync),
        ("old tables", Wraparound.LookAtTablesAsync),
        ("outbox", Outbox.LookAsync),
        ("protection", Protection.LookAsync),
        ("schema", Schema.LookAsync),
    ];

    private static readonly string[] Order =
        ["databases", .. OfServer.Select(check => check.Name), .. OfDatabase.Select(check => check.Name), "queues", "backups"];

    public static async Task<Diagnosis> RunAsync(Scope scope, CancellationToken ct)
    {
        // Databases side by side: one that does not answer must not make the others wait.
        var servers = scope.Places.GroupBy(place => place.Server).Select(server => server.First()).ToHashSet();
        var looks = scope.Places.Select(place => LookAtAsync(place, servers.Contains(place), scope, ct))
            .Append(QueueDepths.LookAsync(scope, ct)).Append(Task.FromResult(Backups.Look(scope)));
        var sections = (await Task.WhenAll(looks)).SelectMany(seen => seen);
        scope.History?.Remember(Sizes.Measured(sections));
        return new(DateTimeOffset.UtcNow, [.. sections.OrderBy(section => Array.IndexOf(Order, section.Name))]);
    }

    private static async Task<IReadOnlyList<Section>> LookAtAsync(Place place, bool andServer, Scope scope, CancellationToken ct)
    {
        var reached = new Section("databases", place.Service);
        List<Section> sections = [reached];
        try
        {
            await using var database = await place.OpenAsync(ct);
            var version = await database.OneAsync<string>("select current_setting('server_version')", ct);
            (reached.Summary, reached.Figures) = ($"PostgreSQL {version.Split(' ')[0]}", new { place.Server, Version = version });
            reached.Measure(Metric.Up, 1, place.Service);
            foreach (var (name, look) in andServer ? [.. OfServer, .. OfDatabase] : OfDatabase)
            {
                var section = new Section(name, OfServer.Any(check => check.Name == name) ? place.Server : place.Service);
                sections.Add(section);
                try
                {
                    await look(database, section, scope, ct);
                }
                catch (Exception e) when (e is PostgresException or DataException)
                {
                    section.Summary = "not looked at";
                    section.Find(Severity.Warn, $"could not be asked: {e.Message}",
                        "ops needs a superuser's connection and a migrated database");
                }
            }
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or ArgumentException)
        {
            reached.Summary = "unreachable";
            reached.Find(Severity.Bad, $"cannot be reached: {e.Message}", $"is the server at {place.Server} up? `./dev status`, its log, ConnectionStrings__admin");
            reached.Measure(Metric.Up, 0, place.Service);
        }
        return sections;
    }
}
