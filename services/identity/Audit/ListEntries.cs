using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Audit;

/// <summary>Shows a person what happened to their account, the newest first. Kept for two years.</summary>
public static class ListEntries
{
    private const int Most = 200;

    public sealed record Shown(Guid EntryId, DateTimeOffset At, string Action, Guid? LoginId, string? Address, JsonElement Details);
    public sealed record Response(IReadOnlyList<Shown> Entries, Guid? Next);
    private sealed record Row(Guid EntryId, DateTimeOffset At, string Action, Guid? LoginId, string? Address, string Details);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/me/audit", HandleAsync)
        .WithName("ListAuditEntries").WithSummary("What happened to your account, the newest first: 'next' is the 'before' of the next page.")
        .WithExample(response:
            """
            {"entries": [{"entry_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "at": "2026-11-27T08:40:00Z", "action": "signed-in",
                          "login_id": "01a1fabf-0f3b-7c11-9d4e-5b6a7c8d9e0f", "address": "203.0.113.7/32", "details": {"device": "curl/8.5.0"}}],
             "next": null}
            """);

    private static async Task<Results<Ok<Response>, ProblemHttpResult>> HandleAsync(
        CurrentUser user, Database database, CancellationToken ct, Guid? before = null, int limit = 50)
    {
        if (limit is < 1 or > Most) return Problems.Of(400, "invalid-limit", $"'limit' is a number from 1 to {Most}.");
        var rows = await database.ReadAsync<Row>(user,
            """
            select entry_id, at, action, login_id, address::text, details::text
            from audit
            where @before::uuid is null or entry_id < @before
            order by entry_id desc
            limit @limit + 1
            """, new { before, limit }, ct);
        var shown = rows.Take(limit).Select(row => new Shown(row.EntryId, row.At, row.Action, row.LoginId, row.Address, JsonElement.Parse(row.Details))).ToList();
        return TypedResults.Ok(new Response(shown, rows.Count > limit ? shown[^1].EntryId : null));
    }
}
