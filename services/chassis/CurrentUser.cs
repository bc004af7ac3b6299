using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace OpenReadings.Chassis;

/// <summary>Whose request this is. A parameter of every handler that touches a person's rows.</summary>
/// <param name="Token">What the access token said.</param>
public readonly record struct CurrentUser(VerifiedToken Token)
{
    public Guid Id => Token.Subject;

    /// <summary>Whose rows are asked for, where they are not the person's own. Row-level security decides what of them is shown.</summary>
    public Guid? Owner { get; init; }

    /// <summary>The role of the database that sees so much of them, where it is not the service's own.</summary>
    public string? Role { get; init; }

    public Guid OwnerId => Owner ?? Id;

    /// <summary>The service that acts for the person; null when the person's own program does.</summary>
    public string? Actor => Token.Actor;

    /// <summary>The person signed in here: no key, no service that acts for somebody, no application of somebody else's.</summary>
    public bool IsSignedIn => Token is { LoginId: not null, ClientId: TokenVerifier.PeopleAudience };

    /// <summary>An application, or an API key with an id of its own, that acts as itself. Not a key that acts as its person, which is no more than a key.</summary>
    public bool IsProgram => Token is { LoginId: null, Actor: null } && (Token.ActsAsItself || Token.ClientId == Id.ToString());

    /// <summary>The application that asks, for the person or as itself; null for our own programs and for keys.</summary>
    public Guid? ClientId => Guid.TryParseExact(Token.ClientId, "D", out var client) ? client : null;

    public bool Has(string scope) => Token.Scopes.Contains(scope);

    public static ValueTask<CurrentUser> BindAsync(HttpContext context) => ValueTask.FromResult(Of(context));

    public static CurrentUser Of(HttpContext context)
    {
        var user = new CurrentUser(
            context.Features.Get<VerifiedToken>() ?? throw new InvalidOperationException("The route does not require authorization."));
        if (context.Request.Query["owner"] is not [{ } text] || context.GetEndpoint()?.Metadata.GetMetadata<TakesOwner>() is null) return user;
        if (!Guid.TryParse(text, out var owner)) throw new ProblemException(400, "invalid-owner", "'owner' is the id of a person.");
        return user with { Owner = owner == user.Id ? null : owner };
    }
}

/// <summary>Reads the bearer token or the API key, and answers 401 with the reason as RFC 6750 says.</summary>
internal sealed class BearerHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, TokenVerifier verifier, ApiKeys keys, Revocations revocations)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "Bearer";
    private string? refusal;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        VerifiedToken? token;
        var header = Request.Headers.Authorization.ToString();
        if (ApiKeys.Of(Request) is { } key)
        {
            token = await keys.VerifyAsync(key, Context.RequestAborted);
            refusal = "The API key is malformed, unknown, expired or ended.";
        }
        else if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)) (token, refusal) = await verifier.VerifyAsync(header["Bearer ".Length..].Trim(), Context.RequestAborted);
        else return AuthenticateResult.NoResult();
        if (token is not null && revocations.Refuses(token)) (token, refusal) = (null, "The login of this token, or its account, has ended.");
        if (token is null) return AuthenticateResult.Fail(refusal!);
        Context.Features.Set(token);
        var person = new ClaimsPrincipal(new ClaimsIdentity([new("sub", token.Subject.ToString())], SchemeName));
        return AuthenticateResult.Success(new AuthenticationTicket(person, SchemeName));
    }

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.Headers.WWWAuthenticate = refusal is null ? "Bearer" : $"Bearer error=\"invalid_token\", error_description=\"{refusal}\"";
        await Problems.Of(401, refusal is null ? "authentication-required" : "invalid-token", refusal ?? "Send an access token.").ExecuteAsync(Context);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) =>
        Problems.Of(403, "forbidden", "This token may not do that.").ExecuteAsync(Context);
}

/// <summary>A route that answers for the rows of somebody else too: <c>?owner=</c> says whose.</summary>
public sealed record TakesOwner;

/// <summary>What a token must be allowed to do.</summary>
public static class Scopes
{
    /// <summary>Reading needs <c>name:read</c>, everything else <c>name:write</c>.</summary>
    public static TBuilder RequireScopes<TBuilder>(this TBuilder builder, string name) where TBuilder : IEndpointConventionBuilder =>
        builder.AddEndpointFilter(async (context, next) =>
        {
            var http = context.HttpContext;
            var scope = HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method) ? $"{name}:read" : $"{name}:write";
            if (CurrentUser.Of(http).Has(scope)) return await next(context);
            http.Response.Headers.WWWAuthenticate = $"Bearer error=\"insufficient_scope\", scope=\"{scope}\"";
            return Problems.Of(403, "insufficient-scope", $"The token lacks the scope {scope}.");
        });

    /// <summary>Only for a person who signed in here: neither for an API key, nor for a service that acts for somebody, nor for somebody else's application.</summary>
    public static TBuilder RequireLogin<TBuilder>(this TBuilder builder) where TBuilder : IEndpointConventionBuilder =>
        builder.AddEndpointFilter(async (context, next) => CurrentUser.Of(context.HttpContext).IsSignedIn ? await next(context) : LoginRequired());

    /// <summary>For a person who signed in here, and for a program that acts as itself and not for somebody.</summary>
    public static TBuilder RequireSelf<TBuilder>(this TBuilder builder) where TBuilder : IEndpointConventionBuilder =>
        builder.AddEndpointFilter(async (context, next) => CurrentUser.Of(context.HttpContext) is { IsSignedIn: true } or { IsProgram: true } ? await next(context) : LoginRequired());

    public static ProblemHttpResult LoginRequired() =>
        Problems.Of(403, "login-required", "This is for a person who has signed in here, and not for a key or an application that acts for them.");

    /// <summary>Only for a person who has the role.</summary>
    public static TBuilder RequireRole<TBuilder>(this TBuilder builder, string role) where TBuilder : IEndpointConventionBuilder =>
        builder.AddEndpointFilter(async (context, next) => CurrentUser.Of(context.HttpContext).Token.Roles.Contains(role)
            ? await next(context)
            : Problems.Of(403, "role-required", $"This is for those who have the role {role}."));
}
