using System.Net.Http.Json;
using System.Text.Json;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class LoginListTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_person_sees_on_what_from_where_and_when_they_are_signed_in()
    {
        var ada = await Person.SignedUpAsync(service);
        var phone = await SignInAsync(ada, "Phone/1.0\t(a\u0007b)", "192.0.2.41");
        var laptop = await SignInAsync(ada, "Laptop/2.0", "2001:db8:1:2:3:4:5:6");

        var logins = await LoginsAsync(laptop);
        Assert.Equal(2, logins.Count);
        var (current, other) = (logins.Single(login => login.GetProperty("is_current").GetBoolean()), logins.Single(login => !login.GetProperty("is_current").GetBoolean()));
        Assert.Equal(("Laptop/2.0", "2001:db8:1:2::/64"), (current.GetProperty("device").GetString(), current.GetProperty("address").GetString()));
        Assert.Equal(("Phone/1.0(ab)", "192.0.2.41/32"), (other.GetProperty("device").GetString(), other.GetProperty("address").GetString()));

        // A refresh from elsewhere is seen.
        var was = other.GetProperty("last_used_at").GetDateTimeOffset();
        using var moved = service.Anonymous();
        moved.DefaultRequestHeaders.Add("X-Forwarded-For", "192.0.2.42");
        using var refreshed = await moved.PostAsJsonAsync("/identity/v1/logins/refresh", new { refresh_token = phone.RefreshToken }, Ct);
        Assert.Equal(OK, refreshed.StatusCode);
        var seen = (await LoginsAsync(laptop)).Single(login => !login.GetProperty("is_current").GetBoolean());
        Assert.Equal("192.0.2.42/32", seen.GetProperty("address").GetString());
        Assert.Equal("Phone/1.0(ab)", seen.GetProperty("device").GetString());
        Assert.True(seen.GetProperty("last_used_at").GetDateTimeOffset() > was);
    }

    [Fact]
    public async Task A_login_elsewhere_is_ended_once_and_another_persons_not_at_all()
    {
        var (ada, bob) = (await Person.SignedUpAsync(service), await Person.SignedInAsync(service));
        Tokens lost = await SignInAsync(ada, "Lost", "192.0.2.41"), mine = await SignInAsync(ada, "Mine", "192.0.2.41");
        var id = (await LoginsAsync(mine)).Single(login => login.GetProperty("device").GetString() == "Lost").GetProperty("login_id").GetGuid();

        await bob.Http.DeleteAsync($"/identity/v1/me/logins/{id}", Ct).RefusedAsync(NotFound, "login-not-found");
        Assert.Equal(2, (await LoginsAsync(mine)).Count);
        Assert.Equal(NoContent, (await service.WithToken(mine.AccessToken).DeleteAsync($"/identity/v1/me/logins/{id}", Ct)).StatusCode);
        await service.WithToken(mine.AccessToken).DeleteAsync($"/identity/v1/me/logins/{id}", Ct).RefusedAsync(NotFound, "login-not-found");
        await service.RefreshAsync(lost.RefreshToken).RefusedAsync(Unauthorized, "invalid-refresh-token");
        Assert.True(Assert.Single(await LoginsAsync(mine)).GetProperty("is_current").GetBoolean());
    }

    [Fact]
    public async Task All_others_are_ended_and_the_one_that_asks_goes_on()
    {
        var ada = await Person.SignedUpAsync(service);
        var others = await Task.WhenAll(Enumerable.Range(0, 3).Select(i => SignInAsync(ada, $"Other {i}", "192.0.2.41")));
        var mine = await SignInAsync(ada, "Mine", "192.0.2.41");
        using var ended = await service.WithToken(mine.AccessToken).DeleteAsync("/identity/v1/me/logins", Ct);
        Assert.Equal(3, (await ended.JsonAsync()).GetProperty("ended").GetInt32());
        foreach (var other in others) await service.RefreshAsync(other.RefreshToken).RefusedAsync(Unauthorized, "invalid-refresh-token");
        Assert.Equal(OK, (await service.RefreshAsync(mine.RefreshToken)).StatusCode);
    }

    private async Task<Tokens> SignInAsync(Person person, string device, string from)
    {
        using var http = service.Anonymous();
        http.DefaultRequestHeaders.Add("X-Forwarded-For", from);
        http.DefaultRequestHeaders.TryAddWithoutValidation("User-Agent", device);
        using var response = await http.PostAsJsonAsync("/identity/v1/logins", new { email = person.Email, password = person.Password }, Ct);
        return await response.TokensAsync();
    }

    private async Task<IReadOnlyList<JsonElement>> LoginsAsync(Tokens tokens)
    {
        using var response = await service.WithToken(tokens.AccessToken).GetAsync("/identity/v1/me/logins", Ct);
        Assert.Equal(OK, response.StatusCode);
        return [.. (await response.JsonAsync()).GetProperty("logins").EnumerateArray()];
    }
}
