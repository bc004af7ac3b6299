using System.Text;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class SignUpRulesTests(IdentityService service)
{
    private const string NothingRight =
        "password-too-short password-without-upper-case password-without-lower-case password-without-digit";

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
    [InlineData("AAA", "password-too-short password-without-lower-case password-without-digit "
        + "password-repeats-character")]
    [InlineData("", NothingRight), InlineData(null, NothingRight)]
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
        var problem = await service.PostAsync("accounts",
            new { email = $"{Guid.NewGuid():N}@example.org", password = longest + "x" })
            .RefusedAsync(BadRequest, "validation-failed");
        Assert.Equal("password-too-long", Assert.Single(problem.Errors!).Type);
    }

    [Theory]
    [InlineData(null), InlineData(""), InlineData("ada"), InlineData("@example.org"), InlineData("ada@"),
        InlineData("ada@example")]
    [InlineData("ada@example."), InlineData("ada@.org"), InlineData("a da@example.org"), InlineData("ada@@example.org")]
    [InlineData("ada@exa mple.org"), InlineData(".ada@example.org"), InlineData("ada..b@example.org"),
        InlineData("ada\u0000@example.org")]
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
        using var made = await service.PostAsync("accounts",
            new { email = Guid.NewGuid().ToString("N")[..9] + email, password = Person.FirstPassword });
        Assert.Equal(Created, made.StatusCode);
    }

    [Fact]
    public async Task An_address_of_160_characters_is_taken_and_one_of_161_is_not()
    {
        string Address(int length) =>
            $"{Guid.NewGuid():N}@{new string('a', 60)}.{new string('b', length - 32 - 1 - 60 - 1 - 4)}.org";
        using var fits = await service.PostAsync("accounts",
            new
            {
                email = Address(160).Replace("bbb.", "b.b.", StringComparison.Ordinal), password = Person.FirstPassword,
            });
        Assert.Equal(Created, fits.StatusCode);
        await service.PostAsync("accounts", new { email = Address(161), password = Person.FirstPassword })
            .RefusedAsync(BadRequest, "validation-failed");
    }

    [Theory]
    [InlineData("Europe/Atlantis"), InlineData("CEST-2"), InlineData(""), InlineData("../../../etc/passwd"),
        InlineData("posix/UTC"), InlineData("localtime")]
    [InlineData("europe/ljubljana"), InlineData("W. Europe Standard Time")]
    public async Task An_unknown_time_zone_is_refused(string zone)
    {
        var problem = await service.PostAsync("accounts",
            new { email = "a@example.org", password = Person.FirstPassword, time_zone = zone })
            .RefusedAsync(BadRequest, "validation-failed");
        var error = Assert.Single(problem.Errors!);
        Assert.Equal(("/time_zone", "unknown-time-zone"), (error.Pointer, error.Type));
    }

    [Fact]
    public async Task All_that_is_wrong_is_said_at_once()
    {
        var problem = await service.PostAsync("accounts",
            new { email = "ada", password = "short", name = new string('x', 61) + "\n", time_zone = "x" })
            .RefusedAsync(BadRequest, "validation-failed");
        Assert.Equal(["/email", "/name", "/password", "/time_zone"],
            problem.Errors!.Select(error => error.Pointer).Distinct().Order());
    }

    [Theory]
    [InlineData("{"), InlineData("[]"), InlineData("null"), InlineData(""), InlineData("""{"email": 7}""")]
    [InlineData("\"\\ud800\"")]
    [InlineData("""{"email": "a@example.org", "password": "\ud800Not-for-any-log-1"}""")]
    [InlineData("""{"email": "a@example.org", "email": "b@example.org", "password": "Not-for-any-log-1"}""")]
    public async Task A_body_that_is_not_a_sign_up_is_the_callers_fault(string body)
    {
        using var response = await service.Anonymous().PostAsync("/identity/v1/accounts",
            new StringContent(body, Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        Assert.Equal(BadRequest, response.StatusCode);
    }
}
