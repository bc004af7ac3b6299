using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Logins;

/// <summary>Proves within a login who it is, for what takes a recent proof. Refreshing its tokens does not.</summary>
public static class ProveAgain
{
    /// <summary>Credential: of a passkey, in place of the other two.</summary>
    public sealed record Request(
        [StringLength(PasswordRules.LongestUtf16)] string? Password, [StringLength(SecondFactor.LongestCode)] string? Code, JsonElement? Credential);
    public sealed record Response(DateTimeOffset GoodUntil);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/logins/current/proof", HandleAsync).RequireRateLimiting(RateLimits.Sensitive)
        .WithName("ProveAgain")
        .WithSummary("Proves again that it is you, for 15 minutes and this login: with your password and, where you have an authenticator, its code; or with a passkey ('credential', asked for at passkey-logins/options). Whatever outlives a login asks for it, or is refused with insufficient-user-authentication.")
        .WithExample(request: """{"password": "Correct horse 7", "code": "287082"}""", response: """{"good_until": "2026-11-30T09:15:00Z"}""");

    private static async Task<Results<Ok<Response>, ProblemHttpResult>> HandleAsync(
        Request request, CurrentUser user, Database database, PasswordAgain password, SecondFactor second, PasskeyCeremony ceremony, HttpContext http, CancellationToken ct)
    {
        if (request.Credential is { } credential)
            return await SignInWithPasskey.BeginAsync(credential, database, ceremony, http,
                async (db, person) => person.UserId == user.Id && await RenewAsync(db, user, person.Methods, http) is { } until ? new Response(until) : null, ct) is { } proved
                ? TypedResults.Ok(proved)
                : Problems.Of(403, "invalid-passkey", "This passkey is not yours, or its answer is not right: ask again.");

        // No proof of before: it would be renewed for ever.
        if ((await password.CheckAsync(user.Id, null, request.Password, http, ct)).Refusal is { } wrong) return wrong;
        await using var db = await database.BeginAsync(user, ct);
        var methods = "pwd";
        if (await Authenticator.FindAsync(db) is { IsConfirmed: true } authenticator)
        {
            if (string.IsNullOrWhiteSpace(request.Code)) return Problems.Of(403, "second-factor-required", "The code of your authenticator, or a recovery code, is needed, too.");
            var (used, refusal) = await second.UseAsync(db, authenticator, user.Id, request.Code, CodeTries.InLogin, 403, http, Entry.LoginOf(user));
            if (used is null)
            {
                await db.CommitAsync();
                return refusal!;
            }
            methods = "pwd otp";
        }
        if (await RenewAsync(db, user, methods, http) is not { } goodUntil) return Accounts.Account.Gone();
        await db.CommitAsync();
        return TypedResults.Ok(new Response(goodUntil));
    }

    private static async Task<DateTimeOffset?> RenewAsync(UserTransaction db, CurrentUser user, string methods, HttpContext http)
    {
        var until = await db.RenewProofAsync(Entry.LoginOf(user), methods);
        if (until is not null) await db.NoteAsync(http, Entry.Proved, Entry.LoginOf(user), new { methods });
        return until;
    }
}
