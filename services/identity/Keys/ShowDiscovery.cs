using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Keys;

/// <summary>What this issuer offers and where (OpenID Connect Discovery, RFC 8414): only what there is.</summary>
public static class ShowDiscovery
{
    public sealed record Response(
        string Issuer, string JwksUri, string TokenEndpoint, string[] GrantTypesSupported,
        string[] ResponseTypesSupported, string[] SubjectTypesSupported, string[] IdTokenSigningAlgValuesSupported,
        string[] TokenEndpointAuthMethodsSupported, string[] ScopesSupported, string[] ClaimsSupported);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/openid-configuration", Handle)
        .WithName("ShowDiscovery")
        .WithSummary("What this issuer offers and where: the issuer's exact name, its keys, its token endpoint.")
        .WithExample(response:
            """
            {"issuer": "https://readings.example/identity",
             "jwks_uri": "https://readings.example/identity/.well-known/jwks.json",
             "token_endpoint": "https://readings.example/identity/v1/tokens",
             "grant_types_supported": ["urn:ietf:params:oauth:grant-type:token-exchange"],
             "response_types_supported": [], "subject_types_supported": ["public"],
             "id_token_signing_alg_values_supported": ["ES256"],
             "token_endpoint_auth_methods_supported": ["client_secret_basic"],
             "scopes_supported": ["readings:read", "readings:write"], "claims_supported": ["iss", "sub", "aud", "exp"]}
            """);

    private static Ok<Response> Handle(TokenIssuer tokens, HttpResponse response)
    {
        response.Headers.CacheControl = "public, max-age=3600";
        return TypedResults.Ok(new Response(
            tokens.Issuer, $"{tokens.Issuer}/.well-known/jwks.json", $"{tokens.Issuer}/v1/tokens",
            [ExchangeToken.GrantType], [], ["public"], ["ES256"], ["client_secret_basic"],
            TokenIssuer.PeoplesScope.Split(' '),
            ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "sid", "auth_time", "act"]));
    }
}
