using System.Net.Http.Json;
using System.Text.Json;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class SignUpTests(IdentityService service)
{
    [Fact]
    public async Task A_new_account_signs_in_and_sees_itself()
    {
        var email = $"{Guid.NewGuid():N}@Example.ORG";
        using var made = await service.PostAsync("accounts", new
        {
            email = $"  {email} ", password = Person.FirstPassword, name = "Žana 李", time_zone = "Europe/Ljubljana",
        });
        Assert.Equal(Created, made.StatusCode);
        Assert.Equal("/identity/v1/me", made.Headers.Location?.ToString());
        var account = await made.JsonAsync();
        Assert.Equal(email, account.GetProperty("email").GetString());

        using var login = await service.PostAsync("logins",
            new { email = email.ToUpperInvariant(), password = Person.FirstPassword });
        var http = service.WithToken((await login.TokensAsync()).AccessToken);
        var me = await http.GetFromJsonAsync<JsonElement>("/identity/v1/me", TestContext.Current.CancellationToken);
        Assert.Equal(account.GetProperty("account_id").GetGuid(), me.GetProperty("account_id").GetGuid());
        Assert.Equal("Žana 李", me.GetProperty("name").GetString());
        Assert.Equal("Europe/Ljubljana", me.GetProperty("time_zone").GetString());
        Assert.Equal(account.GetProperty("created_at").GetDateTimeOffset(),
            me.GetProperty("created_at").GetDateTimeOffset());
    }

    [Fact]
    public async Task A_new_account_is_announced_once()
    {
        var person = await Person.SignedUpAsync(service);
        var events = await service.EventsOfAsync(person.AccountId);
        Assert.Equal(["account.created.v1"], events);
    }

    [Fact]
    public async Task Signing_up_with_a_taken_address_answers_as_for_a_free_one_and_changes_nothing()
    {
        var person = await Person.SignedUpAsync(service);
        var before = await AccountAsync(person);

        using var again = await service.PostAsync("accounts",
            new { email = person.Email.ToUpperInvariant(), password = "Not-for-any-log-2", name = "Eve" });
        using var fresh = await service.PostAsync("accounts",
            new { email = new Person(service).Email.ToUpperInvariant(), password = "Not-for-any-log-2", name = "Eve" });

        Assert.Equal(fresh.StatusCode, again.StatusCode);
        Assert.Equal(await ShapeAsync(fresh), await ShapeAsync(again));
        Assert.NotEqual(person.AccountId, (await again.JsonAsync()).GetProperty("account_id").GetGuid());
        Assert.Equal(before, await AccountAsync(person));
        Assert.Equal(["account.created.v1"], await service.EventsOfAsync(person.AccountId));
        Assert.Empty(await service.EventsOfAsync((await again.JsonAsync()).GetProperty("account_id").GetGuid()));
        await person.TrySignInAsync("Not-for-any-log-2").RefusedAsync(Unauthorized, "invalid-credentials");
        await person.SignInAsync();
        var me = await person.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me",
            TestContext.Current.CancellationToken);
        Assert.NotEqual(JsonValueKind.Null, me.GetProperty("signed_up_again_at").ValueKind);
    }

    [Fact]
    public async Task Of_sixteen_sign_ups_at_once_one_makes_the_account()
    {
        var email = $"{Guid.NewGuid():N}@example.org";
        // Eight passwords: so many may be tried at once afterwards.
        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(i =>
            service.PostAsync("accounts", new { email, password = $"Not-for-any-log-{i % 8}" })));
        Assert.All(answers, answer => Assert.Equal(Created, answer.StatusCode));
        Assert.Equal(1, Assert.Single(
            await service.SqlAsync<int>("select count(*)::int from accounts where email = @email", new { email })));
        var logins = await Task.WhenAll(Enumerable.Range(0, 8).Select(i =>
            service.PostAsync("logins", new { email, password = $"Not-for-any-log-{i}" })));
        Assert.Single(logins, login => login.StatusCode == OK);
    }

    private async Task<string> AccountAsync(Person person) => Assert.Single(await service.SqlAsync<string>(
        """
        select (to_jsonb(accounts) - 'signed_up_again_at')::text || to_jsonb(passwords)::text
        from accounts join passwords using (user_id) where user_id = @AccountId
        """, new { person.AccountId }));

    // Everything a stranger can compare, less what is different for each sign-up anyway.
    private static async Task<string> ShapeAsync(HttpResponseMessage response)
    {
        var body = (await response.JsonAsync()).EnumerateObject().Select(field =>
            field.Name + field.Name switch
            {
                "name" or "time_zone" => field.Value.ToString(),
                // Zeros at the end are left out, so its length says nothing.
                "created_at" => field.Value.GetDateTimeOffset().Offset.ToString(),
                _ => field.Value.ToString().Length.ToString(),
            });
        var headers = response.Headers.Where(header => header.Key is not "Date" and not "RateLimit")
            .Select(header => $"{header.Key}: {string.Join(",", header.Value)}");
        return string.Join('\n', [.. headers, .. body]);
    }
}
