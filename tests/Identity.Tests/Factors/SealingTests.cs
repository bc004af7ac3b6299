using System.Security.Cryptography;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OpenReadings.Chassis;
using OpenReadings.Identity.External;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Keys;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.Factors;

/// <summary>With a service of its own, because every other test signs with its keys.</summary>
public sealed class SealingTests(SealingTests.OwnService service) : IClassFixture<SealingTests.OwnService>
{
    public sealed class OwnService : IdentityService;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private static readonly string Next = Convert.ToBase64String([.. Enumerable.Range(1, 32).Select(i => (byte)i)]);

    [Fact]
    public void What_an_older_key_sealed_opens_as_long_as_it_is_named_and_nothing_opens_as_something_else()
    {
        byte[] secret = [1, 2, 3];
        var (before, after, later) = (With(IdentityService.KeyEncryptionKey), With(Next, IdentityService.KeyEncryptionKey), With(Next));
        var box = before.Seal(secret, "totp ada");
        Assert.NotEqual(box, before.Seal(secret, "totp ada"));
        Assert.Equal(secret, after.Open(box, before.Name, "totp ada"));
        Assert.ThrowsAny<CryptographicException>(() => after.Open(box, before.Name, "totp bob"));
        Assert.ThrowsAny<CryptographicException>(() => after.Open(box, after.Name, "totp ada"));
        Assert.ThrowsAny<CryptographicException>(() => after.Open(box[..20], before.Name, "totp ada"));
        Assert.Contains(before.Name, Assert.Throws<StartRefusedException>(() => later.Open(box, before.Name, "totp ada")).Message, StringComparison.Ordinal);
        Assert.Contains("KeyEncryptionKeys:Old:0", Assert.Throws<StartRefusedException>(() => With(Next, "c2hvcnQ=")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_key_encryption_key_is_changed_without_anybody_noticing()
    {
        var mine = await AuthenticatorOf.AddedAsync(service);
        var kids = await service.SqlAsync<string>("select kid from signing_keys order by 1");
        var (database, log) = (service.Services.GetRequiredService<Database>(), NullLogger<SealAnew>.Instance);
        var (before, after) = (With(IdentityService.KeyEncryptionKey), With(Next, IdentityService.KeyEncryptionKey));
        SealAnew Round(Sealer sealer) => new(database, sealer, new KeySealer(sealer), TokensWith(sealer), TimeProvider.System, log);
        ProviderTokens TokensWith(Sealer sealer) => ActivatorUtilities.CreateInstance<ProviderTokens>(service.Services, sealer);
        async Task ConnectAsync(Person person, string subject)
        {
            var (tokens, _) = TokensWith(before).Seal(new("work", "https://sso.example", subject, null, false, null, null, default, "", false, "{}"), person.AccountId);
            await service.SqlAsync("insert into external_identities (user_id, issuer, subject, provider, tokens, sealed_with) values (@AccountId, 'https://sso.example', @subject, 'work', @tokens, @Name)",
                new { person.AccountId, subject, tokens, before.Name });
        }
        await ConnectAsync(mine.Person, "1");
        Assert.Equal(0, await Round(before).RunOnceAsync(Ct));

        // One that cannot be opened holds up nobody else, and nothing else of the same person.
        var broken = await AuthenticatorOf.AddedAsync(service);
        await ConnectAsync(broken.Person, "2");
        await service.SqlAsync("update totp set secret = @box where user_id = @AccountId", new { box = new byte[48], broken.Person.AccountId });
        // Two replicas at once, and again.
        var done = await Task.WhenAll(Round(after).RunOnceAsync(Ct), Round(after).RunOnceAsync(Ct));
        Assert.Equal(kids.Count + 3, done.Sum());
        Assert.Equal(0, await Round(after).RunOnceAsync(Ct));
        await service.SqlAsync("delete from totp where user_id = @AccountId", new { broken.Person.AccountId });
        Assert.Equal([after.Name], await service.SqlAsync<string>("select sealed_with from signing_keys union select sealed_with from totp union select sealed_with from external_identities"));

        // Then the old key is thrown away. The keys are the same keys, and the authenticator the same authenticator.
        var later = With(Next);
        foreach (var row in await service.SqlAsync<SealedKey>("select kid, x, y, private_key, sealed_with, signs_from, signs_until, gone_at from signing_keys"))
            using (var opened = new KeySealer(later).Open(row)) Assert.Contains(row.Kid, kids);
        var second = new SecondFactor(database, later, TimeProvider.System);
        Assert.NotNull((await second.AskAsync(mine.Person.AccountId, await mine.NextAsync(), new Microsoft.AspNetCore.Http.DefaultHttpContext(), Ct)).Used);
        var ring = new KeyRing(database, new KeySealer(later), TimeProvider.System, NullLogger<KeyRing>.Instance);
        await ring.RunOnceAsync(Ct);
        Assert.Equal(kids, ring.Published.Select(key => key.Kid).Order(StringComparer.Ordinal));

        // And back, as the service of this test knows no other: an unknown key is said to be one.
        Assert.Throws<StartRefusedException>(() => new KeySealer(before).Open(ring.Published[0]));
        Assert.Equal(kids.Count + 3, await Round(With(IdentityService.KeyEncryptionKey, Next)).RunOnceAsync(Ct));
        using var signedIn = await mine.SignInAsync(await mine.NextAsync());
        Assert.Equal(OK, signedIn.StatusCode);
        Assert.Equal(OK, (await service.WithToken((await signedIn.TokensAsync()).AccessToken).GetAsync("/identity/v1/me", Ct)).StatusCode);
    }

    private static Sealer With(string key, params string[] old)
    {
        var config = new ConfigurationManager { ["KeyEncryptionKey"] = key };
        for (var i = 0; i < old.Length; i++) config[$"KeyEncryptionKeys:Old:{i}"] = old[i];
        return new(config);
    }
}
