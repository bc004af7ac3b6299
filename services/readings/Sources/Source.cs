using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Readings;

/// <summary>What a person says of a source when they declare it.</summary>
public sealed record SourceRequest
{
    [Required, StringLength(200, MinimumLength = 1)] public string? Name { get; init; }
    [Required, StringLength(60, MinimumLength = 1)] public string? Kind { get; init; }
    [StringLength(60)] public string? TimeZone { get; init; }
    [StringLength(200)] public string? Location { get; init; }
    [StringLength(2000)] public string? Description { get; init; }
    public bool IsPublic { get; init; }
    [Required] public IReadOnlyDictionary<string, MetricSpec>? Metrics { get; init; }
}

/// <summary>A source as it is answered.</summary>
public sealed record Source(
    Guid SourceId, string Name, string Kind, string? TimeZone, string? Location, string? Description, bool IsPublic,
    IReadOnlyDictionary<string, MetricSpec> Metrics, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt);

/// <summary>What the slices of sources share: finding, saving, versions.</summary>
internal static class Sources
{
    public const int Most = 1000;

    public const string ExampleRequest = """
        {"name": "Blood pressure", "kind": "cuff", "time_zone": "Europe/Berlin",
         "metrics": {"systolic": {"unit": "mm[Hg]", "type": "blood_pressure_systolic", "group": "blood_pressure"},
                     "diastolic": {"unit": "mm[Hg]", "type": "blood_pressure_diastolic", "group": "blood_pressure"},
                     "pulse": {"unit": "/min", "group": "blood_pressure"}}}
        """;

    public const string Example = """
        {"source_id": "0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44", "name": "Blood pressure", "kind": "cuff", "time_zone": "Europe/Berlin",
         "location": null, "description": null, "is_public": false,
         "metrics": {"systolic": {"unit": "mm[Hg]", "type": "blood_pressure_systolic", "group": "blood_pressure"},
                     "diastolic": {"unit": "mm[Hg]", "type": "blood_pressure_diastolic", "group": "blood_pressure"},
                     "pulse": {"unit": "/min", "group": "blood_pressure"}},
         "created_at": "2026-11-20T20:57:14Z", "updated_at": "2026-11-20T20:57:14Z"}
        """;

    public sealed record Row(
        Guid SourceId, string Name, string Kind, string? TimeZone, string? Location, string? Description, bool IsPublic, int Version,
        DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, string Metrics)
    {
        public Source ToSource() => new(SourceId, Name, Kind, TimeZone, Location, Description, IsPublic,
            JsonSerializer.Deserialize<Dictionary<string, MetricSpec>>(Metrics, Json.Options)!, CreatedAt, UpdatedAt);
    }

    /// <summary>One source, or a page of them in the order of their ids.</summary>
    public const string Select = """
        select s.source_id, s.name, s.kind, s.time_zone, s.location, s.description, s.is_public, s.version, s.created_at, s.updated_at,
               coalesce(m.metrics, '{}') as metrics
        from sources s
        cross join lateral (
            select json_object_agg(m.metric, json_build_object('unit', m.unit, 'type', m.type_code, 'group', g.group_name)
                       order by m.position, m.metric)::text as metrics
            from metrics m join series g using (series_id)
            where m.source_id = s.source_id) as m
        where (@sourceId::uuid is null or s.source_id = @sourceId) and (@after::uuid is null or s.source_id > @after)
        order by s.source_id
        limit @limit
        """;

    public static ProblemHttpResult NotFound(Guid sourceId) => Problems.Of(404, "source-not-found", $"There is no source {sourceId}.");

    public static string ETag(int version) => string.Create(CultureInfo.InvariantCulture, $"\"{version}\"");

    public static async Task<Row?> FindAsync(UserTransaction db, Guid sourceId) =>
        await db.FindAsync<Row>(Select, new { sourceId, after = (Guid?)null, limit = 1 });

