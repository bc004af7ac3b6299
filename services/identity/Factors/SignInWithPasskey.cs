using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Factors;

/// <summary>Begins a login with a passkey alone: the device is one factor, and what it asked of its person the other.</summary>
public static class SignInWithPasskey
{
    private const string Methods = "webauthn";

    /// <summary>Credential: what its toJSON() gives.</summary>
    public sealed record Request(JsonElement Credential);
    private sealed record Found(Guid UserId, bool IsDisabled);
    private sealed record Stored(Guid PasskeyId, string Name, long SignCount);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/passkey-logins/options", AskAsync)
            .WithName("AskForPasskeyLogin").WithSummary("What navigator.credentials.get shall ask for, within five minutes: for PublicKeyCredential.parseRequestOptionsFromJSON.")
            .WithExample(response: """{"public_key": {"rpId": "readings.example", "challenge": "…", "userVerification": "required"}}""");
        routes.MapPost("/passkey-logins", HandleAsync)
            .WithName("SignInWithPasskey").WithSummary("Signs in with a passkey: no e-mail address, no password, no code.")
            .WithExample(
                request: """{"credential": {"id": "…", "type": "public-key", "response": {"clientDataJSON": "…", "authenticatorData": "…", "signature": "…", "userHandle": "…"}}}""",
                response: LoginTokens.Example);
    }

    private static async Task<Ok<AddPasskey.OptionsResponse>> AskAsync(Database database, PasskeyCeremony ceremony, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        var made = await ceremony.HandlerFor(db, Guid.Empty).MakeRequestOptionsAsync(null, http);
        var asked = JsonElement.Parse(made.RequestOptionsJson);
        await PasskeyCeremony.KeepAsync(db, asked, made.AssertionState);
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new AddPasskey.OptionsResponse(asked));
    }

    private static async Task<Results<Ok<LoginTokens>, ProblemHttpResult>> HandleAsync(
        Request request, Database database, PasskeyCeremony ceremony, TokenIssuer tokens, TimeProvider clock, HttpContext http, CancellationToken ct)
    {
        var answer = await BeginAsync(request.Credential, database, ceremony, http, (db, person) => SignIn.BeginAsync(db, http, person, tokens, clock.GetUtcNow()), ct);
        return answer is null ? Refused() : TypedResults.Ok(answer);
    }

    /// <summary>Begins a login of whomever the credential proves, and commits it; null where it proves nobody, or nothing began.</summary>
    internal static async Task<T?> BeginAsync<T>(
        JsonElement given, Database database, PasskeyCeremony ceremony, HttpContext http, Func<UserTransaction, ProvenPerson, Task<T?>> beginAsync, CancellationToken ct) where T : class
    {
        if (PasskeyCeremony.Read(given) is not { } credential) return null;
        string? state;
        Found? found;
        await using (var unowned = await database.BeginUnownedAsync(ct))
        {
            state = await PasskeyCeremony.TakeAsync(unowned, credential);
            found = await unowned.FindAsync<Found>("select user_id, is_disabled from find_passkey(@Id)", new { credential.Id });
            await unowned.CommitAsync();
        }
        if (state is null || found is not { IsDisabled: false }) return null;

        await using var db = await database.BeginAsync(found.UserId, ct);
        if (await ProveAsync(db, credential, state, found.UserId, ceremony, http) is not { } person) return null;
        if (await beginAsync(db, person) is not { } begun) return null;
        await db.CommitAsync();
        return begun;
    }

    /// <summary>Null where the credential is not right, in a transaction that is then committed with what the audit says of it.</summary>
    private static async Task<ProvenPerson?> ProveAsync(
        UserTransaction db, PasskeyCeremony.Credential credential, string state, Guid userId, PasskeyCeremony ceremony, HttpContext http)
    {
        // Of two at once the second compares its counter with what the first has stored.
        var stored = await db.FindAsync<Stored>("select passkey_id, name, sign_count from passkeys where credential_id = @Id for update", new { credential.Id });
        var answer = await ceremony.HandlerFor(db, userId).PerformAssertionAsync(new() { CredentialJson = credential.Json, AssertionState = state, HttpContext = http });
        if (stored is null || !answer.Succeeded) return null;
        var used = answer.Passkey;
        // Authenticators that do not count say 0, always. One that counted and does not go on has a copy somewhere (WebAuthn §6.1.1).
        if (used.SignCount <= stored.SignCount && (used.SignCount, stored.SignCount) != (0, 0))
        {
            await db.NoteAsync(http, FactorEntry.PasskeyCopied, null, new { stored.PasskeyId, stored.Name });
            await db.CommitAsync();
            return null;
        }
        await db.ExecuteAsync("update passkeys set sign_count = @count, is_backed_up = @IsBackedUp, last_used_at = now() where passkey_id = @PasskeyId",
            new { count = (long)used.SignCount, used.IsBackedUp, stored.PasskeyId });
        return new(userId, (await db.ScalarAsync<string>("select hash from passwords"))!, Methods);
    }

    internal static ProblemHttpResult Refused() =>
        Problems.Of(401, "invalid-passkey", "This passkey signs nobody in, or not with this answer: ask again.");
}
