using System.Net.Http.Json;
using System.Text;
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

        using var login = await service.PostAsync("logins", new { email = email.ToUpperInvariant(), password = Person.FirstPassword });
        var http = service.WithToken((await login.TokensAsync()).AccessToken);
        var me = await http.GetFromJsonAsync<JsonElement>("/identity/v1/me", TestContext.Current.CancellationToken);
        Assert.Equal(account.GetProperty("account_id").GetGuid(), me.GetProperty("account_id").GetGuid());
        Assert.Equal("Žana 李", me.GetProperty("name").GetString());
        Assert.Equal("Europe/Ljubljana", me.GetProperty("time_zone").GetString());
        Assert.Equal(account.GetProperty("created_at").GetDateTimeOffset(), me.GetProperty("created_at").GetDateTimeOffset());
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

        using var again = await service.PostAsync("accounts", new { email = person.Email.ToUpperInvariant(), password = "Not-for-any-log-2", name = "Eve" });
        using var fresh = await service.PostAsync("accounts", new { email = $"{Guid.NewGuid():N}@example.org".ToUpperInvariant(), password = "Not-for-any-log-2", name = "Eve" });

        Assert.Equal(fresh.StatusCode, again.StatusCode);
        Assert.Equal(await ShapeAsync(fresh), await ShapeAsync(again));
        Assert.NotEqual(person.AccountId, (await again.JsonAsync()).GetProperty("account_id").GetGuid());
        Assert.Equal(before, await AccountAsync(person));
        Assert.Equal(["account.created.v1"], await service.EventsOfAsync(person.AccountId));
        Assert.Empty(await service.EventsOfAsync((await again.JsonAsync()).GetProperty("account_id").GetGuid()));
        await person.TrySignInAsync("Not-for-any-log-2").RefusedAsync(Unauthorized, "invalid-credentials");
        await person.SignInAsync();
        var me = await person.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me", TestContext.Current.CancellationToken);
        Assert.NotEqual(JsonValueKind.Null, me.GetProperty("signed_up_again_at").ValueKind);
    }

    [Fact]
    public async Task Of_sixteen_sign_ups_at_once_one_makes_the_account()
    {
        var email = $"{Guid.NewGuid():N}@example.org";
        var answers = await Task.WhenAll(Enumerable.Range(10, 16).Select(i =>
            service.PostAsync("accounts", new { email, password = $"Not-for-any-log-{i}" })));
        Assert.All(answers, answer => Assert.Equal(Created, answer.StatusCode));
        Assert.Equal(1, Assert.Single(await service.SqlAsync<int>("select count(*)::int from accounts where email = @email", new { email })));
        var logins = await Task.WhenAll(Enumerable.Range(10, 16).Select(i =>
            service.PostAsync("logins", new { email, password = $"Not-for-any-log-{i}" })));
        Assert.Single(logins, login => login.StatusCode == OK);
    }

    [Theory]
    [InlineData("Abcde1", "password-too-short")]
    [InlineData("Abcdef1", null)]
    [InlineData("abcdef1", "password-without-upper-case")]
    [InlineData("ABCDEF1", "password-without-lower-case")]
    [InlineData("Abcdefg", "password-without-digit")]
    [InlineData(" Abcdef1", "password-edge-whitespace")]
    [InlineData("Abcdef1\t", "password-edge-whitespace")]
    [InlineData("Abcdef1\u00a0", "password-edge-whitespace")]
    [InlineData("Abc def 1", null)]
    [InlineData("Abbbcdef1", "password-repeats-character")]
    [InlineData("Abbcbbdef1", null)]
    [InlineData("Ab😀😀😀cdef1", "password-repeats-character")]
    [InlineData("Ж😀ж7😀😀x", null)]
    [InlineData("Ab1😀😎😀", "password-too-short")]
    [InlineData("AAA", "password-too-short password-without-lower-case password-without-digit password-repeats-character")]
    [InlineData("", "password-too-short password-without-upper-case password-without-lower-case password-without-digit")]
    [InlineData(null, "password-too-short password-without-upper-case password-without-lower-case password-without-digit")]
    public async Task Each_broken_rule_of_the_password_is_named(string? password, string? broken)
    {
        var answer = service.PostAsync("accounts", new { email = $"{Guid.NewGuid():N}@example.org", password });
        if (broken is null)
        {
            Assert.Equal(Created, (await answer).StatusCode);
            return;
        }
        var problem = await answer.RefusedAsync(BadRequest, "validation-failed");
        Assert.Equal(broken.Split(' '), problem.Errors!.Select(error => error.Type));
        Assert.All(problem.Errors!, error => Assert.Equal("/password", error.Pointer));
    }

    [Fact]
    public async Task Length_is_counted_in_characters_and_not_in_bytes()
    {
        var longest = "Aa1" + string.Concat(Enumerable.Repeat("😀é", 126));
        var email = $"{Guid.NewGuid():N}@example.org";
        using var made = await service.PostAsync("accounts", new { email, password = longest });
        Assert.Equal(Created, made.StatusCode);
        using var login = await service.PostAsync("logins", new { email, password = longest });
        Assert.Equal(OK, login.StatusCode);
        var problem = await service.PostAsync("accounts", new { email = $"{Guid.NewGuid():N}@example.org", password = longest + "x" })
            .RefusedAsync(BadRequest, "validation-failed");
        Assert.Equal("password-too-long", Assert.Single(problem.Errors!).Type);
    }

    [Theory]
    [InlineData(null), InlineData(""), InlineData("ada"), InlineData("@example.org"), InlineData("ada@"), InlineData("ada@example")]
    [InlineData("ada@example."), InlineData("ada@.org"), InlineData("a da@example.org"), InlineData("ada@@example.org")]
    [InlineData("ada@exa mple.org"), InlineData(".ada@example.org"), InlineData("ada..b@example.org"), InlineData("ada\u0000@example.org")]
    [InlineData("Ada <ada@example.org>"), InlineData("ada@example.org,bob@example.org"), InlineData("ada@exam_ple.org")]
    public async Task What_is_no_address_is_refused(string? email)
    {
        var problem = await service.PostAsync("accounts", new { email, password = Person.FirstPassword })
            .RefusedAsync(BadRequest, "validation-failed");
        var error = Assert.Single(problem.Errors!);
        Assert.Equal(("/email", "invalid-email"), (error.Pointer, error.Type));
    }

    [Theory]
    [InlineData("+a.b-c_d'e@example.org"), InlineData("žana@bücher.example"), InlineData("a@b.c-d.example")]
    public async Task Unusual_addresses_are_addresses(string email)
    {
        using var made = await service.PostAsync("accounts", new { email = Guid.NewGuid().ToString("N")[..9] + email, password = Person.FirstPassword });
        Assert.Equal(Created, made.StatusCode);
    }

    [Fact]
    public async Task An_address_of_160_characters_is_taken_and_one_of_161_is_not()
    {
        string Address(int length) => $"{Guid.NewGuid():N}@{new string('a', 60)}.{new string('b', length - 32 - 1 - 60 - 1 - 4)}.org";
        using var fits = await service.PostAsync("accounts", new { email = Address(160).Replace("bbb.", "b.b.", StringComparison.Ordinal), password = Person.FirstPassword });
        Assert.Equal(Created, fits.StatusCode);
        await service.PostAsync("accounts", new { email = Address(161), password = Person.FirstPassword })
            .RefusedAsync(BadRequest, "validation-failed");
    }

    [Theory]
    [InlineData("Europe/Atlantis"), InlineData("CEST-2"), InlineData(""), InlineData("../../../etc/passwd"), InlineData("posix/UTC"), InlineData("localtime")]
    [InlineData("europe/ljubljana"), InlineData("W. Europe Standard Time")]
    public async Task An_unknown_time_zone_is_refused(string zone)
    {
        var problem = await service.PostAsync("accounts", new { email = "a@example.org", password = Person.FirstPassword, time_zone = zone })
            .RefusedAsync(BadRequest, "validation-failed");
        var error = Assert.Single(problem.Errors!);
        Assert.Equal(("/time_zone", "unknown-time-zone"), (error.Pointer, error.Type));
    }

    [Fact]
    public async Task All_that_is_wrong_is_said_at_once()
    {
        var problem = await service.PostAsync("accounts", new { email = "ada", password = "short", name = new string('x', 61) + "\n", time_zone = "x" })
            .RefusedAsync(BadRequest, "validation-failed");
        Assert.Equal(["/email", "/name", "/password", "/time_zone"], problem.Errors!.Select(error => error.Pointer).Distinct().Order());
    }

    [Theory]
    [InlineData("{"), InlineData("[]"), InlineData("null"), InlineData(""), InlineData("""{"email": 7}"""), InlineData("\"\\ud800\"")]
    [InlineData("""{"email": "a@example.org", "password": "\ud800Not-for-any-log-1"}""")]
    [InlineData("""{"email": "a@example.org", "email": "b@example.org", "password": "Not-for-any-log-1"}""")]
    public async Task A_body_that_is_not_a_sign_up_is_the_callers_fault(string body)
    {
        using var response = await service.Anonymous().PostAsync("/identity/v1/accounts",
            new StringContent(body, Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        Assert.Equal(BadRequest, response.StatusCode);
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
            $"{field.Name}={(field.Name is "name" or "time_zone" ? field.Value.ToString() : field.Value.ToString().Length)}");
        var headers = response.Headers.Where(header => header.Key is not "Date" and not "RateLimit")
            .Select(header => $"{header.Key}: {string.Join(",", header.Value)}");
        return string.Join('\n', [.. headers, .. body]);
    }
}
