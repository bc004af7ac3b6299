using System.Security.Cryptography;
using OpenReadings.Ops.Backup;

namespace OpenReadings.Ops.Tests.Backup;

public sealed class VaultTests
{
    private const int Chunk = 1 << 20, Sealed = Chunk + 16, Header = 20;
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Chunk - 1)]
    [InlineData(Chunk)]
    [InlineData(2 * Chunk + 7)]
    public async Task What_was_encrypted_comes_back(int length)
    {
        var text = RandomNumberGenerator.GetBytes(length);
        Assert.Equal(text, await DecryptAsync(await EncryptAsync("a", text), "a", Key));
    }

    [Fact]
    public async Task Nothing_of_the_text_shows_and_the_same_text_is_never_the_same_twice()
    {
        var text = new byte[Chunk];
        var (once, again) = (await EncryptAsync("a", text), await EncryptAsync("a", text));
        Assert.False(once.AsSpan(Header).SequenceEqual(again.AsSpan(Header)));
        Assert.Equal(-1, once.AsSpan().IndexOf(new byte[16]));
    }

    [Fact]
    public async Task A_file_that_was_changed_cut_reordered_renamed_or_locked_with_another_key_is_refused()
    {
        var good = await EncryptAsync("a", RandomNumberGenerator.GetBytes(3 * Chunk + 5));
        var flipped = good.ToArray();
        flipped[Header + Sealed + 9] ^= 1;
        var swapped = good.ToArray();
        good.AsSpan(Header, Sealed).CopyTo(swapped.AsSpan(Header + Sealed));
        good.AsSpan(Header + Sealed, Sealed).CopyTo(swapped.AsSpan(Header));
        foreach (var bad in new[] { flipped, swapped, good[..(Header + Sealed)], good[..^1], good[..(Header + 3 * Sealed)], good[..10], [.. good, .. good[^40..]] })
            await Assert.ThrowsAsync<OpsException>(() => DecryptAsync(bad, "a", Key));
        await Assert.ThrowsAsync<OpsException>(() => DecryptAsync(good, "b", Key));
        await Assert.ThrowsAsync<OpsException>(() => DecryptAsync(good, "a", RandomNumberGenerator.GetBytes(32)));
    }

    [Fact]
    public void A_key_file_that_is_no_key_says_how_one_is_made()
    {
        var file = Path.GetTempFileName();
        File.WriteAllText(file, "swordfish");
        var error = Assert.Throws<OpsException>(() => Vault.FromFile(file));
        Assert.Contains("openssl rand -base64 32", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("swordfish", error.Message, StringComparison.Ordinal);
        File.WriteAllText(file, Convert.ToBase64String(Key) + "\n");
        Assert.Equal(new Vault(Key).KeyId, Vault.FromFile(file).KeyId);
        File.Delete(file);
    }

    private static async Task<byte[]> EncryptAsync(string name, byte[] text)
    {
        using var secret = new MemoryStream();
        await new Vault(Key).EncryptAsync(name, new MemoryStream(text), secret, Ct);
        return secret.ToArray();
    }

    private static async Task<byte[]> DecryptAsync(byte[] secret, string name, byte[] key)
    {
        using var text = new MemoryStream();
        await new Vault(key).DecryptAsync(name, new MemoryStream(secret), text, Ct);
        return text.ToArray();
    }
}
