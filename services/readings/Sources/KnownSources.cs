using Microsoft.Extensions.Caching.Memory;
using Npgsql;
using NpgsqlTypes;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Where the metrics of a source are stored, remembered for half a minute, so that a reading is one round trip. A memory
/// is never the reason that somebody sees a row: row-level security still decides, and every statement that trusts it
/// asks for the source's version in the same round trip.
/// </summary>
internal sealed class KnownSources(Database database) : IDisposable
{
    private const string Guest = "readings_guest";
    private const int Attempts = 4;
    // What is closed is closed at once; what is opened further shows a moment later.
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(30), SharedLife = TimeSpan.FromSeconds(2);
    private readonly MemoryCache cache = new(new MemoryCacheOptions { SizeLimit = 20_000 });

    /// <summary>
    /// The person's source of that id, or else the one of somebody who shares it with them; null where there is neither.
    /// <c>?owner=</c> says whose is meant.
    /// </summary>
    public async ValueTask<KnownSource?> FindAsync(CurrentUser user, Guid sourceId, CancellationToken ct)
    {
        if (cache.TryGetValue(Key(user, sourceId), out KnownSource? known)) return known;
        known = user.Owner is null
            ? await LoadAsync(user, sourceId, ct) ?? await SharedAsync(user, sourceId, ct)
            : await SharedAsync(user, sourceId, ct);
        if (known is not null) cache.Set(Key(user, sourceId), known, new MemoryCacheEntryOptions { Size = 1, AbsoluteExpirationRelativeToNow = known.IsShared ? SharedLife : Life });
        return known;
    }

    private async Task<KnownSource?> SharedAsync(CurrentUser user, Guid sourceId, CancellationToken ct)
    {
        var shared = await OpenAsync(user, sourceId, ct);
        if (!shared.Any(one => one.Access is not null) && user.Owner is { } owner && await IsPublicAsync(user with { Owner = null }, owner, sourceId, ct)) shared = await OpenAsync(user, sourceId, ct);
        if (shared.Count == 0) return null;
        if (shared.Count > 1)
            throw new ProblemException(409, "owner-required", "Several people share a source of this id with you: say whose you mean with 'owner'.");
        user = user with { Owner = shared[0].OwnerId };
        // A guest has what is open for good too, but for the days that were counted beforehand: only whom a window opens more to, is one.
        return shared[0].Window > (shared[0].Access ?? (short)Access.Part)
            ? await LoadAsGuestAsync(user with { Role = Guest }, sourceId, ct)
            : await LoadAsync(user, sourceId, ct, (Access)shared[0].Access!);
    }

    // The most that is open of it for good, and in windows: of each owner, who is rarely more than one.
    private Task<IReadOnlyList<SharedRow>> OpenAsync(CurrentUser user, Guid sourceId, CancellationToken ct) =>
        database.ReadAsync<SharedRow>(user,
            """
            select owner_id, max(access) as access, max("window") as "window" from (
                select owner_id, access, null::int2 as "window" from source_access
                where source_id = @sourceId and expires_at > now()
                union all
                select owner_id, null, (case when writable_until > now() then 2 else 1 end)::int2 from series_windows
                where source_id = @sourceId and expires_at > now()
                union all
                select owner_id, null, (case when writable_until > now() then 2 else 1 end)::int2 from source_windows
                where source_id = @sourceId and expires_at > now()) as o
            where @Owner::uuid is null or owner_id = @Owner
            group by owner_id
            limit 2
            """, new { sourceId, user.Owner }, ct);

    // What is public is opened to whoever says whose source they mean.
    private async Task<bool> IsPublicAsync(CurrentUser user, Guid owner, Guid sourceId, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        var isOpen = await db.ScalarAsync<bool>("select look_at_public(@owner, @sourceId)", new { owner, sourceId });
        await db.CommitAsync();
        return isOpen;
    }

    private async Task<KnownSource?> LoadAsync(CurrentUser user, Guid sourceId, CancellationToken ct, Access access = Access.Admin)
    {
        var rows = await database.ReadAsync<Row>(user,
            """
            select s.version, s.time_zone, m.metric, m.series_id, m.slot, m.unit, m.type_code, g.group_name,
                   case when @isShared then (select max(a.access) from series_access a where a.series_id = m.series_id and a.expires_at > now()) else 3 end as access
            from sources s
            left join metrics m using (user_id, source_id)
            left join series g using (series_id)
            where s.source_id = @sourceId
            order by m.position, m.metric
            """, new { sourceId, isShared = user.Owner is not null }, ct);
        if (rows.Count == 0) return null;
        return new KnownSource(sourceId, rows[0].Version, rows[0].TimeZone, [.. rows.Where(row => row.Metric is not null)
            .Select(row => new Metric(row.Metric!, row.SeriesId!.Value, row.Slot!.Value, row.Unit!, row.TypeCode, row.GroupName) { Access = (Access)(row.Access ?? 0) })],
            user.Owner, access, user.Role);
    }

