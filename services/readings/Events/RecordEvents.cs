using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Units;

namespace OpenReadings.Readings;

/// <summary>A measured amount of an event, such as the energy of a workout.</summary>
public sealed record Amount(double Value, string Unit);

/// <summary>
/// Stores events with a beginning and an end: workouts, sleep. Which event it is, is told by source, kind, type and times,
/// so that sending it again changes nothing, whatever id it carries; other values or details replace.
/// </summary>
public static class RecordEvents
{
    private const int Most = 1000;

    public sealed record Given(
        Guid? Id, string? Kind, string? Type, string? From, string? To, IReadOnlyDictionary<string, Amount>? Values, JsonElement? Details);
    public sealed record Request([Required, MaxLength(Most)] IReadOnlyList<Given>? Events);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/sources/{sourceId:guid}/events", HandleAsync)
        .WithName("RecordEvents").WithSummary("Store events with a beginning and an end").Produces<RecordReadings.Response>()
        .WithExample(
            """
            {"events": [{"kind": "workout", "type": "running", "from": "2026-11-20T07:00:00+01:00", "to": "2026-11-20T07:41:30+01:00",
                         "values": {"energy": {"value": 320, "unit": "kcal"}}, "details": {"indoor": false}}]}
            """,
            """{"stored": 1, "unchanged": 0, "replaced": 0, "rejected": []}""");

    private sealed record Checked(Guid Id, string Kind, string Type, long From, short FromOffset, long To, short ToOffset, string Measured, string Details);

    private static async Task<IResult> HandleAsync(
        Guid sourceId, Request request, CurrentUser user, Database database, KnownSources sources, TimeProvider clock, CancellationToken ct)
    {
        var answer = await sources.WriteAsync(user, sourceId, async source =>
        {
            try
            {
                return await StoreAsync(database, user, source, request.Events!, areIdsFree: true, clock, ct);
            }
            // By an event that the person does not see, or that came meanwhile. Which event it is, its id does not say.
            catch (PostgresException e) when (e.ConstraintName == "events_pkey")
            {
                return await StoreAsync(database, user, source, request.Events!, areIdsFree: false, clock, ct);
            }
        }, ct);
        return answer is null ? Sources.NotFound(sourceId) : TypedResults.Ok(answer);
    }

    private static async Task<RecordReadings.Response?> StoreAsync(
        Database database, CurrentUser user, KnownSource source, IReadOnlyList<Given> given, bool areIdsFree, TimeProvider clock, CancellationToken ct)
    {
        source.Require(Access.Write);
        var rejected = new List<ProblemItem>();
        var good = new Dictionary<(string, string, long, long), Checked>();
        var unchanged = 0;
        for (var i = 0; i < given.Count; i++)
        {
            if (Check(given[i], i, clock, source.EventsWritable, rejected) is not { } one) continue;
            if (good.ContainsKey((one.Kind, one.Type, one.From, one.To))) unchanged++;   // the last one of a request wins
            good[(one.Kind, one.Type, one.From, one.To)] = one;
        }

        await using var db = await database.BeginAsync(source.As(user), ct);
        // Whoever may only write to it cannot hold the row; the foreign key then does.
        if (!source.IsShared && await db.ScalarAsync<int?>("select version from sources where source_id = @SourceId for key share", new { source.SourceId }) is null)
            return null;
        var (all, ids) = (good.Values.ToArray(), new HashSet<Guid>());
        var written = await db.QueryAsync<bool>(
            """
            insert into events as e (event_id, source_id, kind, type, started_at, ended_at, start_offset, end_offset, measured, details)
            select case when exists (select from events t where t.event_id = x.id) then x.fresh else x.id end,
                   @SourceId, x.kind, x.type, x.started_at, x.ended_at, x.start_offset, x.end_offset, x.measured::jsonb, x.details::jsonb
            from unnest(@ids, @fresh, @kinds, @types, @from, @to, @fromOffsets, @toOffsets, @measured, @details)
                as x(id, fresh, kind, type, started_at, ended_at, start_offset, end_offset, measured, details)
            order by x.kind, x.type, x.started_at, x.ended_at
            on conflict on constraint events_identity do update
            set measured = excluded.measured, details = excluded.details, start_offset = excluded.start_offset, end_offset = excluded.end_offset
            where (e.measured, e.details, e.start_offset, e.end_offset)
                is distinct from (excluded.measured, excluded.details, excluded.start_offset, excluded.end_offset)
            returning xmax = 0
            """,
            new
            {
                // Of two that name the same id, the first has it.
                source.SourceId, ids = all.Select(one => areIdsFree && ids.Add(one.Id) ? one.Id : OrderedId.Next()).ToArray(), fresh = all.Select(_ => OrderedId.Next()).ToArray(),
                kinds = all.Select(one => one.Kind).ToArray(), types = all.Select(one => one.Type).ToArray(),
                from = all.Select(one => Timestamp.ToUtc(one.From)).ToArray(), to = all.Select(one => Timestamp.ToUtc(one.To)).ToArray(),
                fromOffsets = all.Select(one => one.FromOffset).ToArray(), toOffsets = all.Select(one => one.ToOffset).ToArray(),
                measured = all.Select(one => one.Measured).ToArray(), details = all.Select(one => one.Details).ToArray(),
            });
        if (source.IsShared && written.Count > 0) await AccessLog.NoteAsync(db, source.As(user), source.SourceId, "write", written.Count);
        await db.CommitAsync();
        var stored = written.Count(isNew => isNew);
        return new RecordReadings.Response(stored, unchanged + all.Length - written.Count, written.Count - stored, rejected);
    }

