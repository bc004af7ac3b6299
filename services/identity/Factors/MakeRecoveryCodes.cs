using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Factors;

/// <summary>Makes ten recovery codes in place of those of before.</summary>
public static class MakeRecoveryCodes
{
    public sealed record Request([StringLength(PasswordRules.LongestUtf16)] string? Password);

    /// <summary>Shown here and never again.</summary>
    public sealed record Response(string[] RecoveryCodes);
    public const string Example = """{"recovery_codes": ["nb2w-45df-oizt-mmzs", "…"]}""";

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/me/recovery-codes", HandleAsync).RequireRateLimiting(RateLimits.Sensitive)
        .WithName("MakeRecoveryCodes").WithSummary("Ten recovery codes, shown once: each signs you in once in place of your authenticator. Those of before are good no more. Takes a recent proof, beside the password, where you chose one.")
        .WithExample(request: """{"password": "Correct horse 7"}""", response: Example);

    private static async Task<Results<Ok<Response>, ProblemHttpResult>> HandleAsync(
        Request request, CurrentUser user, Database database, PasswordAgain password, HttpContext http, CancellationToken ct)
    {
        if (await password.RefuseAsync(user, request.Password, http, ct) is { } refused) return refused;
        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutRecentProofAsync(user, http) is { } old) return old;
        // One at a time: of two at once both would be told codes, and one of them what is not there any more.
        if (await db.ScalarAsync<bool?>("select true from totp where confirmed_at is not null for update") is null)
            return Problems.Of(409, "totp-not-found", "Recovery codes stand in for an authenticator, and you have none.");
        var codes = await RecoveryCodes.MakeAsync(db);
        await db.NoteAsync(http, FactorEntry.RecoveryCodesMade, Entry.LoginOf(user));
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new Response(codes));
    }
}
