using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Factors;

/// <summary>Adds a passkey: first what the browser shall ask its authenticator for, then what that made.</summary>
public static class AddPasskey
{
    private const int Most = 20;
    public sealed record OptionsRequest([StringLength(PasswordRules.LongestUtf16)] string? Password);

    /// <summary>For PublicKeyCredential.parseCreationOptionsFromJSON, or parseRequestOptionsFromJSON at sign-in.</summary>
    public sealed record OptionsResponse(JsonElement PublicKey);

    /// <summary>Credential: what its toJSON() gives.</summary>
    public sealed record Request(string? Name, JsonElement Credential);
    private sealed record Profile(string Email, string? Name);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/me/passkeys/options", AskAsync).RequireRateLimiting(RateLimits.Sensitive)
            .WithName("AskForPasskey").WithSummary("What navigator.credentials.create shall ask for, within five minutes: for PublicKeyCredential.parseCreationOptionsFromJSON. Asks for the password, where you chose one, and takes a recent proof.")
            .WithExample(request: """{"password": "Correct horse 7"}""", response: """{"public_key": {"rp": {"id": "readings.example"}, "challenge": "…", "user": {"name": "ada@example.org"}}}""");
        routes.MapPost("/me/passkeys", AddAsync)
            .WithName("AddPasskey").WithSummary("Adds the passkey that the browser made: it signs you in without a password.")
            .WithExample(request: """{"name": "Phone", "credential": {"id": "…", "type": "public-key", "response": {"clientDataJSON": "…", "attestationObject": "…"}}}""", response: Passkey.Example);
    }

    private static Task<Results<Ok<OptionsResponse>, ProblemHttpResult>> AskAsync(
        OptionsRequest request, CurrentUser user, Database database, PasswordAgain password, PasskeyCeremony ceremony, HttpContext http, CancellationToken ct) =>
        AskForAsync(user.Id, Entry.LoginOf(user), request.Password, database, password, ceremony, http, ct);

    internal static async Task<Results<Ok<OptionsResponse>, ProblemHttpResult>> AskForAsync(
        Guid person, Guid? loginId, string? given, Database database, PasswordAgain password, PasskeyCeremony ceremony, HttpContext http, CancellationToken ct)
    {
        if ((await password.CheckAsync(person, loginId, given, http, ct)).Refusal is { } refused) return refused;
        await using var db = await database.BeginAsync(person, ct);
        if (await db.RefuseWithoutRecentProofAsync(loginId, http) is { } old) return old;
        var profile = (await db.FindAsync<Profile>("select email, name from accounts"))!;
        var entity = new PasskeyUserEntity { Id = person.ToString(), Name = profile.Email, DisplayName = profile.Name ?? profile.Email };
        var made = await ceremony.HandlerFor(db, person).MakeCreationOptionsAsync(entity, http);
        var asked = JsonElement.Parse(made.CreationOptionsJson);
        await PasskeyCeremony.KeepAsync(db, asked, made.AttestationState);
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new OptionsResponse(asked));
    }

    private static Task<Results<Created<Passkey>, ProblemHttpResult>> AddAsync(
        Request request, CurrentUser user, Database database, PasskeyCeremony ceremony, HttpContext http, CancellationToken ct) =>
        AddForAsync(user.Id, Entry.LoginOf(user), request, database, ceremony, http, ct);

    internal static async Task<Results<Created<Passkey>, ProblemHttpResult>> AddForAsync(
        Guid person, Guid? loginId, Request request, Database database, PasskeyCeremony ceremony, HttpContext http, CancellationToken ct)
    {
        if (Passkey.BrokenByName(request.Name) is { Length: > 0 } broken) return Problems.Of(400, "validation-failed", "Some fields are not valid.", broken);
        if (PasskeyCeremony.Read(request.Credential) is not { } credential) return Invalid();
        string? state;
        await using (var taken = await database.BeginAsync(person, ct))
        {
            state = await PasskeyCeremony.TakeAsync(taken, credential);
            await taken.CommitAsync();
        }
        if (state is null) return Invalid();

        await using var db = await database.BeginAsync(person, ct);
        if (await db.RefuseWithoutRecentProofAsync(loginId, http) is { } old) return old;
        var answer = await ceremony.HandlerFor(db, person).PerformAttestationAsync(new() { CredentialJson = credential.Json, AttestationState = state, HttpContext = http });
        if (!answer.Succeeded) return Invalid();
        if (await db.ScalarAsync<int>("select count(*)::int from passkeys") >= Most) return Problems.Of(409, "too-many-passkeys", $"There are {Most} passkeys. Remove one of them first.");
        var (made, id) = (answer.Passkey, OrderedId.Next());
        await db.MailOfFactorAsync();
        try
        {
            var row = await db.FindAsync<Passkey>(
                $"""
                insert into passkeys (passkey_id, name, credential_id, public_key, sign_count, transports, is_backup_eligible, is_backed_up, created_at)
                values (@id, @Name, @CredentialId, @PublicKey, @count, @transports, @IsBackupEligible, @IsBackedUp, clock_timestamp())
                returning {Passkey.Columns}
                """, new { id, request.Name, made.CredentialId, made.PublicKey, count = (long)made.SignCount, transports = string.Join(' ', made.Transports ?? []), made.IsBackupEligible, made.IsBackedUp });
            await db.NoteAsync(http, FactorEntry.PasskeyAdded, loginId, new { passkeyId = id, request.Name });
            await db.CommitAsync();
            return TypedResults.Created($"/identity/v1/me/passkeys/{id}", row);
        }
        catch (PostgresException e) when (e.ConstraintName == "passkeys_credential_id_key")
        {
            return Problems.Of(409, "passkey-exists", "This passkey is registered already.");
        }
    }

    // Why is not said: a browser that does as it was asked never comes here.
    private static ProblemHttpResult Invalid() =>
        Problems.Of(400, "invalid-passkey", "This passkey was not asked for within the last five minutes, was answered already, or is not what was asked for.");
}
