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
        var header = request.Headers.Authorization.ToString();
        if (!header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase)) return null;
        Span<byte> decoded = stackalloc byte[1024];
        if (!Convert.TryFromBase64String(header["Basic ".Length..].Trim(), decoded, out var length)) return null;
        if (Encoding.UTF8.GetString(decoded[..length]).Split(':', 2) is not [var id, var secret]) return null;
        var client = Uri.UnescapeDataString(id);
        // Asked for by name, so that a name with a colon cannot reach another setting.
        if (!ExchangeToken.Allowed.Keys.Any(key => key.Client == client)) return null;
        if (config[$"Clients:{client}"] is not { Length: > 0 } known) return null;
        var isRight = CryptographicOperations.FixedTimeEquals(Hash(Uri.UnescapeDataString(secret)), Hash(known.Trim()));
        return isRight ? client : null;
    }

    private static byte[] Hash(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));
}
