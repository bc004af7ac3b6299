using OpenReadings.Chassis;
using OpenReadings.Identity.Keys;

namespace OpenReadings.Identity.Factors;

/// <summary>What a person shares with their authenticator.</summary>
/// <param name="Secret">Sealed.</param>
/// <param name="SealedWith">The name of the key.</param>
/// <param name="IsConfirmed">Its person has shown that they have it: from then on it is asked for.</param>
public sealed record Authenticator(byte[] Secret, string SealedWith, bool IsConfirmed)
{
    public static Task<Authenticator?> FindAsync(UserTransaction db) =>
        db.FindAsync<Authenticator>("select secret, sealed_with, confirmed_at is not null as is_confirmed from totp");

    /// <summary>What the sealed secret is bound to: nobody can be given another's, and no other secret of theirs.</summary>
    public static string About(Guid person) => $"totp {person}";

    /// <summary>For the caller to clear.</summary>
    public byte[] Open(Sealer sealer, Guid person) => sealer.Open(Secret, SealedWith, About(person));
}