    /// <summary>Creates the source or brings it to what is asked. Asking for what is there already changes nothing.</summary>
    public static async Task<IResult> SaveAsync(
        HttpContext http, Guid sourceId, SourceRequest wanted, CurrentUser user, Database database, KnownSources known, CancellationToken ct)
    {
        if (wanted.TimeZone is not null) Zones.Find(wanted.TimeZone, "/time_zone");
        await using var db = await database.BeginAsync(user, ct);
        var metrics = await Metrics.CheckAsync(db, wanted.Metrics!);
        // The row is there and held after this statement, whoever else is making it at this moment.
        var created = user.Owner is null && await InsertAsync(db, sourceId, wanted);
        if (created && await db.ScalarAsync<int>("select count(*)::int from sources") > Most)
            throw new ProblemException(403, "too-many-sources", $"A person has at most {Most} sources. Delete one, or add metrics to one that is there.");
        if (await db.ScalarAsync<int?>("select version from sources where source_id = @sourceId for update", new { sourceId }) is not { } version)
            return NotFound(sourceId);
        Require(http, created ? null : version);
        var changed = await MetricPlan.ApplyAsync(db, sourceId, metrics, all: true);
        changed |= !created && await UpdateAsync(db, sourceId, wanted);
        if (changed && !created) await TouchAsync(db, sourceId);

        var names = metrics.Select(metric => metric.Name).ToList();
        if (created) await db.PublishAsync(new SourceCreated(user.Id, sourceId, wanted.Kind!, names));
        else if (changed) await db.PublishAsync(new SourceUpdated(user.OwnerId, sourceId, wanted.Kind!, names));
        if (changed && user.Owner is not null) await AccessLog.NoteAsync(db, user, sourceId, "admin");
        var row = (await FindAsync(db, sourceId))!;
        await db.CommitAsync();
        known.Forget(user, sourceId);
        http.Response.Headers.ETag = ETag(row.Version);
        return created ? TypedResults.Created($"/readings/v1/sources/{sourceId}", row.ToSource()) : TypedResults.Ok(row.ToSource());
    }

    /// <summary>A new version: whoever knew the old one has to look again.</summary>
    public static Task TouchAsync(UserTransaction db, Guid sourceId) => db.ExecuteAsync(
        "update sources set version = version + 1, updated_at = now() where source_id = @sourceId", new { sourceId });

    /// <summary>If-Match and If-None-Match against what is there; null for nothing.</summary>
    public static void Require(HttpContext http, int? version)
    {
        var headers = http.Request.GetTypedHeaders();
        var tag = version is { } is_ ? ETag(is_) : null;
        var matches = headers.IfMatch is not { Count: > 0 } wanted
            || (tag is not null && wanted.Any(one => one.Tag == "*" || (!one.IsWeak && one.Tag == tag)));
        var differs = headers.IfNoneMatch is not { Count: > 0 } refused || tag is null || !refused.Any(one => one.Tag == "*" || one.Tag == tag);
        if (!matches || !differs) throw new ProblemException(412, "precondition-failed", "The source is not at that version.");
    }

    private static async Task<bool> InsertAsync(UserTransaction db, Guid sourceId, SourceRequest wanted)
    {
        try
        {
            return await db.ExecuteAsync(
                """
                insert into sources (source_id, name, kind, time_zone, location, description, is_public)
                values (@sourceId, @Name, @Kind, @TimeZone, @Location, @Description, @IsPublic)
                on conflict (user_id, source_id) do nothing
                """, Arguments(sourceId, wanted)) == 1;
        }
        catch (PostgresException e) when (e.ConstraintName == "user_departed")
        {
            throw new ProblemException(404, "account-deleted", "This account was deleted.");
        }
    }

    private static async Task<bool> UpdateAsync(UserTransaction db, Guid sourceId, SourceRequest wanted)
    {
        try
        {
            return await db.ExecuteAsync(
                """
                update sources
                set name = @Name, kind = @Kind, time_zone = @TimeZone, location = @Location, description = @Description, is_public = @IsPublic
                where source_id = @sourceId and (name, kind, time_zone, location, description, is_public)
                    is distinct from (@Name, @Kind, @TimeZone, @Location, @Description, @IsPublic)
                """, Arguments(sourceId, wanted)) == 1;
        }
        catch (PostgresException e) when (e.ConstraintName == "owner_decides_public")
        {
            throw new ProblemException(403, "owner-decides-public", "Whether everybody may see a source is for its owner to say.");
        }
    }

    private static object Arguments(Guid sourceId, SourceRequest wanted) => new
    {
        sourceId, wanted.Name, wanted.Kind, wanted.TimeZone, wanted.Location, wanted.Description, wanted.IsPublic,
    };
}

/// <summary>Time zones by their IANA names.</summary>
internal static partial class Zones
{
    public static TimeZoneInfo Find(string name, string pointer) => Name().IsMatch(name) && TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone)
        ? zone
        : throw new ProblemException(400, "unknown-time-zone", "A time zone is an IANA name such as Europe/Berlin.",
            new ProblemItem(pointer, "unknown-time-zone", "There is no such time zone."));

    // The name becomes a path below the system's zone files.
    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9_+\-]{0,30}(/[A-Za-z0-9_+\-]{1,30}){0,2}$", RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}
