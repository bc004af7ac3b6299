using System.Text.Json.Serialization;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Logins;

/// <summary>
/// What a sign-in or a refresh answers: an access token that opens the person's rows for some seconds, and a refresh
/// token that gets the next pair, once.
/// </summary>
public sealed record LoginTokens(string AccessToken, string RefreshToken, string TokenType, int ExpiresIn, string Scope)
{
    /// <summary>Said where one of them was used to sign in.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? RecoveryCodesLeft { get; init; }

    public const string Example =
        """
        {"access_token": "eyJhbGciOiJFUzI1NiIs…", "refresh_token": "rt_7Jm0nU3f…", "token_type": "Bearer",
         "expires_in": 600, "scope": "openid profile readings:read readings:write"}
        """;

    public static LoginTokens Of(TokenIssuer tokens, Grant grant, RefreshToken next, HttpResponse response)
    {
        response.Headers.CacheControl = "no-store";
        return new(tokens.Issue(grant), next.Value, "Bearer", TokenIssuer.LivesForSeconds, grant.Scope);
    }
}
