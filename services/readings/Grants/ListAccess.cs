using System.ComponentModel.DataAnnotations;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Who looked at what the person shares, and who wrote to it, in the last two years; the newest first. Looks and writes are counted by person,
/// application, source and hour, and stand where the first of them was (at: the last); what was deleted and each change of a source stand for
/// themselves. What is public is looked at by anybody and not written down.
/// </summary>
public static class ListAccess
{
    /// <summary>
    /// Count: of looks, or of readings and events. Without a source, it was all that was open to the actor. The client is
    /// the application that asked; null for our own programs, and for keys.
    /// </summary>
    public sealed record Entry(Guid EntryId, Guid Actor, Guid? ClientId, Guid? SourceId, string Verb, int Count, DateTimeOffset At);

    public sealed record Response(IReadOnlyList<Entry> Entries, Guid? Next);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/access-log", HandleAsync).RequireLogin()
        .WithName("ListAccess").WithSummary("List who looked at what you share, and who wrote to it").Produces<Response>()
        .WithExample(null,
            """
            {"entries": [{"entry_id": "0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44", "actor": "0190f3d2-0001-7b00-8000-000000000008", "client_id": null,
                          "source_id": "0190f3d2-0000-7c31-9d1e-2b8c1f0a5e44", "verb": "read", "count": 12, "at": "2026-11-27T12:41:00Z"}], "next": null}
            """);

    private static async Task<IResult> HandleAsync(
        HttpContext http, CurrentUser user, Database database, CancellationToken ct, [Range(1, 1000)] int limit = 100, Guid? after = null)
    {
        var rows = await database.ReadAsync<Entry>(user,
            """
            select entry_id, actor_id as actor, client_id, source_id, verb, count, at
            from access_log
            where @after::uuid is null or entry_id < @after
            order by entry_id desc
            limit @limit
            """, new { after, limit = limit + 1 }, ct);
        Guid? next = rows.Count > limit ? rows[limit - 1].EntryId : null;
        if (next is { } id) Paging.Link(http, id.ToString());
        return TypedResults.Ok(new Response([.. rows.Take(limit)], next));
    }
}
