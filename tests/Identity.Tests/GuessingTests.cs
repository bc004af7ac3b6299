using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

/// <summary>Whoever tries passwords runs out of tries, and the person does not.</summary>
public sealed class GuessingTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ten_wrong_passwords_from_one_place_shut_that_place_out_and_no_other()
    {
        var person = await Person.SignedUpAsync(service);
        for (var i = 0; i < 10; i++) Assert.Equal(Unauthorized, await TryAsync(person.Email, "Not-for-any-log-9", "203.0.113.7"));
        using var refused = await SendAsync(person.Email, person.Password, "203.0.113.7");
        Assert.Equal(TooManyRequests, refused.StatusCode);
        Assert.Equal("too-many-tries", (await refused.JsonAsync()).GetProperty("type").GetString());
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Assert.Equal(OK, await TryAsync(person.Email, person.Password, "203.0.113.8"));
    }

    [Fact]
    public async Task All_addresses_of_one_IPv6_network_are_one_place()
    {
        var person = await Person.SignedUpAsync(service);
        for (var i = 0; i < 10; i++) Assert.Equal(Unauthorized, await TryAsync(person.Email, "Not-for-any-log-9", $"2001:db8:0:7:{i + 1:x}::1"));
        Assert.Equal(TooManyRequests, await TryAsync(person.Email, person.Password, "2001:db8:0:7:ffff::2"));
        Assert.Equal(OK, await TryAsync(person.Email, person.Password, "2001:db8:0:8::1"));
    }

    [Fact]
    public async Task An_address_that_nobody_has_is_answered_in_the_same_way()
    {
        var nobody = $"{Guid.NewGuid():N}@example.org";
        for (var i = 0; i < 10; i++) Assert.Equal(Unauthorized, await TryAsync(nobody, "Not-for-any-log-9", "203.0.113.7"));
        Assert.Equal(TooManyRequests, await TryAsync(nobody, "Not-for-any-log-9", "203.0.113.7"));
    }

    [Fact]
    public async Task Guesses_from_everywhere_are_stopped_and_the_person_signs_in_from_where_they_always_do()
    {
        var person = await Person.SignedUpAsync(service);
        Assert.Equal(OK, await TryAsync(person.Email, person.Password, "198.51.100.1"));
        await Task.WhenAll(Enumerable.Range(1, 60).Select(i => TryAsync(person.Email, "Not-for-any-log-9", $"203.0.113.{i}")));
        Assert.Equal(TooManyRequests, await TryAsync(person.Email, person.Password, "203.0.113.99"));
        Assert.Equal(OK, await TryAsync(person.Email, person.Password, "198.51.100.1"));
    }

    [Fact]
    public async Task Where_a_person_signs_in_from_does_not_show_when_the_tries_of_strangers_are_used_up()
    {
        var person = await Person.SignedUpAsync(service);
        Assert.Equal(OK, await TryAsync(person.Email, person.Password, "198.51.100.1"));
        await Task.WhenAll(Enumerable.Range(1, 60).Select(i => TryAsync(person.Email, "Not-for-any-log-9", $"203.0.113.{i}")));
        async Task<(HttpStatusCode Status, string, bool, long)> AnswerAsync(string from)
        {
            var hashes = service.HashesDone();
            using var answer = await SendAsync(person.Email, "Not-for-any-log-9", from);
            return (answer.StatusCode, (await answer.JsonAsync()).GetProperty("detail").GetString()!, answer.Headers.RetryAfter is not null, Math.Min(1, service.HashesDone() - hashes));
        }
        // A try comes back every half a minute: what is compared was answered between two that were refused.
        (HttpStatusCode Status, string, bool, long) before, mine, after;
        var place = 100;
        do (before, mine, after) = (await AnswerAsync($"203.0.113.{place++}"), await AnswerAsync("198.51.100.1"), await AnswerAsync($"203.0.113.{place++}"));
        while (before.Status != TooManyRequests || after.Status != TooManyRequests);
        Assert.Equal(before, mine);
        Assert.Equal(OK, await TryAsync(person.Email, person.Password, "198.51.100.1"));
    }

    [Fact]
    public async Task A_right_password_is_no_guess()
    {
        var person = await Person.SignedUpAsync(service);
        for (var i = 0; i < 12; i++) Assert.Equal(OK, await TryAsync(person.Email, person.Password, "203.0.113.7"));
    }

    [Fact]
    public async Task Whoever_has_a_token_only_cannot_guess_the_password_with_it()
    {
        var person = await Person.SignedInAsync(service);
        for (var i = 0; i < 10; i++)
            Assert.Equal(Forbidden, (await person.ChangePasswordAsync("Not-for-any-log-9", "Not-for-any-log-3")).StatusCode);
        await person.ChangePasswordAsync("Not-for-any-log-9", "Not-for-any-log-3").RefusedAsync(TooManyRequests, "too-many-tries");
        await person.DeleteAccountAsync("Not-for-any-log-9").RefusedAsync(TooManyRequests, "too-many-tries");
    }

    [Fact]
    public async Task Places_not_signed_in_from_for_long_are_forgotten()
    {
        var person = await Person.SignedUpAsync(service);
        Assert.Equal(OK, await TryAsync(person.Email, person.Password, "198.51.100.1"));
        Assert.Equal(OK, await TryAsync(person.Email, person.Password, "198.51.100.2"));
        await service.SqlAsync("update familiar_addresses set last_used_at = now() - interval '91 days' where user_id = @AccountId and address = '198.51.100.1'",
            new { person.AccountId });
        await service.SqlAsync("call forget_old_addresses()");
        Assert.Equal(["198.51.100.2/32"], await service.SqlAsync<string>(
            "select address::text from familiar_addresses where user_id = @AccountId", new { person.AccountId }));
    }

    private async Task<HttpStatusCode> TryAsync(string email, string password, string from)
    {
        using var response = await SendAsync(email, password, from);
        return response.StatusCode;
    }

    private async Task<HttpResponseMessage> SendAsync(string email, string password, string from)
    {
        using var http = service.Anonymous();
        http.DefaultRequestHeaders.Add("X-Forwarded-For", from);
        return await http.PostAsJsonAsync("/identity/v1/logins", new { email, password }, Ct);
    }
}

