using System.Security.Cryptography;
using System.Text;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Tokens;

/// <summary>Our own services as clients, by HTTP Basic. RFC 6749 §2.3.1: both halves are form-encoded before they are joined.</summary>
public sealed class KnownClients(IConfiguration config) : RateLimits.IProveClients
{
    /// <summary>The client whose secret the request shows; null when it shows none, or a wrong one.</summary>
    public string? ClientOf(HttpRequest request)
    {
        if (BasicOf(request) is not { Id: var client, Secret: var secret }) return null;
        // Asked for by name, so that a name with a colon cannot reach another setting.
        if (!ExchangeToken.Allowed.Keys.Any(key => key.Client == client)) return null;
        if (config[$"Clients:{client}"] is not { Length: > 0 } known) return null;
        return CryptographicOperations.FixedTimeEquals(Hash(secret), Hash(known.Trim())) ? client : null;
    }

    /// <summary>What a client says of itself by HTTP Basic, proven or not; null when it says nothing.</summary>
    public static (string Id, string Secret)? BasicOf(HttpRequest request)
    {
        var header = request.Headers.Authorization.ToString();
        if (!header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase)) return null;
        Span<byte> decoded = stackalloc byte[1024];
        if (!Convert.TryFromBase64String(header["Basic ".Length..].Trim(), decoded, out var length)) return null;
        return Encoding.UTF8.GetString(decoded[..length]).Split(':', 2) is [var id, var secret]
            ? (Uri.UnescapeDataString(id.Replace('+', ' ')), Uri.UnescapeDataString(secret.Replace('+', ' ')))
            : null;
    }

    private static byte[] Hash(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));
}
