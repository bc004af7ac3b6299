using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Administration;

/// <summary>Shows an administrator who has an account. What people measure no role opens.</summary>
public static class ListPeople
{
    private const int Most = 200;

    public sealed record Shown(
        Guid AccountId, string Email, string? Name, DateTimeOffset CreatedAt, DateTimeOffset? DisabledAt, DateTimeOffset? LastSeenAt,
        [property: JsonIgnore] string RoleNames)
    {
        public string[] Roles => RoleNames.Split(' ', StringSplitOptions.RemoveEmptyEntries);
    }

    public sealed record Response(IReadOnlyList<Shown> Accounts, DateTimeOffset? Next);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/accounts", HandleAsync)
        .WithName("ListAccounts").WithSummary("For administrators: who has an account, the newest first; 'q' is a part of the name or address, or an id. 'next' is the 'before' of the next page.")
        .WithExample(response:
            """
            {"accounts": [{"account_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "email": "ada@example.org", "name": "Ada", "created_at": "2026-11-21T09:30:00Z",
                           "disabled_at": null, "last_seen_at": "2026-11-27T08:40:00Z", "roles": ["moderator"]}], "next": null}
            """);

    private static async Task<Results<Ok<Response>, ProblemHttpResult>> HandleAsync(
        CurrentUser user, Database database, CancellationToken ct, string? q = null, DateTimeOffset? before = null, int limit = 50)
    {
        if (limit is < 1 or > Most) return Problems.Of(400, "invalid-limit", $"'limit' is a number from 1 to {Most}.");
        var rows = await database.ReadAsync<Shown>(user,
            "select account_id, email, name, created_at, disabled_at, last_seen_at, roles as role_names from people(@q::text, @before::timestamptz, @limit + 1)",
            new { q, before, limit }, ct);
        return TypedResults.Ok(new Response([.. rows.Take(limit)], rows.Count > limit ? rows[limit - 1].CreatedAt : null));
    }
}
