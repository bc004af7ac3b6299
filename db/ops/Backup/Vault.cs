using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace OpenReadings.Ops.Backup;

/// <summary>
/// Encrypts and decrypts streams in constant memory with AES-256-GCM. A file is <c>"ORB1"</c>, a 16-byte salt and chunks of
/// 1 MiB of text, each followed by its 16-byte tag; only the last chunk is shorter, and it may be empty. The file's key is
/// HKDF-SHA256 of the given key, the salt and the file's name, so that no file can pass for another. A chunk's nonce is
/// its number (11 bytes, big-endian) and a byte that is 1 in the last chunk, so that none can be cut off, moved or repeated.
/// </summary>
internal sealed class Vault(byte[] key)
{
    private const int ChunkSize = 1 << 20, TagSize = 16, SaltSize = 16;
    private static readonly byte[] Magic = "ORB1"u8.ToArray();

    /// <summary>Tells one key from another and nothing of either.</summary>
    public string KeyId { get; } = Convert.ToHexStringLower(
        HKDF.DeriveKey(HashAlgorithmName.SHA256, key, 8, info: "openreadings backup key id"u8.ToArray()));

    /// <summary>Proves to who has the key that the text was written by who has the key.</summary>
    public string Seal(byte[] text) => Convert.ToHexStringLower(HMACSHA256.HashData(
        HKDF.DeriveKey(HashAlgorithmName.SHA256, key, 32, info: "openreadings backup seal"u8.ToArray()), text));

    /// <summary>Reads a key as <c>openssl rand -base64 32</c> makes it.</summary>
    public static Vault FromFile(string path)
    {
        var key = new byte[32];
        if (!File.Exists(path)) throw new OpsException(Exit.Usage, $"There is no key file {path}.");
        return Convert.TryFromBase64String(File.ReadAllText(path).Trim(), key, out var length) && length == 32
            ? new Vault(key)
            : throw new OpsException(Exit.Usage, $"{path} is no key: it must hold 32 bytes in base64 (openssl rand -base64 32).");
    }

    public async Task EncryptAsync(string name, Stream plain, Stream secret, CancellationToken ct)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltSize);
        using var aes = CipherOf(name, salt);
        await secret.WriteAsync(Magic, ct);
        await secret.WriteAsync(salt, ct);
        var (text, chunk) = (new byte[ChunkSize], new byte[ChunkSize + TagSize]);
        for (ulong number = 0; ; number++)
        {
            var length = await plain.ReadAtLeastAsync(text, ChunkSize, throwOnEndOfStream: false, ct);
            var last = length < ChunkSize;
            aes.Encrypt(Nonce(number, last), text.AsSpan(0, length), chunk.AsSpan(0, length), chunk.AsSpan(length, TagSize));
            await secret.WriteAsync(chunk.AsMemory(0, length + TagSize), ct);
            if (last) return;
        }
    }

    /// <summary>Fails on a file that is not exactly what was encrypted under this name with this key.</summary>
    public async Task DecryptAsync(string name, Stream secret, Stream plain, CancellationToken ct)
    {
        var header = new byte[Magic.Length + SaltSize];
        if (await secret.ReadAtLeastAsync(header, header.Length, false, ct) < header.Length
            || !header.AsSpan(0, Magic.Length).SequenceEqual(Magic))
            throw new OpsException(Exit.Failed, $"{name} is not an encrypted backup file.");
        using var aes = CipherOf(name, header[Magic.Length..]);
        var (text, chunk) = (new byte[ChunkSize], new byte[ChunkSize + TagSize]);
        for (ulong number = 0; ; number++)
        {
            var length = await secret.ReadAtLeastAsync(chunk, chunk.Length, throwOnEndOfStream: false, ct) - TagSize;
            var last = length < ChunkSize;
            try
            {
                if (length < 0) throw new AuthenticationTagMismatchException();
                aes.Decrypt(Nonce(number, last), chunk.AsSpan(0, length), chunk.AsSpan(length, TagSize), text.AsSpan(0, length));
            }
            catch (AuthenticationTagMismatchException e)
            {
                throw new OpsException(Exit.Failed,
                    $"{name} cannot be decrypted at chunk {number}: it was changed or cut off, or the key is another.", e);
            }
            await plain.WriteAsync(text.AsMemory(0, length), ct);
            if (last) return;
        }
    }

    private AesGcm CipherOf(string name, byte[] salt) => new(HKDF.DeriveKey(
        HashAlgorithmName.SHA256, key, 32, salt, Encoding.UTF8.GetBytes($"openreadings backup {name}")), TagSize);

    private static byte[] Nonce(ulong number, bool last)
    {
        var nonce = new byte[12];
        BinaryPrimitives.WriteUInt64BigEndian(nonce.AsSpan(3, 8), number);
        nonce[11] = last ? (byte)1 : (byte)0;
        return nonce;
    }
}
