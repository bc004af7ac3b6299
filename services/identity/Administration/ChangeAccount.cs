using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Logins;

namespace OpenReadings.Identity.Administration;

/// <summary>
/// Disables an account and enables it again, gives a role and takes it. The database itself asks whether the one who does it is an
/// administrator, and writes it into the audit of the account's person.
/// </summary>
public static class ChangeAccount
{
    public const string Administrator = "administrator";
    private const int LongestReason = 200;
    private static readonly string[] Roles = [Administrator, "moderator"];

    /// <summary>Reason: for the account's person to read.</summary>
    public sealed record Request(string? Reason);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/accounts/{accountId:guid}/disable", (Guid accountId, Request? request, CurrentUser user, Database database, HttpContext http, CancellationToken ct) =>
                ChangeAsync(accountId, "disable", null, request?.Reason, user, database, http, ct))
            .WithName("DisableAccount").WithSummary("For administrators: ends all logins and keys of an account within a second, everywhere. Nothing of it is lost.")
            .WithExample(request: """{"reason": "The address belongs to somebody else."}""");
        routes.MapPost("/accounts/{accountId:guid}/enable", (Guid accountId, Request? request, CurrentUser user, Database database, HttpContext http, CancellationToken ct) =>
                ChangeAsync(accountId, "enable", null, request?.Reason, user, database, http, ct))
            .WithName("EnableAccount").WithSummary("For administrators: an account may sign in again, and its keys are good again.").WithExample(request: """{"reason": "Cleared up."}""");
        routes.MapPut("/accounts/{accountId:guid}/roles/{role}", (Guid accountId, string role, CurrentUser user, Database database, HttpContext http, CancellationToken ct) =>
                ChangeAsync(accountId, "give-role", role, null, user, database, http, ct))
            .WithName("GiveRole").WithSummary("For administrators: gives a role, administrator or moderator. It is in access tokens from the next one on. Takes a recent proof.");
        routes.MapDelete("/accounts/{accountId:guid}/roles/{role}", (Guid accountId, string role, CurrentUser user, Database database, HttpContext http, CancellationToken ct) =>
                ChangeAsync(accountId, "take-role", role, null, user, database, http, ct))
            .WithName("TakeRole").WithSummary("For administrators: takes a role; tokens that name it are refused within a second.");
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> ChangeAsync(
        Guid accountId, string wanted, string? role, string? reason, CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        if (role is not null && !Roles.Contains(role)) return Problems.Of(404, "role-not-found", $"The roles are {string.Join(" and ", Roles)}.");
        if (reason is not null && (reason.Length > LongestReason || reason.Any(char.IsControl)))
            return Problems.Of(400, "validation-failed", "Some fields are not valid.", new ProblemItem("/reason", "invalid-reason", $"The reason has at most {LongestReason} characters, none of them a control character."));
        await using var db = await database.BeginAsync(user, ct);
        if (wanted == "give-role" && !await db.HasRecentProofAsync(Entry.LoginOf(user))) return RecentProof.Refused(http);
        var outcome = await db.ScalarAsync<string>("select administer(@accountId, @wanted, @role, @reason, @address::cidr, @entry)",
            new { accountId, wanted, role, reason, address = RateLimits.NetworkOf(http).ToString(), entry = OrderedId.Next() });
        await db.CommitAsync();
        return outcome switch
        {
            "done" or "unchanged" => TypedResults.NoContent(),
            "not-found" => Problems.Of(404, "account-not-found", "There is no such account."),
            "last-administrator" => Problems.Of(409, "last-administrator", "Nobody would be administrator any more. Give somebody else the role first."),
            _ => Problems.Of(403, "role-required", $"This is for those who have the role {Administrator}."),
        };
    }
}
