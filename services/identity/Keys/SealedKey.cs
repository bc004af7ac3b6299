using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace OpenReadings.Identity.Keys;

/// <summary>A row of signing_keys: public half in the open, private half sealed.</summary>
public sealed record SealedKey(
    string Kid, string X, string Y, byte[] PrivateKey, string SealedWith,
    DateTimeOffset SignsFrom, DateTimeOffset SignsUntil, DateTimeOffset GoneAt);

/// <summary>Makes signing keys whose private halves are sealed: a stolen dump signs no tokens.</summary>
public sealed class KeySealer(Sealer sealer)
{
    /// <summary>The key that seals.</summary>
    public string Name => sealer.Name;

    /// <summary>A new P-256 key that signs in the given time.</summary>
    public SealedKey Make(DateTimeOffset signsFrom, DateTimeOffset signsUntil, DateTimeOffset goneAt)
    {
        using var made = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (x, y) = PublicHalf(made);
        // RFC 7638: the members in this order and without white space.
        var members = $$"""{"crv":"P-256","kty":"EC","x":"{{x}}","y":"{{y}}"}""";
        var kid = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(members)));

        var plain = made.ExportPkcs8PrivateKey();
        var box = sealer.Seal(plain, kid);
        CryptographicOperations.ZeroMemory(plain);
        return new SealedKey(kid, x, y, box, sealer.Name, signsFrom, signsUntil, goneAt);
    }

    public ECDsa Open(SealedKey from)
    {
        var plain = sealer.Open(from.PrivateKey, from.SealedWith, from.Kid);
        try
        {
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

    /// <summary>The same key, sealed with the key of now.</summary>
    public SealedKey SealAnew(SealedKey old)
    {
        var plain = sealer.Open(old.PrivateKey, old.SealedWith, old.Kid);
        var box = sealer.Seal(plain, old.Kid);
        CryptographicOperations.ZeroMemory(plain);
        return old with { PrivateKey = box, SealedWith = sealer.Name };
    }

    private static (string X, string Y) PublicHalf(ECDsa key)
    {
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        return (Base64Url.EncodeToString(point.X), Base64Url.EncodeToString(point.Y));
    }
}
