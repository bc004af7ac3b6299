using Npgsql;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.External;

/// <summary>
/// An account elsewhere that signs a person in here: subject of an issuer, and under which name that stands in the settings. Address and name are
/// what the provider said last; the account's own are another matter.
/// </summary>
public sealed record ExternalIdentity(string Provider, string Issuer, string Subject, string? Email, string? Name, DateTimeOffset CreatedAt, DateTimeOffset? LastUsedAt)
{
    public const string Columns = "provider, issuer, subject, email, name, created_at, last_used_at";
    public const string Example =
        """
        {"provider": "google", "issuer": "https://accounts.google.com", "subject": "110169484474386276334", "email": "ada@example.org", "name": "Ada",
         "created_at": "2026-11-30T09:30:00Z", "last_used_at": null}
        """;

    /// <summary>Whose a subject of an issuer is.</summary>
    public sealed record Found(Guid UserId, bool IsDisabled);

    public static async Task<Found?> FindAsync(Database database, ExternalProof proof, CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        return await db.FindAsync<Found>("select user_id, is_disabled from find_external_identity(@Issuer, @Subject)", proof);
    }

    /// <summary>Connects what was proved with the person of the transaction; false where it, or another account of the same issuer, is connected already.</summary>
    public static async Task<bool> AddAsync(UserTransaction db, ExternalProof proof, Guid person, ProviderTokens tokens)
    {
        var (sealedTokens, sealedWith) = tokens.Seal(proof, person);
        try
        {
            await db.ExecuteAsync(
                """
                insert into external_identities (issuer, subject, provider, email, name, tokens, sealed_with, created_at)
                values (@Issuer, @Subject, @Provider, @Email, @Name, @sealedTokens, @sealedWith, clock_timestamp())
                """, new { proof.Issuer, proof.Subject, proof.Provider, proof.Email, proof.Name, sealedTokens, sealedWith });
            return true;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            return false;
        }
    }

    /// <summary>Notes that it was used, with what the provider says now; false where it is not the person's any more.</summary>
    public static async Task<bool> UseAsync(UserTransaction db, ExternalProof proof, Guid person, ProviderTokens tokens)
    {
        var (sealedTokens, sealedWith) = await tokens.SealAsync(db, proof, person);
        return await db.ExecuteAsync(
            """
            update external_identities
            set last_used_at = now(), email = coalesce(@Email, email), name = coalesce(@Name, name), tokens = coalesce(@sealedTokens, tokens), sealed_with = coalesce(@sealedWith, sealed_with)
            where issuer = @Issuer and subject = @Subject
            """, new { proof.Issuer, proof.Subject, proof.Email, proof.Name, sealedTokens, sealedWith }) == 1;
    }
}
