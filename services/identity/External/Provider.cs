using OpenReadings.Chassis;
using OpenReadings.Identity.Accounts;

namespace OpenReadings.Identity.External;

/// <summary>Somebody else who says who a person is: an OpenID Connect issuer that the operator names, with the client that we are there.</summary>
/// <param name="Name">In settings and paths: google, line, work.</param>
/// <param name="Title">For people.</param>
/// <param name="Issuer">Exactly as its ID tokens say it.</param>
/// <param name="ClientId">Ours there.</param>
/// <param name="ClientSecret">A secret: a file.</param>
/// <param name="Scope">What is asked for, separated by spaces.</param>
/// <param name="Algorithms">Of its ID tokens. HS256 only where nothing else is offered: then the client secret is the key.</param>
/// <param name="HostedDomain">Google's claim hd that is demanded; null where everybody may come.</param>
/// <param name="TrustsEmail">Whether an address that it calls verified needs no mail of ours.</param>
/// <param name="KeepsTokens">Whether its tokens are kept, sealed, to be taken back when the person disconnects.</param>
/// <param name="Parameters">Further ones of the authorization request, such as access_type=offline.</param>
public sealed record Provider(
    string Name, string Title, string Issuer, string ClientId, string ClientSecret, string Scope, string[] Algorithms, string? HostedDomain, bool TrustsEmail, bool KeepsTokens,
    IReadOnlyDictionary<string, string?> Parameters)
{
    public string Scheme => $"provider:{Name}";

    /// <summary>
    /// Whether an address that it calls verified needs no mail of ours. Google verified others than its own once, perhaps years ago: they may have
    /// changed hands since, and whoever had it then would keep a way into the account of whoever has it now.
    /// </summary>
    public bool Proves(string? email, string? domain) =>
        TrustsEmail && EmailAddress.TryParse(email, out var address) && (Name != "google" || domain is { Length: > 0 } || address.Key.EndsWith("@gmail.com", StringComparison.Ordinal));

    // A record would print its secret into whatever log it meets.
    public override string ToString() => Scheme;
}

/// <summary>The providers of the settings Providers:&lt;name&gt;:… ; google and line need no more than ClientId and ClientSecret.</summary>
public sealed class Providers
{
    private static readonly string[] Signed = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    public Providers(IConfiguration config) =>
        All = [.. config.GetSection("Providers").GetChildren().Select(Read).OrderBy(provider => provider.Title, StringComparer.OrdinalIgnoreCase)];

    public IReadOnlyList<Provider> All { get; }

    public Provider? Find(string? name) => All.FirstOrDefault(provider => provider.Name == name);

    private static Provider Read(IConfigurationSection set)
    {
        var name = set.Key.ToLowerInvariant();
        if (name.Length > 30 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')) throw new StartRefusedException($"A provider's name is letters, digits and hyphens: {set.Path} is not.");
        string Required(string key) => set[key] is { Length: > 0 } value ? value.Trim() : throw new StartRefusedException($"The setting {set.Path}:{key} is missing.");
        var (title, issuer, scope, algorithms, trusts) = name switch
        {
            "google" => ("Google", "https://accounts.google.com", "openid email profile", ["RS256"], true),
            // Its web logins are signed with the channel secret, and it does not say whether an address was verified.
            "line" => ("LINE", "https://access.line.me", "openid profile email", ["HS256", "ES256"], false),
            _ => (set["Title"] ?? name, set["Issuer"], "openid email profile", Signed, false),
        };
        issuer = set["Issuer"] ?? issuer ?? Required("Issuer");
        if (!Uri.TryCreate(issuer, UriKind.Absolute, out var address) || !(address.Scheme == Uri.UriSchemeHttps || address is { Scheme: "http", IsLoopback: true }))
            throw new StartRefusedException($"The setting {set.Path}:Issuer is no address with https: {issuer}.");
        return new(name, set["Title"] ?? title, issuer, Required("ClientId"), Required("ClientSecret"), set["Scope"] ?? scope,
            set["Algorithms"]?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? algorithms, set["HostedDomain"], set.GetValue("TrustsEmail", trusts), set.GetValue("KeepsTokens", true),
            set.GetSection("Parameters").GetChildren().ToDictionary(one => one.Key, one => one.Value));
    }
}
