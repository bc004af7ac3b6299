using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.OAuth;

/// <summary>An application as the endpoints of the protocol know it.</summary>
public sealed partial record Application(Guid OwnerId, Guid ClientId, string Name, bool IsPublic, string RedirectUris, string PostLogoutRedirectUris, string Scope)
{
    public string Id => ClientId.ToString();

    /// <summary>Null where there is none, or its maker is disabled.</summary>
    public static async Task<Application?> FindAsync(Database database, string? clientId, CancellationToken ct)
    {
        if (!Guid.TryParseExact(clientId, "D", out var wanted)) return null;
        await using var db = await database.BeginUnownedAsync(ct);
        return await db.FindAsync<Application>(
            "select owner_id, client_id, name, is_public, redirect_uris, post_logout_redirect_uris, scope from find_application(@wanted)", new { wanted });
    }

    public bool Redirects(string? uri) => Has(RedirectUris, uri);

    public bool RedirectsAfterLogout(string? uri) => Has(PostLogoutRedirectUris, uri);

    /// <summary>
    /// Whether anybody else could receive what is sent to a redirect URI: on a person's own machine any program can listen, so a public
    /// application there is never let in without asking (RFC 8252 §8.6).
    /// </summary>
    public bool IsImpersonable(string redirectUri) => IsPublic && !redirectUri.StartsWith("https://", StringComparison.Ordinal);

    // Letter by letter (RFC 9700 §4.1), but for the port of the person's own machine, which a program gets as it starts (RFC 8252 §7.3).
    private static bool Has(string registered, string? uri) => uri is not null && JsonSerializer.Deserialize<string[]>(registered)!.Any(one =>
        one == uri || OwnMachine(one) is { } wanted && OwnMachine(uri) == wanted);

    private static string? OwnMachine(string uri) => Uri.TryCreate(uri, UriKind.Absolute, out _) && OwnMachines().Match(uri) is { Success: true } match ? match.Groups[1].Value + match.Groups[2].Value : null;

    [GeneratedRegex(@"\Ahttp://(127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?(/.*)?\z")]
    private static partial Regex OwnMachines();

    public static byte[] HashOf(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));
}
