using System.Security.Claims;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace OpenReadings.Identity.External;

/// <summary>
/// The framework's OpenID Connect client, one scheme for each provider: discovery, PKCE with S256, state, nonce, the ID token and userinfo are its
/// work. It answers at a route of ours alone, so that it is limited like other ways in, and what it learned becomes an <see cref="ExternalProof"/>.
/// </summary>
public sealed class ProviderHandler(IOptionsMonitor<OpenIdConnectOptions> options, ILoggerFactory logger, HtmlEncoder html, UrlEncoder encoder)
    : OpenIdConnectHandler(options, logger, html, encoder)
{
    private static readonly object IsAsked = new();

    /// <summary>Not by the middleware, which would come before our limits.</summary>
    public override Task<bool> ShouldHandleRequestAsync() => Task.FromResult(Context.Items.ContainsKey(IsAsked));

    /// <summary>Takes the answer that a provider sent somebody back with.</summary>
    public static async Task HandleAsync(HttpContext http, Provider provider)
    {
        http.Items[IsAsked] = true;
        var handler = await http.RequestServices.GetRequiredService<IAuthenticationHandlerProvider>().GetHandlerAsync(http, provider.Scheme);
        await ((ProviderHandler)handler!).HandleRequestAsync();
    }

    public static void Add(IServiceCollection services, IConfiguration config)
    {
        var providers = new Providers(config);
        services.AddSingleton(providers).AddSingleton<ProviderTokens>().AddSingleton<IDataProtectionProvider, SealedProtection>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IPostConfigureOptions<OpenIdConnectOptions>, OpenIdConnectPostConfigureOptions>());
        var issuer = config["Identity:Issuer"]!;
        foreach (var provider in providers.All)
            new AuthenticationBuilder(services).AddRemoteScheme<OpenIdConnectOptions, ProviderHandler>(provider.Scheme, provider.Title, options => Configure(options, provider, issuer));
    }

    private static void Configure(OpenIdConnectOptions options, Provider provider, string issuer)
    {
        options.Authority = provider.Issuer;
        options.RequireHttpsMetadata = provider.Issuer.StartsWith("https://", StringComparison.Ordinal);       // the others are on loopback
        options.ClientId = provider.ClientId;
        options.ClientSecret = provider.ClientSecret;
        options.CallbackPath = $"/identity/providers/{provider.Name}/callback";
        options.SignedOutCallbackPath = default;              // a route of the framework's, before our limits, that nobody needs
        options.ResponseType = OpenIdConnectResponseType.Code;
        options.ResponseMode = OpenIdConnectResponseMode.Query;
        options.GetClaimsFromUserInfoEndpoint = true;
        options.SaveTokens = provider.KeepsTokens;
        options.MapInboundClaims = false;
        options.ClaimActions.Clear();
        options.Scope.Clear();
        foreach (var scope in provider.Scope.Split(' ', StringSplitOptions.RemoveEmptyEntries)) options.Scope.Add(scope);
        // The code in a token request works once: no second try. A provider that moved elsewhere is not followed with our secret,
        // and what it remembers of one person by a cookie is not sent for the next.
        options.Backchannel = new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5), ConnectTimeout = TimeSpan.FromSeconds(5), AllowAutoRedirect = false, UseCookies = false })
        {
            Timeout = TimeSpan.FromSeconds(10), MaxResponseContentBufferSize = 1 << 20,
        };
        options.TokenValidationParameters.ValidAlgorithms = provider.Algorithms;
        options.TokenValidationParameters.ValidAudience = provider.ClientId;
        options.TokenValidationParameters.ClockSkew = TimeSpan.FromSeconds(30);
        if (provider.Algorithms.Contains(SecurityAlgorithms.HmacSha256)) options.TokenValidationParameters.IssuerSigningKey = new SymmetricSecurityKey(Encoding.UTF8.GetBytes(provider.ClientSecret));
        foreach (var cookie in new[] { options.CorrelationCookie, options.NonceCookie })
        {
            cookie.SameSite = SameSiteMode.Lax;
            cookie.SecurePolicy = issuer.StartsWith("https://", StringComparison.Ordinal) ? CookieSecurePolicy.Always : CookieSecurePolicy.None;
        }
        options.Events = new OpenIdConnectEvents
        {
            OnRedirectToIdentityProvider = asking =>
            {
                asking.ProtocolMessage.RedirectUri = $"{issuer}/providers/{provider.Name}/callback";          // behind an edge the request does not know it
                if (provider.HostedDomain is not null) asking.ProtocolMessage.SetParameter("hd", provider.HostedDomain);
                foreach (var (name, value) in provider.Parameters) asking.ProtocolMessage.SetParameter(name, value);
                return Task.CompletedTask;
            },
            OnMessageReceived = answered =>
            {
                if (answered.ProtocolMessage.Iss is { } iss && iss != provider.Issuer) answered.Fail("The answer is of another issuer (RFC 9207).");
                return Task.CompletedTask;
            },
            OnTokenValidated = read =>
            {
                // The library takes one without a signature when it comes straight from the provider (OpenID Connect Core §3.1.3.7), and believes what
                // the discovery document calls its issuer. Here what the operator wrote decides.
                if (read.SecurityToken.RawSignature is not { Length: > 0 } || !provider.Algorithms.Contains(read.SecurityToken.SignatureAlgorithm)) read.Fail("The ID token is not signed as it has to be.");
                else if (read.SecurityToken.Issuer != provider.Issuer) read.Fail("The ID token is of another issuer.");
                else if (provider.HostedDomain is { } domain && !string.Equals(read.Principal!.FindFirstValue("hd"), domain, StringComparison.OrdinalIgnoreCase)) read.Fail("The account is of another domain.");
                return Task.CompletedTask;
            },
            OnUserInformationReceived = read =>
            {
                AddMissing((ClaimsIdentity)read.Principal!.Identity!, read.User.RootElement);
                return Task.CompletedTask;
            },
            OnTicketReceived = answered => answered.HttpContext.RequestServices.GetRequiredService<SignInWithProvider>().KeepProofAsync(answered),
            OnRemoteFailure = failed => failed.HttpContext.RequestServices.GetRequiredService<SignInWithProvider>().RefuseAsync(failed),
        };
    }

    // An address and whether it was verified come from one place, so that neither is said of the other's.
    private static void AddMissing(ClaimsIdentity known, JsonElement info)
    {
        string[] wanted = known.HasClaim(claim => claim.Type == "email") ? ["name", "zoneinfo"] : ["name", "zoneinfo", "email", "email_verified"];
        foreach (var name in wanted)
        {
            if (name.StartsWith("email", StringComparison.Ordinal) && known.FindFirst(name) is { } lone) known.RemoveClaim(lone);
            if (!known.HasClaim(claim => claim.Type == name) && info.TryGetProperty(name, out var value)) known.AddClaim(new(name, value.ToString()));
        }
    }
}

/// <summary>What the framework protects for itself, state and nonce, is sealed by our ring of keys: good in every replica, and nothing is kept on a disk.</summary>
public sealed class SealedProtection(Keys.Sealer sealer) : IDataProtectionProvider
{
    public IDataProtector CreateProtector(string purpose) => new Protector(sealer, $"protected {purpose}");

    private sealed class Protector(Keys.Sealer sealer, string about) : IDataProtector
    {
        public IDataProtector CreateProtector(string purpose) => new Protector(sealer, $"{about} {purpose}");

        public byte[] Protect(byte[] plaintext) => [.. Encoding.ASCII.GetBytes(sealer.Name), .. sealer.Seal(plaintext, about)];

        public byte[] Unprotect(byte[] protectedData) => protectedData.Length < 8
            ? throw new System.Security.Cryptography.CryptographicException("What was sealed is too short.")
            : sealer.Open(protectedData[8..], Encoding.ASCII.GetString(protectedData, 0, 8), about);
    }
}
