using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Mail;

namespace OpenReadings.Identity.Accounts;

/// <summary>Confirms that an address is its person's, with the token of a mail that went there; and has that mail sent again.</summary>
public static class VerifyEmail
{
    public sealed record Request(string? Token);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/email-verifications", HandleAsync)
        .WithName("VerifyEmail").WithSummary("Confirms the address of an account with the token that was mailed to it. Good for a day and once.")
        .WithExample(request: """{"token": "om_7Jm0nU3f…"}""");

    public static void MapAgain(IEndpointRouteBuilder routes) => routes.MapPost("/me/email-verification", AgainAsync)
        .WithName("SendVerificationAgain").WithSummary("Mails the confirmation of your address again: once a minute, five times a day.");

    public static async Task<ProblemHttpResult?> VerifyAsync(string? token, Database database, HttpContext http, CancellationToken ct)
    {
        if (await MailToken.FindAsync(database, token, ct, "verify") is not { } found) return MailToken.Refused();
        await using var db = await database.BeginAsync(found.UserId, ct);
        if (await MailToken.UseAsync(db, token!) is not { } email) return MailToken.Refused();
        // Of the address that it has now: it may have been changed since.
        if (await db.ExecuteAsync("update accounts set email_verified_at = coalesce(email_verified_at, now()) where email = @email", new { email }) == 0) return MailToken.Refused();
        await db.NoteAsync(http, Entry.EmailVerified, null);
        await db.CommitAsync();
        return null;
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(Request request, Database database, HttpContext http, CancellationToken ct) =>
        await VerifyAsync(request.Token, database, http, ct) is { } problem ? problem : TypedResults.NoContent();

    private static async Task<Results<NoContent, ProblemHttpResult>> AgainAsync(CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await db.FindAsync<string>("select email from accounts where email_verified_at is null for update") is not { } email)
            return Problems.Of(409, "already-verified", "The address is confirmed already.");
        var isTooOften = await db.ScalarAsync<bool>(
            """
            select count(*) filter (where created_at > now() - interval '1 minute') > 0 or count(*) >= 5
            from (select created_at from mail_tokens where purpose = 'verify' union all select created_at from mail_outbox where kind = 'verify' and attempts = 0) sent
            where created_at > now() - interval '1 day'
            """);
        if (isTooOften)
        {
            http.Response.Headers.RetryAfter = "60";
            return Problems.Of(429, "too-many-mails", "A mail is on its way. Look for it, and wait a minute for another; there are five a day.");
        }
        await db.MailAsync(Letters.Verify, email);
        await db.CommitAsync();
        return TypedResults.NoContent();
    }
}