    private static Checked? Check(Given given, int index, TimeProvider clock, Windows? writable, List<ProblemItem> rejected)
    {
        Checked? Reject(string below, string type, string detail)
        {
            rejected.Add(new($"/events/{index}{below}", type, detail));
            return null;
        }

        if (given is null) return Reject("", "not-an-object", "An event is an object.");
        if (given.Kind is not { Length: > 0 and <= 60 }) return Reject("/kind", "invalid-value", "An event has a kind of 1 to 60 characters.");
        if (given.Type is not { Length: > 0 and <= 100 }) return Reject("/type", "invalid-value", "An event has a type of 1 to 100 characters.");
        if (Time(given.From, out var from, out var fromOffset) is { } badFrom) return Reject("/from", badFrom.Type, badFrom.Detail);
        if (Time(given.To, out var to, out var toOffset) is { } badTo) return Reject("/to", badTo.Type, badTo.Detail);
        if (to < from) return Reject("/to", "end-before-beginning", "An event does not end before it begins.");
        if (from < Timestamp.Earliest || to > Timestamp.Of(clock.GetUtcNow().AddDays(1)))
            return Reject("/to", "impossible-date", "An event is neither older than the year 1900 nor from the future.");
        if (writable?.Cover(from, to) is false) return Reject("/from", Windows.Outside, writable.Text);
        var measured = new SortedDictionary<string, Amount>(StringComparer.Ordinal);
        foreach (var (name, amount) in given.Values ?? new Dictionary<string, Amount>())
        {
            if (amount is null || !double.IsFinite(amount.Value)) return Reject($"/values/{name}", "not-a-number", "A value has a finite number and a unit.");
            if (!Unit.TryParse(amount.Unit, out var unit)) return Reject($"/values/{name}/unit", "unknown-unit", $"'{amount.Unit}' is no unit that we know.");
            measured.Add(name, amount with { Unit = unit.Code });
        }
        if (given.Details is { ValueKind: not (JsonValueKind.Object or JsonValueKind.Null) }) return Reject("/details", "not-an-object", "Details are an object.");
        var details = given.Details is { ValueKind: JsonValueKind.Object } object_ ? object_.GetRawText() : "{}";
        if (details.Length > 20_000 || measured.Count > 100) return Reject("/details", "too-large", "An event has at most 100 values and 20 000 characters of details.");
        return new(given.Id ?? OrderedId.Next(), given.Kind, given.Type, from, fromOffset, to, toOffset,
            JsonSerializer.Serialize(measured, Json.Options), details);
    }

    private static (string Type, string Detail)? Time(string? text, out long at, out short offset) =>
        Timestamp.Parse(System.Text.Encoding.UTF8.GetBytes(text ?? ""), out at, out offset) switch
        {
            TimeFault.None => null,
            TimeFault.MissingOffset => ("missing-offset", "The time has no offset: end it with Z or one such as +02:00."),
            TimeFault.ImpossibleDate => ("impossible-date", "There is no such date, time or offset."),
            _ => ("not-a-time", "The time is not RFC 3339, such as 2026-11-20T20:57:14+01:00."),
        };
}