    private async Task<KnownSource?> LoadAsGuestAsync(CurrentUser user, Guid sourceId, CancellationToken ct)
    {
        var windows = (await database.ReadAsync<WindowRow>(user,
            """
            select series_id, lower(open) as from_at, upper(open) as until_at from (
                select series_id, unnest(range_agg(open)) as open from (
                    select series_id, tstzrange(from_at, until_at) as open from series_windows
                    where owner_id = @Owner and source_id = @sourceId and expires_at > now() and writable_until > now()
                    union all
                    select m.series_id, tstzrange('-infinity', 'infinity') from metrics m join series_access a using (series_id)
                    where m.source_id = @sourceId and a.expires_at > now() and a.access >= 2) as s
                group by series_id
                union all
                -- An event lies in one of them: where they touch, none goes across.
                select null, tstzrange(from_at, until_at) from source_windows
                where owner_id = @Owner and source_id = @sourceId and expires_at > now() and writable_until > now()
                union all
                select null, tstzrange('-infinity', 'infinity') from source_access
                where owner_id = @Owner and source_id = @sourceId and expires_at > now() and access >= 2) as w
            """, new { user.Owner, sourceId }, ct)).ToLookup(row => row.SeriesId, row => new Window(Timestamp.Of(row.FromAt), Timestamp.Of(row.UntilAt)));
        var ofEvents = new Windows([.. windows[null]]);
        var bySeries = new Dictionary<int, Windows>();
        return await LoadAsync(user, sourceId, ct, AccessOf(ofEvents)) is { } known
            ? known with
            {
                EventsWritable = ofEvents,
                Metrics = Array.ConvertAll(known.Metrics, metric => metric with { Access = AccessOf(Of(metric.SeriesId)), Writable = Of(metric.SeriesId) }),
            }
            : null;

        static Access AccessOf(Windows writable) => writable.AreNone ? Access.Read : Access.Write;

        // One for all metrics of a series, so that what it says is said once.
        Windows Of(int series) => bySeries.TryGetValue(series, out var known) ? known : bySeries[series] = new([.. windows[series]]);
    }

    public void Forget(CurrentUser user, Guid sourceId) => cache.Remove(Key(user, sourceId));

    // What is shared through one application is not known to another.
    private static (Guid, Guid?, Guid?, Guid) Key(CurrentUser user, Guid sourceId) => (user.Id, user.ClientId, user.Owner, sourceId);

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
            await using var batch = database.Batch(known.As(user));
            batch.Add("select version from sources where source_id = $1", new NpgsqlParameter<Guid> { TypedValue = sourceId });
            add(batch, known);
            if (known.IsShared) AccessLog.Note(batch, known.As(user), sourceId, "read");
            await using var reader = await batch.ExecuteReaderAsync(ct);
            if (await reader.ReadAsync(ct) && reader.GetInt32(0) == known.Version)
            {
                await reader.NextResultAsync(ct);
                return await read(reader, known);
            }
            Forget(user, sourceId);
            if (attempt == Attempts) throw new ProblemException(503, "temporarily-unavailable", "The source is being changed. Try again.");
        }
        return null;
    }

    /// <summary>
    /// Runs a write whose SQL refuses an old version of the source (store_readings, delete_readings), again with fresh
    /// knowledge when it did. Null where the person has no such source.
    /// </summary>
    public async Task<T?> WriteAsync<T>(CurrentUser user, Guid sourceId, Func<KnownSource, Task<T?>> write, CancellationToken ct) where T : class
    {
        for (var attempt = 1; await FindAsync(user, sourceId, ct) is { } known; attempt++)
        {
            // What may be written is not a matter of memory: a row that may be read and not deleted would be passed over in silence.
            if (known.IsShared && attempt == 1)
            {
                Forget(user, sourceId);
                if (await FindAsync(user, sourceId, ct) is not { } fresh) return null;
                known = fresh;
            }
            try
            {
                return await write(known);
            }
            catch (PostgresException e) when (attempt < Attempts
                && (e.ConstraintName == "source_version" || e.SqlState == PostgresErrorCodes.InsufficientPrivilege))
            {
                Forget(user, sourceId);
            }
        }
        return null;
    }

    public void Dispose() => cache.Dispose();

    private sealed record SharedRow(Guid OwnerId, short? Access, short? Window);
    private sealed record WindowRow(int? SeriesId, DateTime FromAt, DateTime UntilAt);
    private sealed record Row(
        int Version, string? TimeZone, string? Metric, int? SeriesId, short? Slot, string? Unit, string? TypeCode, string? GroupName, int? Access);
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
