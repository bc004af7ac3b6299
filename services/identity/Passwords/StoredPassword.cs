using OpenReadings.Chassis;

namespace OpenReadings.Identity.Passwords;

/// <summary>What is stored of a person's password.</summary>
public sealed record StoredPassword(string Hash)
{
    /// <summary>Null when the account is gone.</summary>
    public static async Task<StoredPassword?> OfAsync(CurrentUser user, Database database, CancellationToken ct) =>
        await database.ReadAsync<StoredPassword>(user, "select hash from passwords", null, ct) is [var only]
            ? only
            : null;
}
