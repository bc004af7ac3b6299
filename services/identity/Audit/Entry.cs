using System.Text.Json;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Audit;

/// <summary>What is worth telling a person about their account, written in the transaction that does it.</summary>
public static class Entry
{
    public const string SignedIn = "signed-in", SignInRefused = "sign-in-refused", SignedOut = "signed-out", Proved = "proved-again", LoginEnded = "login-ended", LoginsEnded = "logins-ended", TokenReused = "token-reused",
        PasswordChanged = "password-changed", ProfileChanged = "profile-changed", AvatarChanged = "avatar-changed", AvatarRemoved = "avatar-removed", PreferencesChanged = "preferences-changed", ApiKeyMade = "api-key-made",
        ApiKeyRotated = "api-key-rotated", ApiKeyEnded = "api-key-ended",
        ApplicationMade = "application-made", ApplicationChanged = "application-changed", ApplicationSecretRotated = "application-secret-rotated", ApplicationEnded = "application-ended",
        ApplicationQueueMade = "application-queue-made", ApplicationQueuePasswordRotated = "application-queue-password-rotated", ApplicationQueueEnded = "application-queue-ended",
        ApplicationAllowed = "application-allowed", ApplicationRemoved = "application-removed", EmailVerified = "email-verified", PasswordReset = "password-reset", EmailChangeAsked = "email-change-asked",
        EmailChanged = "email-changed", EmailChangeUndone = "email-change-undone", Invited = "invited", ArchiveTaken = "archive-taken", ProviderConnected = "provider-connected",
        ProviderDisconnected = "provider-disconnected";

    /// <param name="db">The person's transaction.</param>
    /// <param name="http">Where it comes from.</param>
    /// <param name="action">One of the above.</param>
    /// <param name="loginId">By which login; null where there is none.</param>
    /// <param name="details">What a reader would ask next. Never a secret, and nothing of anybody else.</param>
    public static Task NoteAsync(this UserTransaction db, HttpContext http, string action, Guid? loginId, object? details = null) => db.ExecuteAsync(
        """
        insert into audit (entry_id, action, login_id, address, details)
        values (@Id, @action, @loginId, @address::cidr, coalesce(@details::jsonb, '{}'))
        """,
        new
        {
            Id = OrderedId.Next(), action, loginId, address = RateLimits.NetworkOf(http).ToString(),
            details = details is null ? null : JsonSerializer.Serialize(details, Json.Options),
        });

    /// <summary>The login of an access token.</summary>
    public static Guid? LoginOf(CurrentUser user) => Guid.TryParseExact(user.Token.LoginId, "D", out var loginId) ? loginId : null;
}
