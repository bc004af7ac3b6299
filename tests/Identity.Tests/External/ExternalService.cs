using OpenReadings.Identity.Tests.OAuth;
using OpenReadings.Support;

namespace OpenReadings.Identity.Tests.External;

/// <summary>Three providers: another identity service of ours, with a database of its own, and one made-up issuer under three names.</summary>
public sealed class ExternalService : IdentityService
{
    public const string Origin = "http://127.0.0.1:7178";
    public OtherIdentity Other { get; } = new();
    public FakeProvider Fake { get; private set; } = null!;
    private App app = null!;

    /// <summary>At an address that is known before it listens: it is the issuer.</summary>
    public sealed class OtherIdentity : IdentityService
    {
        public string Issuer => $"http://127.0.0.1:{Port}/identity";

        protected override int Port { get; } = Ports.Free();

        protected override IEnumerable<KeyValuePair<string, string?>> Settings => [.. base.Settings, new("Identity:Issuer", Issuer)];
    }

    protected override IEnumerable<KeyValuePair<string, string?>> Settings =>
    [
        .. base.Settings, new("Identity:Issuer", $"{Origin}/identity"),
        new("Providers:home:Title", "Home"), new("Providers:home:Issuer", Other.Issuer), new("Providers:home:ClientId", app.ClientId), new("Providers:home:ClientSecret", app.Secret),
        .. Made("google", ("HostedDomain", "example.org"), ("Algorithms", "ES256"), ("Parameters:access_type", "offline")), .. Made("line"), .. Made("work", ("Title", "Work"), ("KeepsTokens", "false")),
        new("Providers:away:Issuer", "http://127.0.0.1:9/identity"), new("Providers:away:ClientId", "x"), new("Providers:away:ClientSecret", "not-for-any-log-away"),
    ];

    private IEnumerable<KeyValuePair<string, string?>> Made(string name, params (string Key, string Value)[] more) =>
        more.Concat<(string Key, string Value)>([("Issuer", Fake.Issuer), ("ClientId", FakeProvider.ClientId), ("ClientSecret", FakeProvider.ClientSecret)])
            .Select(set => new KeyValuePair<string, string?>($"Providers:{name}:{set.Key}", set.Value));

    public override async ValueTask InitializeAsync()
    {
        Fake = await FakeProvider.StartAsync();
        await Other.InitializeAsync();
        app = await App.MadeAsync(Other, redirectUri: $"{Origin}/identity/providers/home/callback", scopes: ["openid", "profile", "email"]);
        await base.InitializeAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await Other.DisposeAsync();
        await Fake.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
