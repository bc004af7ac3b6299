using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Keys;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.Passwords;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Factors;

/// <summary>Adds an authenticator to an account in two steps, and takes it away. Until the second step it is asked for nowhere.</summary>
public static class ManageTotp
{
    /// <summary>Secret: shown here and never again. Uri: for the picture that an authenticator reads.</summary>
    public sealed record Response(string Secret, string OtpauthUri);
    public sealed record Proof([Required, StringLength(SecondFactor.LongestCode)] string Code, [StringLength(PasswordRules.LongestUtf16)] string? Password);
    private const string Proven = """{"code": "287082", "password": "Correct horse 7"}""";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/me/totp", MakeAsync)
            .WithName("MakeTotp").WithSummary("A secret for your authenticator, shown once. It counts when you have confirmed it with a code; until then this makes another. Takes a recent proof.")
            .WithExample(response: """{"secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "otpauth_uri": "otpauth://totp/readings.example:ada%40example.org?secret=…&issuer=readings.example"}""");
        routes.MapPost("/me/totp/confirm", ConfirmAsync).RequireRateLimiting(RateLimits.Sensitive)
            .WithName("ConfirmTotp").WithSummary("Turns the authenticator on: from now on signing in asks for its code. Answers with ten recovery codes, shown once.")
            .WithExample(request: Proven, response: MakeRecoveryCodes.Example);
        routes.MapDelete("/me/totp", RemoveAsync).RequireRateLimiting(RateLimits.Sensitive)
            .WithName("RemoveTotp").WithSummary("Turns the authenticator off, and its recovery codes with it. Asks for the password, or for a recent proof where you never chose one, and a code, which may be a recovery code.")
            .WithExample(request: Proven);
    }

    private static async Task<Results<Ok<Response>, ProblemHttpResult>> MakeAsync(
        CurrentUser user, Database database, Sealer sealer, TokenIssuer tokens, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutRecentProofAsync(user, http) is { } refused) return refused;
        var secret = RandomNumberGenerator.GetBytes(Totp.SecretBytes);
        var made = await db.ExecuteAsync(
            """
            insert into totp as t (secret, sealed_with) values (@box, @Name)
            on conflict (user_id) do update set secret = @box, sealed_with = @Name, made_at = now(), last_step = 0
            where t.confirmed_at is null
            """, new { box = sealer.Seal(secret, Authenticator.About(user.Id)), sealer.Name });
        if (made == 0) return Problems.Of(409, "totp-exists", "You have an authenticator. Remove it first.");
        var email = await db.ScalarAsync<string>("select email from accounts");
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        var shown = Base32.Encode(secret);
        CryptographicOperations.ZeroMemory(secret);
        var issuer = Uri.EscapeDataString(new Uri(tokens.Issuer).Host);
        return TypedResults.Ok(new Response(shown, $"otpauth://totp/{issuer}:{Uri.EscapeDataString(email!)}?secret={shown}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"));
    }

    private static async Task<Results<Ok<MakeRecoveryCodes.Response>, ProblemHttpResult>> ConfirmAsync(
        Proof proof, CurrentUser user, Database database, PasswordAgain password, SecondFactor second, HttpContext http, CancellationToken ct)
    {
        if (await password.RefuseAsync(user, proof.Password, http, ct) is { } refused) return refused;
        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutPasswordOrProofAsync(user, http) is { } old) return old;
        if (await Authenticator.FindAsync(db) is not { } authenticator) return Problems.Of(404, "totp-not-found", "You have no authenticator. Make a secret first.");
        if (authenticator.IsConfirmed) return Problems.Of(409, "totp-exists", "Your authenticator is confirmed already.");
        var (used, refusal) = await second.UseAsync(db, authenticator, user.Id, proof.Code, CodeTries.InLogin, 403, http, Entry.LoginOf(user));
        if (used is null)
        {
            await db.CommitAsync();
            return refusal!;
        }
        await db.MailOfFactorAsync();
        // The secret of the code that was checked, and no other that a second request made meanwhile.
        if (await db.ExecuteAsync("update totp set confirmed_at = clock_timestamp() where confirmed_at is null and secret = @Secret", new { authenticator.Secret }) == 0)
            return Problems.Of(409, "totp-exists", "Your authenticator was changed meanwhile.");
        var codes = await RecoveryCodes.MakeAsync(db);
        // Password and code were given just now: what this login adds next is not asked for them again. A proof of before renews none.
        if (await db.ScalarAsync<bool>("select is_chosen from passwords")) await db.RenewProofAsync(Entry.LoginOf(user), "pwd otp");
        await db.NoteAsync(http, FactorEntry.TotpAdded, Entry.LoginOf(user));
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new MakeRecoveryCodes.Response(codes));
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> RemoveAsync(
        [FromBody] Proof proof, CurrentUser user, Database database, PasswordAgain password, SecondFactor second, HttpContext http, CancellationToken ct)
    {
        if (await password.RefuseAsync(user, proof.Password, http, ct) is { } refused) return refused;
        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutPasswordOrProofAsync(user, http) is { } old) return old;
        if (await Authenticator.FindAsync(db) is not { IsConfirmed: true } authenticator) return Problems.Of(404, "totp-not-found", "You have no authenticator.");
        var (used, refusal) = await second.UseAsync(db, authenticator, user.Id, proof.Code, CodeTries.InLogin, 403, http, Entry.LoginOf(user));
        if (used is not null)
        {
            await db.ExecuteAsync("delete from totp");
            await db.ExecuteAsync("delete from recovery_codes");
            await db.NoteAsync(http, FactorEntry.TotpRemoved, Entry.LoginOf(user));
        }
        await db.CommitAsync();
        return used is null ? refusal! : TypedResults.NoContent();
    }
}
