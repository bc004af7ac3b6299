using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Keys;

/// <summary>A row of signing_keys: public half in the open, private half sealed.</summary>
public sealed record SealedKey(
    string Kid, string X, string Y, byte[] PrivateKey, string SealedWith,
    DateTimeOffset SignsFrom, DateTimeOffset SignsUntil, DateTimeOffset GoneAt);

/// <summary>
/// Seals private signing keys with the key-encryption key (AES-256-GCM), which comes from the secrets directory and is
/// never in the database: a stolen dump signs no tokens.
/// </summary>
public sealed class KeySealer
{
    private const int NonceBytes = 12, TagBytes = 16, KeyBytes = 32;
    private readonly byte[] key = new byte[KeyBytes];

    public KeySealer(IConfiguration config)
    {
        var secret = config["KeyEncryptionKey"]?.Trim() ?? "";
        if (!Convert.TryFromBase64String(secret, key, out var length) || length != KeyBytes)
            throw new StartRefusedException(
                "The secret KeyEncryptionKey is missing or not 32 bytes in base64. Make one: openssl rand -base64 32.");
        Name = Convert.ToHexStringLower(SHA256.HashData(key))[..8];
    }

    /// <summary>Tells key-encryption keys apart without giving anything away.</summary>
    public string Name { get; }

    /// <summary>A new P-256 key that signs in the given time.</summary>
    public SealedKey Make(DateTimeOffset signsFrom, DateTimeOffset signsUntil, DateTimeOffset goneAt)
    {
        using var made = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (x, y) = PublicHalf(made);
        // RFC 7638: the members in this order and without white space.
        var members = $$"""{"crv":"P-256","kty":"EC","x":"{{x}}","y":"{{y}}"}""";
        var kid = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(members)));

        var plain = made.ExportPkcs8PrivateKey();
        var box = new byte[NonceBytes + TagBytes + plain.Length];
        RandomNumberGenerator.Fill(box.AsSpan(0, NonceBytes));
        using var aes = new AesGcm(key, TagBytes);
        aes.Encrypt(
            box.AsSpan(0, NonceBytes), plain, box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes),
            Encoding.ASCII.GetBytes(kid));
        CryptographicOperations.ZeroMemory(plain);
        return new SealedKey(kid, x, y, box, Name, signsFrom, signsUntil, goneAt);
    }

    public ECDsa Open(SealedKey from)
    {
        if (from.SealedWith != Name)
            throw new StartRefusedException(
                $"Signing key {from.Kid} is sealed with the secret {from.SealedWith}, and KeyEncryptionKey is {Name}. "
                + "Restore the old secret, or delete the row: everybody then needs a new access token.");
        var plain = new byte[from.PrivateKey.Length - NonceBytes - TagBytes];
        try
        {
            using var aes = new AesGcm(key, TagBytes);
            aes.Decrypt(from.PrivateKey.AsSpan(0, NonceBytes), from.PrivateKey.AsSpan(NonceBytes + TagBytes),
                from.PrivateKey.AsSpan(NonceBytes, TagBytes), plain, Encoding.ASCII.GetBytes(from.Kid));
            var opened = ECDsa.Create();
            opened.ImportPkcs8PrivateKey(plain, out _);
            // What is published is as good as the sealed half: whoever can write to the table must not swap the rest.
            if (PublicHalf(opened) != (from.X, from.Y))
                throw new CryptographicException($"Signing key {from.Kid} was tampered with.");
            return opened;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    private static (string X, string Y) PublicHalf(ECDsa key)
    {
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        return (Base64Url.EncodeToString(point.X), Base64Url.EncodeToString(point.Y));
    }
}
