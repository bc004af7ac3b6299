using System.Buffers.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using OpenReadings.Identity.Keys;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

/// <summary>With a service of its own, because every other test signs with its keys.</summary>
public sealed class KeyRotationTests(KeyRotationTests.OwnService service) : IClassFixture<KeyRotationTests.OwnService>
{
    public sealed class OwnService : IdentityService;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_next_key_is_published_long_before_it_signs_and_the_last_one_after()
    {
        var (ring, person) = (service.Services.GetRequiredService<KeyRing>(), await Person.SignedInAsync(service));
        var before = await KidsAsync();
        var first = KidOf(person.Tokens);
        Assert.Equal(2, before.Count);
        Assert.Contains(first, before);
        Assert.Equal("public, max-age=300", await CachingAsync());
        Assert.Equal(OK, (await person.Http.GetAsync("/identity/v1/me", Ct)).StatusCode);
        var old = person.Http;
        await ring.RunOnceAsync(Ct);
        Assert.Equal(before, await KidsAsync());

        await PassAsync("30 days");
        await ring.RunOnceAsync(Ct);

        var renewed = await person.SignInAsync();
        Assert.NotEqual(first, KidOf(renewed));
        Assert.Contains(KidOf(renewed), before);
        Assert.Equal(3, (await KidsAsync()).Count);
        Assert.Equal(OK, (await service.WithToken(renewed.AccessToken).GetAsync("/identity/v1/me", Ct)).StatusCode);
        // The token of the old key is good as long as it lives: its key is still published.
        Assert.Equal(OK, (await old.GetAsync("/identity/v1/me", Ct)).StatusCode);
        Assert.Contains(first, await KidsAsync());

        await PassAsync("2 hours");
        await ring.RunOnceAsync(Ct);
        Assert.DoesNotContain(first, await KidsAsync());
        Assert.Equal(2, (await KidsAsync()).Count);
    }

    [Fact]
    public async Task After_a_long_sleep_there_are_new_keys_at_once()
    {
        await PassAsync("400 days");
        await Task.WhenAll(Enumerable.Range(0, 8)
            .Select(_ => service.Services.GetRequiredService<KeyRing>().RunOnceAsync(Ct)));
        Assert.Equal(2, (await KidsAsync()).Count);
        var person = await Person.SignedInAsync(service);
        Assert.Contains(KidOf(person.Tokens), await KidsAsync());
    }

    // Time passes for the keys: all their times move back.
    private Task PassAsync(string time) => service.SqlAsync(
        $"""
        update signing_keys
        set signs_from = signs_from - interval '{time}', signs_until = signs_until - interval '{time}',
            gone_at = gone_at - interval '{time}'
        """);

    private async Task<IReadOnlyList<string>> KidsAsync()
    {
        using var response = await service.Anonymous().GetAsync("/identity/.well-known/jwks.json", Ct);
        return [.. (await response.JsonAsync()).GetProperty("keys").EnumerateArray()
            .Select(key => key.GetProperty("kid").GetString()!).Order()];
    }

    private async Task<string?> CachingAsync()
    {
        using var response = await service.Anonymous().GetAsync("/identity/.well-known/jwks.json", Ct);
        return response.Headers.CacheControl?.ToString();
    }

    private static string KidOf(Tokens tokens) =>
        JsonDocument.Parse(Base64Url.DecodeFromChars(tokens.AccessToken.Split('.')[0]))
            .RootElement.GetProperty("kid").GetString()!;
}
