using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.OAuth;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Keys;

/// <summary>What this issuer offers and where (OpenID Connect Discovery, RFC 8414): only what there is.</summary>
public static class ShowDiscovery
{
    public sealed record Response(
        string Issuer, string JwksUri, string AuthorizationEndpoint, string TokenEndpoint, string UserinfoEndpoint, string EndSessionEndpoint,
        string DeviceAuthorizationEndpoint, string IntrospectionEndpoint, string RevocationEndpoint, string[] GrantTypesSupported, string[] ResponseTypesSupported,
        string[] ResponseModesSupported, string[] CodeChallengeMethodsSupported, string[] PromptValuesSupported, string[] SubjectTypesSupported,
        string[] IdTokenSigningAlgValuesSupported, string[] TokenEndpointAuthMethodsSupported, string[] IntrospectionEndpointAuthMethodsSupported,
        string[] RevocationEndpointAuthMethodsSupported, string[] ScopesSupported, string[] ClaimsSupported, bool AuthorizationResponseIssParameterSupported,
        bool RequestParameterSupported, bool RequestUriParameterSupported, bool ClaimsParameterSupported, string ServiceDocumentation);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/identity/.well-known/openid-configuration", Handle)
            .WithName("ShowDiscovery")
            .WithSummary("What this issuer offers and where: the issuer's exact name, its keys and endpoints.")
            .WithExample(response:
                """
                {"issuer": "https://readings.example/identity",
                 "jwks_uri": "https://readings.example/identity/.well-known/jwks.json",
                 "authorization_endpoint": "https://readings.example/identity/v1/authorize",
                 "token_endpoint": "https://readings.example/identity/v1/tokens",
                 "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
                 "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"], "scopes_supported": ["openid", "readings:read"]}
                """);
        // Where RFC 8414 puts it for an issuer with a path.
        routes.MapGet("/.well-known/oauth-authorization-server/identity", Handle).ExcludeFromDescription();
    }

    private static Ok<Response> Handle(TokenIssuer tokens, HttpResponse response)
    {
        response.Headers.CacheControl = "public, max-age=3600";
        string At(string path) => $"{tokens.Issuer}/{path}";
        string[] withSecret = ["client_secret_basic", "client_secret_post"];
        return TypedResults.Ok(new Response(
            tokens.Issuer, At(".well-known/jwks.json"), At("v1/authorize"), At("v1/tokens"), At("v1/userinfo"), At("v1/end-session"),
            At("v1/device-authorizations"), At("v1/tokens/introspect"), At("v1/tokens/revoke"), TokenEndpoint.GrantTypes, ["code"],
            ["query"], ["S256"], ["none", "login", "consent", "select_account"], ["public"], ["ES256"], [.. withSecret, "none"], withSecret, [.. withSecret, "none"],
            [.. Scope.All.Select(scope => scope.Name)],
            ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "name", "zoneinfo", "email", "email_verified"], true, false, false, false, At("docs")));
    }
}
