using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Mail;

/// <summary>256 random bits in a mail: whoever has them reads the mails of that address. Each is good once and for a time.</summary>
public readonly record struct MailToken(string Value)
{
    private const string Prefix = "om_";

    public sealed record Found(Guid UserId, string Purpose, bool IsGood);

    public static MailToken New() => new(Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)));

    /// <summary>What is stored of it.</summary>
    public byte[] Hash => SHA256.HashData(Encoding.UTF8.GetBytes(Value));

    /// <summary>Whose a token is and for what; null where it is unknown, used, expired, or for something else.</summary>
    public static async Task<Found?> FindAsync(Database database, string? value, CancellationToken ct, params string[] purposes)
    {
        if (value is not { Length: < 100 } || !value.StartsWith(Prefix, StringComparison.Ordinal)) return null;
        await using var db = await database.BeginUnownedAsync(ct);
        var found = await db.FindAsync<Found>("select user_id, purpose, is_good from find_mail_token(@Hash)", new { new MailToken(value).Hash });
        return found is { IsGood: true } && purposes.Contains(found.Purpose) ? found : null;
    }

    /// <summary>Uses it up in the person's transaction: the address that it proves; null where another request was quicker.</summary>
    public static Task<string?> UseAsync(UserTransaction db, string value) => db.FindAsync<string>(
        "update mail_tokens set used_at = now() where token_hash = @Hash and used_at is null and expires_at > now() returning email", new { new MailToken(value).Hash });

    /// <summary>Makes those of some purposes worth nothing, also those that are still to be mailed.</summary>
    public static async Task TakeBackAsync(UserTransaction db, params string[] purposes)
    {
        // In this order: a mail that is being sent is waited for here, and its token is there afterwards.
        await db.ExecuteAsync("delete from mail_outbox where kind = any(@purposes)", new { purposes });
        await db.ExecuteAsync("update mail_tokens set used_at = now() where purpose = any(@purposes) and used_at is null", new { purposes });
    }

    public static Microsoft.AspNetCore.Http.HttpResults.ProblemHttpResult Refused() =>
        Problems.Of(400, "invalid-token", "The link is unknown, too old, or was used before. Ask for a new one.");

    // A record would print its value into whatever log it meets.
    public override string ToString() => Prefix + "…";
}
