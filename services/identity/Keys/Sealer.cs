using System.Security.Cryptography;
using System.Text;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Keys;

/// <summary>
/// Seals what must be stored and read again with a key that comes from the secrets directory and is never in the database (AES-256-GCM): a
/// stolen dump opens nothing. KeyEncryptionKey seals; what KeyEncryptionKeys:Old:&lt;n&gt; sealed before is opened, and sealed anew meanwhile.
/// </summary>
public sealed class Sealer
{
    private const int NonceBytes = 12, TagBytes = 16, KeyBytes = 32;
    private readonly Dictionary<string, byte[]> keys = [];

    public Sealer(IConfiguration config)
    {
        var current = KeyOf(config["KeyEncryptionKey"], "KeyEncryptionKey");
        Name = NameOf(current);
        foreach (var old in config.GetSection("KeyEncryptionKeys:Old").GetChildren())
        {
            var key = KeyOf(old.Value, old.Path);
            keys[NameOf(key)] = key;
        }
        keys[Name] = current;
    }

    /// <summary>Tells the key that seals from others without giving anything away.</summary>
    public string Name { get; }

    /// <summary>Nonce, tag, sealed content.</summary>
    /// <param name="plain">What is secret.</param>
    /// <param name="about">Whose it is and what for: it opens as nothing else.</param>
    public byte[] Seal(ReadOnlySpan<byte> plain, string about)
    {
        var box = new byte[NonceBytes + TagBytes + plain.Length];
        RandomNumberGenerator.Fill(box.AsSpan(0, NonceBytes));
        using var aes = new AesGcm(keys[Name], TagBytes);
        aes.Encrypt(box.AsSpan(0, NonceBytes), plain, box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes), Encoding.UTF8.GetBytes(about));
        return box;
    }

    /// <summary>The content, for the caller to clear.</summary>
    /// <param name="box">What Seal made.</param>
    /// <param name="sealedWith">The name of the key.</param>
    /// <param name="about">As it was sealed.</param>
    public byte[] Open(byte[] box, string sealedWith, string about)
    {
        if (!keys.TryGetValue(sealedWith, out var key))
            throw new StartRefusedException(
                $"Something is sealed with the secret {sealedWith}, and KeyEncryptionKey is {Name}. Restore the old secret as KeyEncryptionKeys:Old:0 "
                + "until all is sealed anew. If it is lost, delete the row: of signing_keys, and everybody needs a new access token; of totp, and its person has no second factor; of external_identities, and an account elsewhere signs its person in no more.");
        if (box.Length < NonceBytes + TagBytes) throw new CryptographicException("What was sealed is too short.");
        var plain = new byte[box.Length - NonceBytes - TagBytes];
        using var aes = new AesGcm(key, TagBytes);
        aes.Decrypt(box.AsSpan(0, NonceBytes), box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes), plain, Encoding.UTF8.GetBytes(about));
        return plain;
    }

    private static byte[] KeyOf(string? secret, string name)
    {
        var key = new byte[KeyBytes];
        return Convert.TryFromBase64String(secret?.Trim() ?? "", key, out var length) && length == KeyBytes
            ? key
            : throw new StartRefusedException($"The secret {name} is missing or not 32 bytes in base64. Make one: openssl rand -base64 32.");
    }

    private static string NameOf(byte[] key) => Convert.ToHexStringLower(SHA256.HashData(key))[..8];
}
