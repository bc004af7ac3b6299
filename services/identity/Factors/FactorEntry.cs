namespace OpenReadings.Identity.Factors;

/// <summary>What the audit tells of second factors and passkeys.</summary>
public static class FactorEntry
{
    public const string TotpAdded = "totp-added", TotpRemoved = "totp-removed", RecoveryCodesMade = "recovery-codes-made", RecoveryCodeUsed = "recovery-code-used",
        PasskeyAdded = "passkey-added", PasskeyRenamed = "passkey-renamed", PasskeyRemoved = "passkey-removed", PasskeyCopied = "passkey-copied";
}
