using System.ComponentModel.DataAnnotations;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Events of a source, or of all sources, in the order in which they began. An event counts where it began. <c>written_by</c> is who wrote it last,
/// where that was somebody else (<see cref="Writer"/>).
/// </summary>
public static class ListEvents
{
    private const string Example =
        """
        {"events": [{"id": "0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44", "source_id": "0190f3d2-0000-7c31-9d1e-2b8c1f0a5e44", "kind": "workout",
                     "type": "running", "from": "2026-11-20T07:00:00+01:00", "to": "2026-11-20T07:41:30+01:00",
                     "values": {"energy": {"value": 320, "unit": "kcal"}}, "details": {}, "written_by": "0190f3d2-0001-7b00-8000-000000000008"}]}
        """;

    private sealed record Row(
        Guid EventId, Guid SourceId, string Kind, string Type, DateTime StartedAt, DateTime EndedAt, short StartOffset, short EndOffset,
        string Measured, string Details, Guid? WrittenBy);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/sources/{sourceId:guid}/events", OfSourceAsync)
            .WithName("ListSourceEvents").WithSummary("Read events of a source").WithExample(null, Example);
        routes.MapGet("/events", OfAllAsync)
            .WithName("ListEvents").WithSummary("Read events of all sources").WithExample(null, Example);
    }

    private static async Task<IResult> OfSourceAsync(
        Guid sourceId, HttpContext http, CurrentUser user, Database database, KnownSources sources, TimeProvider clock, CancellationToken ct,
        string? kind = null, string? from = null, string? to = null, [Range(1, 1000)] int limit = 100, string? after = null) =>
        await sources.FindAsync(user, sourceId, ct) is { } source
            ? await AnswerAsync(sourceId, http, source.As(user), database, clock, kind, from, to, limit, after, ct)
            : Sources.NotFound(sourceId);

    private static Task<IResult> OfAllAsync(
        HttpContext http, CurrentUser user, Database database, TimeProvider clock, CancellationToken ct,
        string? kind = null, string? from = null, string? to = null, [Range(1, 1000)] int limit = 100, string? after = null) =>
        AnswerAsync(null, http, user, database, clock, kind, from, to, limit, after, ct);

    private static async Task<IResult> AnswerAsync(
        Guid? sourceId, HttpContext http, CurrentUser user, Database database, TimeProvider clock, string? kind, string? from, string? to,
        int limit, string? after, CancellationToken ct)
    {
        var question = $"{sourceId}|{kind}|{from}|{to}";
        var (behind, within) = after is null ? (Timestamp.Earliest, 0) : Paging.Read(after, question);
        var (since, until) = Between.All(from, to, clock);
        var rows = (await database.ReadAsync<Row>(user,
            """
            select event_id, source_id, kind, type, started_at, ended_at, start_offset, end_offset, measured::text, details::text, written_by
            from events
            where (@sourceId::uuid is null or source_id = @sourceId) and (@kind::text is null or kind = @kind)
                and started_at >= @since and started_at < @until
            order by started_at, event_id
            offset @within
            limit @limit
            """,
            new
            {
                sourceId, kind, since = Timestamp.ToUtc(Math.Max(since, behind)), until = Timestamp.ToUtc(until), within, limit = limit + 1,
            }, ct)).ToList();
        if (user.Owner is not null) await AccessLog.NoteAsync(database, user, sourceId, "read", ct);
        string? next = null;
        if (rows.Count > limit)
        {
            var last = Timestamp.Of(rows[limit - 1].StartedAt);
            var same = rows.Take(limit).Count(row => Timestamp.Of(row.StartedAt) == last) + (last == behind ? within : 0);
            Paging.Link(http, next = Paging.Cursor(last, same, question));
        }

        await using var json = Answer.Begin(http);
        json.WriteStartObject();
        json.WriteStartArray("events"u8);
        foreach (var row in rows.Take(limit))
        {
            json.WriteStartObject();
            json.WriteString("id"u8, row.EventId);
            json.WriteString("source_id"u8, row.SourceId);
            json.WriteString("kind"u8, row.Kind);
            json.WriteString("type"u8, row.Type);
            json.WriteTime("from"u8, Timestamp.Of(row.StartedAt), row.StartOffset);
            json.WriteTime("to"u8, Timestamp.Of(row.EndedAt), row.EndOffset);
            json.WritePropertyName("values"u8);
            json.WriteRawValue(row.Measured);
            json.WritePropertyName("details"u8);
            json.WriteRawValue(row.Details);
            if (Writer.Shown(row.WrittenBy, user) is { } writer) json.WriteString("written_by"u8, writer);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        if (next is not null) json.WriteString("next"u8, next);
        json.WriteEndObject();
        return Results.Empty;
    }
}
