using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;
using OpenReadings.Chassis;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Factors;

/// <summary>
/// What a browser and the framework's passkey handler (WebAuthn) say to each other, and what was asked meanwhile: kept in the database, taken
/// once. Only pages of the issuer's own origin may ask, for the issuer's host, and the authenticator has to make sure of its person.
/// </summary>
public sealed class PasskeyCeremony(TokenIssuer tokens, ILoggerFactory logs)
{
    private readonly IOptions<IdentityPasskeyOptions> options = Options.Create(OptionsOf(new Uri(tokens.Issuer)));

    /// <summary>A credential as a browser writes it (PublicKeyCredential.toJSON), and what has to be known of it before the framework looks.</summary>
    public sealed record Credential(string Json, byte[] Id, byte[] ChallengeHash);

    /// <summary>The framework's handler over the passkeys of one person's transaction.</summary>
    public PasskeyHandler<PasskeyOwner> HandlerFor(UserTransaction db, Guid person) => new(
        // What the manager has beyond its store is for passwords and pages of the framework.
        new UserManager<PasskeyOwner>(new PasskeyStore(db, person), Options.Create(new IdentityOptions()), null!, [], [], null!, null!, null!, logs.CreateLogger<UserManager<PasskeyOwner>>()),
        options);

    /// <summary>Keeps what was asked for five minutes; of nobody, or of the person of the transaction.</summary>
    public static Task KeepAsync(UserTransaction db, JsonElement asked, string? state) => db.ExecuteAsync(
        "call keep_passkey_challenge(@hash, @state)", new { hash = SHA256.HashData(Base64Url.DecodeFromChars(asked.GetProperty("challenge").GetString())), state });

    /// <summary>What was asked, once; null where nothing was, of this person or lately.</summary>
    public static Task<string?> TakeAsync(UserTransaction db, Credential credential) =>
        db.ScalarAsync<string?>("select take_passkey_challenge(@ChallengeHash)", new { credential.ChallengeHash });

    /// <summary>Null where it is none at all.</summary>
    public static Credential? Read(JsonElement given)
    {
        try
        {
            var data = Base64Url.DecodeFromChars(given.GetProperty("response").GetProperty("clientDataJSON").GetString());
            using var client = JsonDocument.Parse(data);
            var challenge = Base64Url.DecodeFromChars(client.RootElement.GetProperty("challenge").GetString());
            return new(given.GetRawText(), Base64Url.DecodeFromChars(given.GetProperty("id").GetString()), SHA256.HashData(challenge));
        }
        catch (Exception e) when (e is FormatException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }

    private static IdentityPasskeyOptions OptionsOf(Uri issuer) => new()
    {
        ServerDomain = issuer.Host,
        AuthenticatorTimeout = TimeSpan.FromMinutes(5),
        ChallengeSize = 32,
        UserVerificationRequirement = "required",
        ResidentKeyRequirement = "required",
        AttestationConveyancePreference = "none",
        ValidateOrigin = context => ValueTask.FromResult(context.Origin == issuer.GetLeftPart(UriPartial.Authority) && !context.CrossOrigin && context.TopOrigin is null),
    };
}

/// <summary>Whose a passkey is, to the framework.</summary>
public sealed record PasskeyOwner(Guid UserId);
