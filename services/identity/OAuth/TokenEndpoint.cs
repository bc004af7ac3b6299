using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>Where programs get tokens (RFC 6749 §3.2): each grant has a file of its own.</summary>
public static class TokenEndpoint
{
    public sealed record Response(string AccessToken, string TokenType, int ExpiresIn, string Scope)
    {
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? RefreshToken { get; init; }

        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? IdToken { get; init; }

        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? IssuedTokenType { get; init; }
    }

    public static readonly string[] GrantTypes =
        [AuthorizationCodeGrant.GrantType, RefreshTokenGrant.GrantType, ClientCredentialsGrant.GrantType, DeviceCodeGrant.GrantType, PairingCodeGrant.GrantType, ExchangeToken.GrantType];

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/tokens", HandleAsync)
        .RequireRateLimiting(RateLimits.Clients)
        .Accepts<IFormCollection>("application/x-www-form-urlencoded")
        .WithName("IssueTokens")
        .WithSummary("For programs: tokens for a code, a refresh token, a device code, for the program itself, or for our own services to act for a person. Errors as RFC 6749 says.")
        .WithExample(
            request: "grant_type=authorization_code&code=oc_7Jm0nU3f&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            response:
            """
            {"access_token": "eyJhbGciOiJFUzI1NiIs…", "token_type": "Bearer", "expires_in": 600, "scope": "openid readings:read offline_access",
             "refresh_token": "rt_7Jm0nU3f…", "id_token": "eyJhbGciOiJFUzI1NiIs…"}
            """,
            requestType: "application/x-www-form-urlencoded");

    private static async Task<Results<Ok<Response>, JsonHttpResult<Refusal>>> HandleAsync(
        HttpContext http, ClientAuthentication clients, Database database, TokenIssuer tokens, UserCodeBudget budget, ILogger<Response> log, CancellationToken ct)
    {
        http.Response.Headers.CacheControl = "no-store";
        try
        {
            var form = await Form.OfAsync(http.Request, ct);
            if (await clients.OfAsync(http.Request, form, ct) is not { } client) return Refusal.InvalidClient(http);
            return TypedResults.Ok((form.Require("grant_type"), client) switch
            {
                (ExchangeToken.GrantType, { Service: { } service }) => await ExchangeToken.GrantAsync(service, form, database, tokens, ct),
                (AuthorizationCodeGrant.GrantType, { Application: { } application }) => await AuthorizationCodeGrant.GrantAsync(application, form, database, tokens, http, ct),
                (RefreshTokenGrant.GrantType, { Application: { } application }) => await RefreshTokenGrant.GrantAsync(application, form, database, tokens, log, http, ct),
                (ClientCredentialsGrant.GrantType, { Application: { } application }) => ClientCredentialsGrant.Grant(application, form, tokens),
                (DeviceCodeGrant.GrantType, { Application: { } application }) => await DeviceCodeGrant.GrantAsync(application, form, database, tokens, http, ct),
                (PairingCodeGrant.GrantType, { Application: { } application }) => await PairingCodeGrant.GrantAsync(application, form, database, budget, tokens, http, ct),
                var (type, _) => GrantTypes.Contains(type)
                    ? throw new RefusedException("unauthorized_client", "This client may not use this grant type.")
                    : throw new RefusedException("unsupported_grant_type", $"The grant types are {string.Join(", ", GrantTypes)}."),
            });
        }
        catch (RefusedException e)
        {
            return Refusal.Of(e.Error, e.Message);
        }
    }
}