/// <summary>An identity service whose addresses may do little in a minute.</summary>
public sealed class StingyIdentity : IdentityService
{
    protected override IEnumerable<KeyValuePair<string, string?>> Settings => [.. base.Settings, new("Limits:SensitivePerMinute", "3")];
}

/// <summary>The budget of token exchange.</summary>
public sealed class ClientBudgetTests(StingyIdentity service) : IClassFixture<StingyIdentity>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_client_that_proves_itself_has_a_budget_of_its_own_and_one_that_does_not_has_that_of_its_address()
    {
        for (var i = 0; i < 3; i++)
            Assert.Equal(Unauthorized, (await service.PostAsync("logins", new { email = $"{i}@example.org", password = "Not-for-any-log-9" })).StatusCode);
        Assert.Equal(TooManyRequests, (await service.PostAsync("logins", new { email = "x@example.org", password = "Not-for-any-log-9" })).StatusCode);
        for (var i = 0; i < 3; i++) Assert.Equal(Unauthorized, (await ExchangeAsync("wrong")).StatusCode);
        Assert.Equal(TooManyRequests, (await ExchangeAsync("wrong")).StatusCode);
        for (var i = 0; i < 6; i++) Assert.Equal(BadRequest, (await ExchangeAsync(IdentityService.SyncSecret)).StatusCode);
    }

    [Fact]
    public async Task Who_comes_by_a_page_is_told_by_a_page_that_it_was_too_often_and_a_script_is_not()
    {
        using var http = service.Anonymous();
        http.DefaultRequestHeaders.Add("X-Forwarded-For", "203.0.113.50");
        await SaysAsync(OK, "password", await http.GetAsync("/identity/sign-up", Ct));
        await SaysAsync(OK, "password", await http.GetAsync("/identity/sign-up", Ct));
        await SaysAsync(OK, "password", await http.GetAsync("/identity/sign-up", Ct));
        using var refused = await http.GetAsync("/identity/sign-up", Ct);
        await SaysAsync(TooManyRequests, $"Try again in {refused.Headers.RetryAfter} seconds", refused);
        await SaysAsync(TooManyRequests, "Try again in ", await http.GetAsync("/identity/v1/authorize", Ct));
        await http.PostAsync("/identity/passkeys/options", null, Ct).RefusedAsync(TooManyRequests, "quota-exceeded");

        static async Task SaysAsync(HttpStatusCode status, string text, HttpResponseMessage answer)
        {
            Assert.Equal((status, "text/html"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
            Assert.Contains(text, await answer.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
        }
    }

    private async Task<HttpResponseMessage> ExchangeAsync(string secret)
    {
        using var http = service.Anonymous();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"sync:{secret}")));
        return await http.PostAsync("/identity/v1/tokens", new FormUrlEncodedContent([]), TestContext.Current.CancellationToken);
    }
}
