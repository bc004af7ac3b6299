using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace OpenReadings.Identity.Logins;

/// <summary>256 random bits that open a login once. The prefix lets scanners find leaked ones.</summary>
public readonly record struct RefreshToken(string Value)
{
    public const string Prefix = "rt_";

    public static RefreshToken New() => new(Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)));

    /// <summary>What is stored of it.</summary>
    public byte[] Hash => SHA256.HashData(Encoding.UTF8.GetBytes(Value));

    // A record would print its value into whatever log it meets.
    public override string ToString() => Prefix + "…";
}
