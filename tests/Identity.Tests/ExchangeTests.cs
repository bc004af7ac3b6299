using System.Buffers.Text;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class ExchangeTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_service_gets_a_token_for_a_person_that_says_who_acts_and_where()
    {
        var person = await Person.SignedUpAsync(service);
        using var response = await ExchangeAsync(person.AccountId.ToString());
        Assert.Equal(OK, response.StatusCode);
        Assert.True(response.Headers.CacheControl?.NoStore);
        var answer = await response.JsonAsync();
        Assert.Equal(
            ("urn:ietf:params:oauth:token-type:access_token", "Bearer", 600, "readings:write"),
            (answer.GetProperty("issued_token_type").GetString(), answer.GetProperty("token_type").GetString(),
                answer.GetProperty("expires_in").GetInt32(), answer.GetProperty("scope").GetString()));
        var claims = JsonDocument.Parse(
            Base64Url.DecodeFromChars(answer.GetProperty("access_token").GetString()!.Split('.')[1])).RootElement;
        Assert.Equal(
            (person.AccountId.ToString(), "readings", "sync", "sync"),
            (claims.GetProperty("sub").GetString(), claims.GetProperty("aud").GetString(),
                claims.GetProperty("client_id").GetString(),
                claims.GetProperty("act").GetProperty("sub").GetString()));
        Assert.False(claims.TryGetProperty("sid", out _));
    }

    [Fact]
    public async Task That_token_opens_nothing_here()
    {
        var person = await Person.SignedUpAsync(service);
        using var response = await ExchangeAsync(person.AccountId.ToString());
        var token = (await response.JsonAsync()).GetProperty("access_token").GetString()!;
        await service.WithToken(token).GetAsync("/identity/v1/me", Ct).RefusedAsync(Unauthorized, "invalid-token");
    }

    [Theory]
    [InlineData("unknown"), InlineData("disabled"), InlineData("deleted"), InlineData("malformed")]
    public async Task An_account_that_is_not_active_gets_no_token(string which)
    {
        var person = await Person.SignedInAsync(service);
        if (which == "disabled")
            await service.SqlAsync(
                "update accounts set disabled_at = now() where user_id = @AccountId", new { person.AccountId });
        if (which == "deleted") await person.DeleteAccountAsync(person.Password);
        await RefusedAsync("invalid_grant", ExchangeAsync(
            which switch
            {
                "unknown" => Guid.NewGuid().ToString(),
                "malformed" => "x",
                _ => person.AccountId.ToString(),
            }));
    }

    [Fact]
    public async Task Anything_but_what_the_service_may_is_refused()
    {
        var account = (await Person.SignedUpAsync(service)).AccountId.ToString();
        await RefusedAsync("invalid_target", ExchangeAsync(account, ("audience", "identity")));
        await RefusedAsync("invalid_target", ExchangeAsync(account, ("audience", "openreadings")));
        await RefusedAsync("invalid_scope", ExchangeAsync(account, ("scope", "readings:write catalog:write")));
        await RefusedAsync("invalid_scope", ExchangeAsync(account, ("scope", "")));
        await RefusedAsync("unsupported_grant_type", ExchangeAsync(account, ("grant_type", "password")));
        await RefusedAsync("invalid_request",
            ExchangeAsync(account, ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")));
    }

    [Theory]
    [InlineData("sync", "wrong"), InlineData("sync", ""), InlineData("", ""),
        InlineData("readings", IdentityService.SyncSecret)]
    [InlineData("SYNC", IdentityService.SyncSecret), InlineData("..:sync", IdentityService.SyncSecret),
        InlineData("%", "%")]
    public async Task A_client_that_is_not_who_it_says_is_refused(string client, string secret)
    {
        var person = await Person.SignedUpAsync(service);
        using var response = await RefusedAsync("invalid_client",
            ExchangeAsync(person.AccountId.ToString(), client, secret), 401);
        Assert.Equal("Basic", response.Headers.WwwAuthenticate.Single().Scheme);
    }

    [Theory]
    [InlineData(null), InlineData("Bearer x"), InlineData("Basic"), InlineData("Basic !!!"),
        InlineData("Basic c3luYw==")]
    public async Task A_client_that_does_not_say_who_it_is_is_refused(string? authorization)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/identity/v1/tokens");
        request.Content = new FormUrlEncodedContent([]);
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        using var response = await service.Anonymous().SendAsync(request, Ct);
        Assert.Equal(Unauthorized, response.StatusCode);
    }

    private Task<HttpResponseMessage> ExchangeAsync(string account, params (string Name, string Value)[] changes) =>
        ExchangeAsync(account, "sync", IdentityService.SyncSecret, changes);

    private async Task<HttpResponseMessage> ExchangeAsync(string account, string client, string secret,
        params (string Name, string Value)[] changes)
    {
        var form = new Dictionary<string, string>
        {
            ["grant_type"] = "urn:ietf:params:oauth:grant-type:token-exchange", ["subject_token"] = account,
            ["subject_token_type"] = "urn:openreadings:token-type:account-id", ["audience"] = "readings",
            ["scope"] = "readings:write",
        };
        foreach (var (name, value) in changes) form[name] = value;
        using var http = service.Anonymous();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{client}:{secret}")));
        return await http.PostAsync("/identity/v1/tokens", new FormUrlEncodedContent(form), Ct);
    }

    private static async Task<HttpResponseMessage> RefusedAsync(string error, Task<HttpResponseMessage> answer,
        int status = 400)
    {
        var response = await answer;
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(error, (await response.JsonAsync()).GetProperty("error").GetString());
        return response;
    }
}
