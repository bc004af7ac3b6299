using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Accounts;

/// <summary>
/// The account of whoever asks. Signed up again: somebody tried to with this address, and it changed nothing. Has password: not where a provider signs
/// them in and they have chosen none. Avatar: null where there is none.
/// </summary>
public sealed record Account(
    Guid AccountId, string Email, bool EmailVerified, string? Name, string TimeZone, DateTimeOffset CreatedAt,
    bool HasPassword, DateTimeOffset PasswordChangedAt, DateTimeOffset? SignedUpAgainAt, string? AvatarUrl)
{
    public const string Example =
        """
        {"account_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "email": "ada@example.org", "email_verified": true, "name": "Ada",
         "time_zone": "Europe/Ljubljana", "created_at": "2026-11-21T09:30:00Z", "has_password": true,
         "password_changed_at": "2026-11-21T09:30:00Z", "signed_up_again_at": null, "avatar_url": "/identity/v1/me/avatar"}
        """;

    public const string Select =
        """
        select user_id as account_id, email, email_verified_at is not null as email_verified, name, time_zone, created_at,
            passwords.is_chosen as has_password, passwords.changed_at as password_changed_at, signed_up_again_at,
            (select '/identity/v1/me/avatar' from avatars) as avatar_url
        from accounts
        join passwords using (user_id)
        """;

    /// <summary>For a token that outlives its account by some minutes.</summary>
    public static ProblemHttpResult Gone() =>
        Problems.Of(401, "account-not-found", "The account of this token does not exist any more.");

    public static ProblemHttpResult WrongPassword() =>
        Problems.Of(403, "wrong-password", "The password is wrong.");
}
