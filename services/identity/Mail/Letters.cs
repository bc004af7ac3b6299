using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Mail;

/// <summary>A mail that is ready to be sent.</summary>
public sealed record Letter(string To, string Subject, string Text);

/// <summary>What stands in each kind of mail, and which token it carries.</summary>
public static class Letters
{
    public const string Verify = "verify", Reset = "reset", Change = "change", Changed = "changed", PasswordChanged = "password-changed", PasswordReplaced = "password-replaced", FactorAdded = "factor-added", AccessAdded = "access-added", SignedUpAgain = "signed-up-again",
        Invitation = "invitation";

    /// <summary>What a mail tells beside its kind. Never what somebody could write into it who has no right to.</summary>
    public sealed record Details(string? From = null, Guid? InvitationId = null, string? What = null, int ApiKeys = 0, int Passkeys = 0, int Applications = 0);

    /// <summary>The purpose of the token that a kind of mail carries, and how long it is good; null where there is none.</summary>
    public static (string Purpose, TimeSpan Lasts)? TokenOf(string kind) => kind switch
    {
        Verify => ("verify", TimeSpan.FromDays(1)),
        Reset => ("reset", TimeSpan.FromHours(1)),
        Change => ("change", TimeSpan.FromDays(1)),
        Changed or FactorAdded => ("undo", TimeSpan.FromDays(7)),
        _ => null,
    };

    /// <param name="kind">One of the above.</param>
    /// <param name="to">The address.</param>
    /// <param name="link">Where the person goes on, with the token in it; where the kind has none, to a new password.</param>
    /// <param name="details">What is told.</param>
    public static Letter Of(string kind, string to, string link, Details details) => kind switch
    {
        Verify => new(to, "Confirm your e-mail address",
            $"Somebody, probably you, has signed up at OpenReadings with this address.\n\nTo confirm that it is yours, open\n\n{link}\n\nThe link is good for a day. If it was not you, ignore this mail."),
        Reset => new(to, "Choose a new password",
            $"Somebody, probably you, wants to choose a password for the account with this address.\n\nTo do so, open\n\n{link}\n\nThe link is good for an hour. If it was not you, ignore this mail: nothing has changed."),
        Change => new(to, "Confirm your new e-mail address",
            $"Somebody, probably you, wants to use this address for their account at OpenReadings.\n\nTo confirm that it is yours, open\n\n{link}\n\nThe link is good for a day. If it was not you, ignore this mail."),
        Changed => new(to, "Your e-mail address was changed",
            $"Your account at OpenReadings has another e-mail address now.\n\nIf it was not you who changed it, open\n\n{link}\n\nwithin seven days: it brings this address back, signs everybody out, and mails you a link for a new password."),
        FactorAdded => new(to, "There is another way into your account",
            $"An authenticator, a passkey or an account elsewhere was added to your account at OpenReadings.\n\nIf it was not you who added it, open\n\n{link}\n\nwithin seven days: it takes it away with all that was added and changed after it, signs everybody out, and mails you a link for a new password."),
        PasswordChanged => new(to, "Your password was changed",
            $"The password of your account at OpenReadings was changed, and all other logins have ended.{(details.ApiKeys > 0 ? $" API keys that go on: {details.ApiKeys}." : "")}\n\nIf it was not you, choose a new password at once:\n\n{link}"),
        PasswordReplaced => new(to, "Your password was changed",
            $"The password of your account at OpenReadings was replaced by mail. All logins have ended, and all API keys ({details.ApiKeys}): gadgets need new ones. Applications that you let in have to ask you again.\n\nIf the password had been changed in the seven days before, what was added since then has ended, too: passkeys, an authenticator, applications, and what was shared with others.\n\nWhat stays: passkeys ({details.Passkeys}) and applications of your own ({details.Applications}). Look whether you know them.\n\nIf it was not you, choose a new password at once:\n\n{link}"),
        AccessAdded => new(to, $"{details.What} was made in your account",
            $"{details.What} was made in your account at OpenReadings.\n\nIf it was not you who made it, choose a new password at once, which ends all logins and API keys:\n\n{link}\n\nThen look which applications there are."),
        SignedUpAgain => new(to, "You have an account already",
            $"Somebody, perhaps you, has tried to sign up at OpenReadings with this address. You have an account already, and nothing has changed.\n\nIf it was you and you have forgotten your password, choose a new one:\n\n{link}"),
        Invitation => new(to, "You are invited to OpenReadings",
            $"{details.From ?? "Somebody"} invites you to OpenReadings, where people keep what they measure.\n\nTo make an account, open\n\n{link}\n\nIt is good for seven days and for one person."),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "There is no such mail."),
    };

    /// <summary>
    /// Tells a person of another way in, and how to undo it. Before it is made, which is undone by being later. Who never confirmed the address
    /// hears nothing: it may be somebody else who reads there.
    /// </summary>
    public static async Task MailOfFactorAsync(this UserTransaction db)
    {
        if (await db.FindAsync<string>("select email from accounts where email_verified_at is not null") is { } email) await db.MailAsync(FactorAdded, email);
    }

    /// <summary>
    /// Tells a person of a key, an application or a secret, five times an hour at most. Nothing that whoever made it called it: that may be meant for
    /// the one who reads the mail.
    /// </summary>
    public static Task MailOfAccessAsync(this UserTransaction db, string what) => db.ExecuteAsync(
        """
        insert into mail_outbox (kind, to_address, details)
        select @AccessAdded, email, jsonb_build_object('what', @what)
        from accounts
        where email_verified_at is not null
            and (select count(*) from audit where action in (@ApiKeyMade, @ApiKeyRotated, @ApplicationMade, @ApplicationSecretRotated, @ApplicationQueueMade, @ApplicationQueuePasswordRotated) and at > now() - interval '1 hour') < 5
        """, new { AccessAdded, what, Entry.ApiKeyMade, Entry.ApiKeyRotated, Entry.ApplicationMade, Entry.ApplicationSecretRotated, Entry.ApplicationQueueMade, Entry.ApplicationQueuePasswordRotated });

    /// <summary>Has a mail sent, if and only if the transaction commits.</summary>
    public static Task MailAsync(this UserTransaction db, string kind, string to, object? details = null) => db.ExecuteAsync(
        // By the clock and not now(): of two transactions the one that began first may be the later one.
        "insert into mail_outbox (kind, to_address, details, created_at) values (@kind, @to, coalesce(@details::jsonb, '{}'), clock_timestamp())",
        new { kind, to, details = details is null ? null : System.Text.Json.JsonSerializer.Serialize(details, Json.Options) });
}
