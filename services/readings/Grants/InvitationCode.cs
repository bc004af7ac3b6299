using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace OpenReadings.Readings;

/// <summary>The secret of an offer: 256 random bits, of which only the SHA-256 is kept.</summary>
internal static class InvitationCode
{
    private const string Prefix = "orgi_";

    public static string New() => Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    /// <summary>Null for what cannot be one.</summary>
    public static byte[]? Hash(string? code) => code is { Length: 48 } && code.StartsWith(Prefix, StringComparison.Ordinal)
        ? SHA256.HashData(Encoding.UTF8.GetBytes(code))
        : null;
}
