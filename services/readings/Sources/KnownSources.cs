using System.Text;
using Microsoft.Extensions.Caching.Memory;
using Npgsql;
using NpgsqlTypes;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>One named value of a source, and where it is stored.</summary>
internal sealed record Metric(string Name, int SeriesId, short Slot, string Unit, string? Type, string? Group)
{
    public byte[] Utf8 { get; } = Encoding.UTF8.GetBytes(Name);
}

/// <summary>What writing and reading need to know of a source.</summary>
internal sealed record KnownSource(Guid SourceId, int Version, string? TimeZone, Metric[] Metrics)
{
    public Metric? Find(string name) => Array.Find(Metrics, metric => metric.Name == name);

    /// <summary>The metrics asked for, in the source's order; all of them when none is named.</summary>
    public Metric[] Select(string[]? names)
    {
        if (names is null or []) return Metrics;
        foreach (var name in names)
            if (Find(name) is null) throw new ProblemException(400, "unknown-metric", $"This source has no metric '{name}'.");
        return Array.FindAll(Metrics, metric => names.Contains(metric.Name));
    }
}

/// <summary>
/// Where the metrics of a source are stored, remembered for half a minute, so that a reading is one round trip. A memory
/// is never the reason that somebody sees a row: row-level security still decides, and every statement that trusts it
/// asks for the source's version in the same round trip.
/// </summary>
internal sealed class KnownSources(Database database) : IDisposable
{
    private const int Attempts = 4;
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(30);
    private readonly MemoryCache cache = new(new MemoryCacheOptions { SizeLimit = 20_000 });

    /// <summary>The person's source, or null where the person has none of that id.</summary>
    public async ValueTask<KnownSource?> FindAsync(CurrentUser user, Guid sourceId, CancellationToken ct)
    {
        if (cache.TryGetValue((user.Id, sourceId), out KnownSource? known)) return known;
        var rows = await database.ReadAsync<Row>(user,
            """
            select s.version, s.time_zone, m.metric, m.series_id, m.slot, m.unit, m.type_code, g.group_name
            from sources s
            left join metrics m using (user_id, source_id)
            left join series g using (series_id)
            where s.source_id = @sourceId
            order by m.position, m.metric
            """, new { sourceId }, ct);
        if (rows.Count == 0) return null;
        known = new KnownSource(sourceId, rows[0].Version, rows[0].TimeZone, [.. rows.Where(row => row.Metric is not null)
            .Select(row => new Metric(row.Metric!, row.SeriesId!.Value, row.Slot!.Value, row.Unit!, row.TypeCode, row.GroupName))]);
        cache.Set((user.Id, sourceId), known, new MemoryCacheEntryOptions { Size = 1, AbsoluteExpirationRelativeToNow = Life });
        return known;
    }

    public void Forget(Guid userId, Guid sourceId) => cache.Remove((userId, sourceId));

    /// <summary>
    /// Runs a query that trusts what is known of the source. Null where the person has no such source. The version travels
    /// with the query: an old memory is thrown away and the query runs again.
    /// </summary>
    public async Task<T?> ReadAsync<T>(
        CurrentUser user, Guid sourceId, Action<UserBatch, KnownSource> add, Func<NpgsqlDataReader, KnownSource, Task<T>> read, CancellationToken ct)
        where T : class
    {
        for (var attempt = 1; await FindAsync(user, sourceId, ct) is { } known; attempt++)
        {
            await using var batch = database.Batch(user);
            batch.Add("select version from sources where source_id = $1", new NpgsqlParameter<Guid> { TypedValue = sourceId });
            add(batch, known);
            await using var reader = await batch.ExecuteReaderAsync(ct);
            if (await reader.ReadAsync(ct) && reader.GetInt32(0) == known.Version)
            {
                await reader.NextResultAsync(ct);
                return await read(reader, known);
            }
            Forget(user.Id, sourceId);
            if (attempt == Attempts) throw new ProblemException(503, "temporarily-unavailable", "The source is being changed. Try again.");
        }
        return null;
    }

    /// <summary>
    /// Runs a write whose SQL refuses an old version of the source (store_readings, delete_readings), again with fresh
    /// knowledge when it did. Null where the person has no such source.
    /// </summary>
    public async Task<T?> WriteAsync<T>(CurrentUser user, Guid sourceId, Func<KnownSource, Task<T>> write, CancellationToken ct) where T : class
    {
        for (var attempt = 1; await FindAsync(user, sourceId, ct) is { } known; attempt++)
        {
            try
            {
                return await write(known);
            }
            catch (PostgresException e) when (attempt < Attempts
                && (e.ConstraintName == "source_version" || e.SqlState == PostgresErrorCodes.InsufficientPrivilege))
            {
                Forget(user.Id, sourceId);
            }
        }
        return null;
    }

    public void Dispose() => cache.Dispose();

    private sealed record Row(
        int Version, string? TimeZone, string? Metric, int? SeriesId, short? Slot, string? Unit, string? TypeCode, string? GroupName);
}

/// <summary>Parameters of hot statements: typed, so that nothing is boxed and no type is looked up.</summary>
internal static class Sql
{
    public static NpgsqlParameter<long> Time(long at) => new() { TypedValue = at, NpgsqlDbType = NpgsqlDbType.TimestampTz };
    public static NpgsqlParameter<T> Value<T>(T value) => new() { TypedValue = value };
    public static NpgsqlParameter Times(long[] at) =>
        new NpgsqlParameter<long[]> { TypedValue = at, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz };
    public static NpgsqlParameter Text(string? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text };

    public static NpgsqlParameter Array<T>(T[]? values, NpgsqlDbType of) where T : notnull => values is null
        ? new NpgsqlParameter { Value = DBNull.Value, NpgsqlDbType = NpgsqlDbType.Array | of }
        : new NpgsqlParameter<T[]> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | of };
}
