using System.Security.Cryptography;
using System.Text;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Factors;

/// <summary>Ten codes for the day when the authenticator is lost, each good once: 80 bits, of which the SHA-256 is kept.</summary>
public static class RecoveryCodes
{
    public const int Count = 10, Length = 16;
    private const int Bytes = 10;

    /// <summary>Ten new ones in place of those of before, as they are shown: once.</summary>
    public static async Task<string[]> MakeAsync(UserTransaction db)
    {
        string[] codes = [.. Enumerable.Range(0, Count).Select(_ => Base32.Encode(RandomNumberGenerator.GetBytes(Bytes)))];
        await db.ExecuteAsync("delete from recovery_codes");
        await db.ExecuteAsync("insert into recovery_codes (code_hash) select unnest(@hashes)", new { hashes = codes.Select(HashOf).ToArray() });
        return [.. codes.Select(code => string.Join('-', code.ToLowerInvariant().Chunk(4).Select(part => new string(part))))];
    }

    /// <summary>Uses one up. How many are left; null where it is none, or was used.</summary>
    public static async Task<int?> UseAsync(UserTransaction db, string code)
    {
        // The second of two at once waits here, and finds it used.
        if (await db.ExecuteAsync("update recovery_codes set used_at = now() where code_hash = @hash and used_at is null", new { hash = HashOf(code) }) == 0) return null;
        return await LeftAsync(db);
    }

    public static Task<int> LeftAsync(UserTransaction db) => db.ScalarAsync<int>("select count(*)::int from recovery_codes where used_at is null");

    private static byte[] HashOf(string code) => SHA256.HashData(Encoding.UTF8.GetBytes(code.ToUpperInvariant()));
}
