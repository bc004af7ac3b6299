using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class LoginTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_login_answers_both_tokens_and_nobody_may_keep_the_answer()
    {
        var person = await Person.SignedUpAsync(service);
        using var response = await person.TrySignInAsync(person.Password);
        var tokens = await response.TokensAsync();
        Assert.Equal(("Bearer", 600), (tokens.TokenType, tokens.ExpiresIn));
        Assert.StartsWith("rt_", tokens.RefreshToken, StringComparison.Ordinal);
        Assert.True(response.Headers.CacheControl?.NoStore);
    }

    [Fact]
    public async Task The_access_token_says_what_RFC_9068_asks_and_verifies_with_the_published_keys()
    {
        var person = await Person.SignedInAsync(service);
        var parts = person.Tokens.AccessToken.Split('.');
        var header = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[0])).RootElement;
        var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1])).RootElement;
        Assert.Equal(["alg", "typ", "kid"], header.EnumerateObject().Select(field => field.Name));
        Assert.Equal(("ES256", "at+jwt"),
            (header.GetProperty("alg").GetString(), header.GetProperty("typ").GetString()));
        Assert.Equal(
            ["iss", "aud", "sub", "client_id", "iat", "nbf", "exp", "jti", "scope", "sid", "auth_time"],
            claims.EnumerateObject().Select(field => field.Name));
        Assert.Equal(person.AccountId, claims.GetProperty("sub").GetGuid());
        Assert.Equal("openreadings", claims.GetProperty("aud").GetString());
        Assert.Equal(600, claims.GetProperty("exp").GetInt64() - claims.GetProperty("iat").GetInt64());

        using var jwks = await service.Anonymous().GetAsync("/identity/.well-known/jwks.json", Ct);
        var key = (await jwks.JsonAsync()).GetProperty("keys").EnumerateArray()
            .Single(key => key.GetProperty("kid").GetString() == header.GetProperty("kid").GetString());
        using var ecdsa = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q =
            {
                X = Base64Url.DecodeFromChars(key.GetProperty("x").GetString()),
                Y = Base64Url.DecodeFromChars(key.GetProperty("y").GetString()),
            },
        });
        Assert.True(ecdsa.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"),
            Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256));
    }

    [Fact]
    public async Task Unknown_address_wrong_password_and_disabled_account_get_one_answer()
    {
        var (person, disabled) = (await Person.SignedUpAsync(service), await Person.SignedUpAsync(service));
        await service.SqlAsync("update accounts set disabled_at = now() where user_id = @AccountId",
            new { disabled.AccountId });
        var answers = await Task.WhenAll(
            person.TrySignInAsync("Not-for-any-log-9"), new Person(service).TrySignInAsync(person.Password),
            disabled.TrySignInAsync(disabled.Password),
            service.PostAsync("logins", new { email = "no address", password = person.Password }));
        Assert.All(answers, answer => Assert.Equal(Unauthorized, answer.StatusCode));
        var bodies = await Task.WhenAll(answers
            .Select(async answer => string.Join(' ', (await answer.JsonAsync()).EnumerateObject()
            .Where(field => field.Name is not "traceId").Select(field => field.ToString()))));
        Assert.Single(bodies.Distinct());
        Assert.Contains("invalid-credentials", bodies[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}"), InlineData("""{"email": "a@example.org"}""")]
    [InlineData("""{"email": "a@example.org", "password": null}""")]
    public async Task A_sign_in_without_a_password_is_not_one(string body)
    {
        using var response = await service.Anonymous().PostAsync("/identity/v1/logins",
            new StringContent(body, Encoding.UTF8, "application/json"), Ct);
        Assert.Equal(BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task A_password_longer_than_any_is_not_hashed()
    {
        var problem = await service.PostAsync("logins",
            new { email = "a@example.org", password = new string('x', 511) })
            .RefusedAsync(BadRequest, "validation-failed");
        Assert.Equal("/password", Assert.Single(problem.Errors!).Pointer);
    }

    [Fact]
    public async Task Signing_out_ends_this_login_and_no_other_and_may_be_repeated()
    {
        var person = await Person.SignedInAsync(service);
        var elsewhere = person.Tokens;
        await person.SignInAsync();
        for (var i = 0; i < 2; i++)
            Assert.Equal(NoContent, (await person.Http.DeleteAsync("/identity/v1/logins/current", Ct)).StatusCode);
        await service.RefreshAsync(person.Tokens.RefreshToken).RefusedAsync(Unauthorized, "invalid-refresh-token");
        Assert.Equal(OK, (await service.RefreshAsync(elsewhere.RefreshToken)).StatusCode);
    }

    [Fact]
    public async Task A_hash_with_older_parameters_is_renewed_by_signing_in()
    {
        var person = await Person.SignedUpAsync(service);
        // "Not-for-any-log-1" with 8 MiB and one pass, as an older version might have stored it.
        await service.SqlAsync("update passwords set hash = @hash where user_id = @AccountId",
            new { person.AccountId, hash = OlderHash });
        await person.SignInAsync();
        var renewed = Assert.Single(await service.SqlAsync<string>(
            "select hash from passwords where user_id = @AccountId", new { person.AccountId }));
        Assert.StartsWith("$argon2id$v=19$m=19456,t=2,p=1$", renewed, StringComparison.Ordinal);
        await person.SignInAsync();
    }

    private const string OlderHash =
        "$argon2id$v=19$m=8192,t=1,p=1$7aM1YrFaXdvzX+7cMgFEQQ$sIWg8g31DT+xuIoQE3Z31zlnm/w5smWkZTRn1bWT89k";
}
