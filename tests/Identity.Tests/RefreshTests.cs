using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class RefreshTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_refresh_gives_the_next_pair_of_the_same_login()
    {
        var person = await Person.SignedInAsync(service);
        using var response = await service.RefreshAsync(person.Tokens.RefreshToken);
        var next = await response.TokensAsync();
        Assert.True(response.Headers.CacheControl?.NoStore);
        Assert.NotEqual(person.Tokens.RefreshToken, next.RefreshToken);
        Assert.Equal(Claim(person.Tokens, "sid"), Claim(next, "sid"));
        Assert.Equal(Claim(person.Tokens, "auth_time"), Claim(next, "auth_time"));
        Assert.Equal(OK, (await service.WithToken(next.AccessToken).GetAsync("/identity/v1/me", Ct)).StatusCode);
        using var again = await service.RefreshAsync(next.RefreshToken);
        Assert.Equal(OK, again.StatusCode);
    }

    [Fact]
    public async Task A_stolen_refresh_token_that_comes_again_ends_the_login_for_thief_and_owner()
    {
        var person = await Person.SignedInAsync(service);
        var stolen = person.Tokens.RefreshToken;
        var thiefs = await (await service.RefreshAsync(stolen)).TokensAsync();
        thiefs = await (await service.RefreshAsync(thiefs.RefreshToken)).TokensAsync();

        await service.RefreshAsync(stolen).RefusedAsync(Unauthorized, "token-reused");

        await service.RefreshAsync(thiefs.RefreshToken).RefusedAsync(Unauthorized, "invalid-refresh-token");
        await service.RefreshAsync(stolen).RefusedAsync(Unauthorized, "token-reused");
        Assert.Equal("token-reused", Assert.Single(await service.SqlAsync<string>(
            "select ended_because from logins where user_id = @AccountId", new { person.AccountId })));
    }

    [Fact]
    public async Task A_replay_in_one_login_leaves_the_others_alone()
    {
        var person = await Person.SignedInAsync(service);
        var stolen = person.Tokens.RefreshToken;
        var elsewhere = await person.SignInAsync();
        await service.RefreshAsync(stolen);
        await service.RefreshAsync(stolen).RefusedAsync(Unauthorized, "token-reused");
        Assert.Equal(OK, (await service.RefreshAsync(elsewhere.RefreshToken)).StatusCode);
    }

    [Fact]
    public async Task Of_sixteen_refreshes_at_once_one_gets_the_next_pair_and_the_login_ends()
    {
        var person = await Person.SignedInAsync(service);
        var answers = await Task.WhenAll(Enumerable.Range(0, 16)
            .Select(_ => service.RefreshAsync(person.Tokens.RefreshToken)));
        var won = Assert.Single(answers, answer => answer.StatusCode == OK);
        foreach (var lost in answers.Where(answer => answer != won))
            await Task.FromResult(lost).RefusedAsync(Unauthorized, "token-reused");
        await service.RefreshAsync((await won.TokensAsync()).RefreshToken)
            .RefusedAsync(Unauthorized, "invalid-refresh-token");
        Assert.Equal(2, Assert.Single(await service.SqlAsync<int>(
            "select count(*)::int from refresh_tokens where user_id = @AccountId", new { person.AccountId })));
    }

    [Theory]
    [InlineData("update logins set expires_at = now() where user_id = @AccountId")]
    [InlineData("update refresh_tokens set issued_at = now() - interval '30 days 1 second' where user_id = @AccountId")]
    [InlineData("update accounts set disabled_at = now() where user_id = @AccountId")]
    public async Task A_login_ends_by_its_age_by_being_idle_and_with_its_account(string past)
    {
        var person = await Person.SignedInAsync(service);
        await service.SqlAsync(past, new { person.AccountId });
        await service.RefreshAsync(person.Tokens.RefreshToken).RefusedAsync(Unauthorized, "invalid-refresh-token");
    }

    [Fact]
    public async Task A_login_lives_90_days_however_often_it_is_refreshed()
    {
        var person = await Person.SignedInAsync(service);
        const string left =
            "select extract(day from expires_at - authenticated_at)::int from logins where user_id = @AccountId";
        Assert.Equal(90, Assert.Single(await service.SqlAsync<int>(left, new { person.AccountId })));
        await service.RefreshAsync(person.Tokens.RefreshToken);
        Assert.Equal(90, Assert.Single(await service.SqlAsync<int>(left, new { person.AccountId })));
    }

    [Theory]
    [InlineData("rt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), InlineData("x"), InlineData("rt_\u0000")]
    public async Task An_unknown_refresh_token_is_refused(string token) =>
        await service.RefreshAsync(token).RefusedAsync(Unauthorized, "invalid-refresh-token");

    [Fact]
    public async Task Only_hashes_of_refresh_tokens_are_stored()
    {
        var person = await Person.SignedInAsync(service);
        var stored = Assert.Single(await service.SqlAsync<byte[]>(
            "select token_hash from refresh_tokens where user_id = @AccountId", new { person.AccountId }));
        Assert.Equal(SHA256.HashData(Encoding.UTF8.GetBytes(person.Tokens.RefreshToken)), stored);
    }

    private static string Claim(Tokens tokens, string name) =>
        JsonDocument.Parse(Base64Url.DecodeFromChars(tokens.AccessToken.Split('.')[1]))
            .RootElement.GetProperty(name).ToString();
}
