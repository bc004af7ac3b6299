using System.Security.Cryptography;
using System.Text;

namespace OpenReadings.Identity.ApiKeys;

/// <summary>
/// A key as it is shown once. The prefix and the id let scanners and people find whose a leaked one is, the checksum tells a mistyped one
/// from a wrong one without a question to the database.
/// </summary>
public readonly record struct NewKey(string Id, string Value)
{
    private const string Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    /// <param name="environment">Small letters, so that a key of a trial is not taken for one that opens real rows.</param>
    public static NewKey In(string environment)
    {
        var id = RandomNumberGenerator.GetString(Alphabet, 12);
        var key = $"or_{environment}_{id}_{RandomNumberGenerator.GetString(Alphabet, 43)}";     // 43 of 62 signs: 256 bits
        return new(id, key + Chassis.ApiKeys.Checksum(key));
    }

    /// <summary>What is stored of it.</summary>
    public byte[] Hash => HashOf(Value);

    public static byte[] HashOf(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    // A record would print its value into whatever log it meets.
    public override string ToString() => $"or_…_{Id}_…";
}
