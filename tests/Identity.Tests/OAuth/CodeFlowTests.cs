using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.WebUtilities;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.OAuth;

/// <summary>A person is sent here, signs in, is asked, and goes back with a code.</summary>
public sealed class CodeFlowTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_person_signs_in_is_asked_once_and_the_application_gets_what_was_allowed()
    {
        var (app, ada) = (await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        await browser.AskAsync(app.Request());
        Assert.Contains("<h1>Sign in</h1>", browser.Html, StringComparison.Ordinal);
        await browser.SignInAsync(ada);
        Assert.Contains("<h1>Let Sleep lab in?</h1>", browser.Html, StringComparison.Ordinal);
        Assert.Contains(ada.Email, browser.Html, StringComparison.Ordinal);
        Assert.Contains("https://lab.example", browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("decision", "allow"));
        Assert.StartsWith($"{App.Callback}?code=oc_", browser.Left!, StringComparison.Ordinal);
        Assert.Equal(("s-1", OpenReadings.Support.TestIdentity.Issuer), (browser.LeftWith["state"], browser.LeftWith["iss"]));

        using var answer = await app.TokensAsync(browser.LeftWith["code"]);
        Assert.Equal(OK, answer.StatusCode);
        Assert.True(answer.Headers.CacheControl?.NoStore);
        var tokens = await answer.JsonAsync();
        Assert.Equal(("Bearer", "openid readings:read offline_access", 600), (tokens.Text("token_type"), tokens.Text("scope"), tokens.GetProperty("expires_in").GetInt32()));
        var id = tokens.Text("id_token").Claims();
        Assert.Equal((ada.AccountId.ToString(), app.ClientId, "n-1"), (id.Text("sub"), id.Text("aud"), id.Text("nonce")));
        Assert.False(id.TryGetProperty("email", out _));
        var access = tokens.Text("access_token").Claims();
        Assert.Equal((ada.AccountId.ToString(), app.ClientId, "openid readings:read offline_access"), (access.Text("sub"), access.Text("client_id"), access.Text("scope")));
        Assert.False(access.TryGetProperty("roles", out _));
        var info = await (await service.WithToken(tokens.Text("access_token")).GetAsync("/identity/v1/userinfo", Ct)).JsonAsync();
        Assert.Equal($$"""{"sub":"{{ada.AccountId}}"}""", info.GetRawText());

        // The second time nobody asks, unless the application wants it so, or wants more.
        await browser.AskAsync(app.Request(changes: ("prompt", "none")));
        Assert.Contains("code", browser.LeftWith.Keys);
        await browser.AskAsync(app.Request(changes: ("prompt", "consent")));
        Assert.Null(browser.Left);
        await browser.AskAsync(app.Request(changes: [("scope", "openid profile email readings:write"), ("prompt", "none")]));
        Assert.Equal("consent_required", browser.LeftWith["error"]);
        await browser.AskAsync(app.Request(changes: ("scope", "openid profile email readings:write")));
        await browser.SendAsync(("decision", "allow"), ("allow_readings:write", null));
        var narrower = await (await app.TokensAsync(browser.LeftWith["code"])).JsonAsync();
        Assert.Equal("openid profile email", narrower.Text("scope"));
        Assert.Equal(ada.Email, narrower.Text("id_token").Claims().Text("email"));
        Assert.False(narrower.TryGetProperty("refresh_token", out _));
    }

    [Fact]
    public async Task A_person_who_says_no_is_sent_back_with_that_and_nothing_is_kept()
    {
        var (app, ada) = (await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        await browser.AskAsync(app.Request());
        await browser.SignInAsync(ada);
        await browser.SendAsync(("decision", "deny"));
        Assert.Equal(("access_denied", "s-1"), (browser.LeftWith["error"], browser.LeftWith["state"]));
        Assert.Empty(await service.SqlAsync<Guid>("select client_id from consents where user_id = @AccountId", new { ada.AccountId }));
    }

    [Fact]
    public async Task Silent_asking_never_shows_a_page_and_a_login_that_is_too_old_is_made_anew()
    {
        var (app, ada) = (await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        await browser.AskAsync(app.Request(changes: ("prompt", "none")));
        Assert.Equal("login_required", browser.LeftWith["error"]);
        await AllowedAsync(browser, app, ada);
        await service.SqlAsync("update logins set authenticated_at = now() - interval '10 minutes' where user_id = @AccountId and client_id = 'browser'", new { ada.AccountId });
        await browser.AskAsync(app.Request(changes: [("max_age", "60"), ("prompt", "none")]));
        Assert.Equal("login_required", browser.LeftWith["error"]);
        foreach (var change in new (string, string?)[] { ("max_age", "60"), ("prompt", "login"), ("max_age", "0") })
        {
            await browser.AskAsync(app.Request(changes: change));
            Assert.Contains("<h1>Sign in</h1>", browser.Html, StringComparison.Ordinal);
            await browser.SignInAsync(ada);
            var tokens = await (await app.TokensAsync(browser.LeftWith["code"])).JsonAsync();
            Assert.InRange(tokens.Text("id_token").Claims().GetProperty("auth_time").GetInt64(), DateTimeOffset.UtcNow.AddMinutes(-1).ToUnixTimeSeconds(), DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 1);
        }
        await browser.AskAsync(app.Request(changes: ("max_age", "soon")));
        Assert.Equal("invalid_request", browser.LeftWith["error"]);
        await browser.AskAsync(app.Request(changes: ("prompt", "none login")));
        Assert.Equal("invalid_request", browser.LeftWith["error"]);
    }

    public static TheoryData<string, string?, string> Wrong => new()
    {
        { "response_type", "token", "unsupported_response_type" }, { "response_type", "code id_token", "unsupported_response_type" }, { "response_type", null, "unsupported_response_type" },
        { "response_mode", "fragment", "invalid_request" }, { "code_challenge", null, "invalid_request" }, { "code_challenge_method", "plain", "invalid_request" },
        { "code_challenge_method", null, "invalid_request" }, { "code_challenge", "short", "invalid_request" }, { "scope", "openid everything", "invalid_scope" }, { "scope", null, "invalid_scope" },
        { "scope", "sync:write", "invalid_scope" }, { "request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported" }, { "request_uri", "https://evil.example/r", "request_uri_not_supported" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task What_is_wrong_with_a_request_goes_back_to_the_application_by_itself_only_where_the_person_has_let_it_in(string parameter, string? value, string error)
    {
        var (app, ada) = (await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        // A link that somebody made who has registered an address of their own: nobody is led there without a click, signed in or not.
        await browser.AskAsync(app.Request(changes: (parameter, value)));
        Assert.Equal((null, BadRequest), (browser.Left, browser.Status));
        Assert.Contains("Go on to https://lab.example</a>", browser.Html, StringComparison.Ordinal);
        var link = WebUtility.HtmlDecode(System.Text.RegularExpressions.Regex.Match(browser.Html, "<a href=\"([^\"]*)\"").Groups[1].Value);
        Assert.StartsWith($"{App.Callback}?error={error}&", link, StringComparison.Ordinal);
        await browser.AskAsync(app.Request());
        await browser.SignInAsync(ada);
        await browser.AskAsync(app.Request(changes: (parameter, value)));
        Assert.Null(browser.Left);

        await browser.AskAsync(app.Request());
        await browser.SendAsync(("decision", "allow"));
        await browser.AskAsync(app.Request(changes: (parameter, value)));
        Assert.StartsWith(App.Callback, browser.Left!, StringComparison.Ordinal);
        Assert.Equal((error, "s-1", OpenReadings.Support.TestIdentity.Issuer), (browser.LeftWith["error"], browser.LeftWith["state"], browser.LeftWith["iss"]));
    }

    [Theory]
    [InlineData("https://lab.example/callback/")]
    [InlineData("https://lab.example/callback?x=1")]
    [InlineData("https://lab.example/callback#x")]
    [InlineData("https://lab.example/Callback")]
    [InlineData("https://LAB.example/callback")]
    [InlineData("https://lab.example:443/callback")]
    [InlineData("https://lab.example./callback")]
    [InlineData("https://lab.example@evil.example/callback")]
    [InlineData("https://lab.example/callback/../evil")]
    [InlineData("https://lab.example/%63allback")]
    [InlineData("http://lab.example/callback")]
    [InlineData("https://evil.example/callback")]
    [InlineData("//lab.example/callback")]
    [InlineData("javascript:alert(1)")]
    [InlineData(null)]
    public async Task Nobody_is_sent_to_an_address_that_was_not_registered(string? redirectUri)
    {
        var app = await App.MadeAsync(service);
        using var browser = new Browser(service);
        await browser.AskAsync(app.Request(changes: ("redirect_uri", redirectUri)));
        Assert.Equal((null, BadRequest), (browser.Left, browser.Status));
        Assert.Contains("has not registered", browser.Html, StringComparison.Ordinal);
        await browser.AskAsync(app.Request(changes: [("client_id", Guid.NewGuid().ToString()), ("redirect_uri", redirectUri)]));
        Assert.Equal((null, BadRequest), (browser.Left, browser.Status));
    }

    [Theory]
    [InlineData("redirect_uri")]
    [InlineData("client_id")]
    [InlineData("scope")]
    [InlineData("code_challenge")]
    public async Task A_parameter_that_comes_twice_is_believed_neither_time(string parameter)
    {
        var app = await App.MadeAsync(service);
        using var browser = new Browser(service);
        await browser.GetAsync($"{QueryHelpers.AddQueryString("/identity/v1/authorize", app.Request()!)}&{parameter}=https%3A%2F%2Fevil.example");
        Assert.Equal((null, BadRequest), (browser.Left, browser.Status));
    }

    [Fact]
    public async Task A_program_on_a_persons_own_machine_takes_any_port_and_is_never_let_in_without_asking()
    {
        var (app, ada) = (await App.MadeAsync(service, isPublic: true, redirectUri: "http://127.0.0.1/back"), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        for (var port = 50_001; port < 50_003; port++)
        {
            var uri = $"http://127.0.0.1:{port}/back";
            await browser.AskAsync(app.Request(changes: ("redirect_uri", uri)));
            if (browser.Html.Contains("<h1>Sign in</h1>", StringComparison.Ordinal)) await browser.SignInAsync(ada);
            Assert.Contains("Let Sleep lab in?", browser.Html, StringComparison.Ordinal);
            Assert.Contains($"form-action 'self' http://127.0.0.1:{port}", browser.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
            await browser.SendAsync(("decision", "allow"));
            Assert.StartsWith($"{uri}?code=", browser.Left!, StringComparison.Ordinal);
            await app.TokensAsync(browser.LeftWith["code"], ("redirect_uri", "http://127.0.0.1:50009/back")).ErrorAsync(BadRequest, "invalid_grant");
            await browser.AskAsync(app.Request(changes: [("redirect_uri", uri), ("prompt", "none")]));
            Assert.Equal("consent_required", browser.LeftWith["error"]);
        }
        foreach (var wrong in new[] { "http://127.0.0.1:80@evil.example/back", "http://127.0.0.1.evil.example/back", "http://127.0.0.1:50001/other", "http://[::1]/back", "http://localhost/back", "http://127.0.0.1:x/back" })
        {
            await browser.AskAsync(app.Request(changes: ("redirect_uri", wrong)));
            Assert.Equal((null, BadRequest), (browser.Left, browser.Status));
        }
    }

    [Fact]
    public async Task A_code_works_once_for_its_application_address_and_verifier_and_for_a_minute()
    {
        var (app, other, ada) = (await App.MadeAsync(service), await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        await AllowedAsync(browser, app, ada);
        async Task<string> CodeAsync()
        {
            await browser.AskAsync(app.Request());
            return browser.LeftWith["code"];
        }

        // Whom it was not given to learns nothing, and does not use it up.
        var code = await CodeAsync();
        await other.TokensAsync(code).ErrorAsync(BadRequest, "invalid_grant");
        using (var good = await app.TokensAsync(code)) Assert.Equal(OK, good.StatusCode);
        foreach (var wrong in new (string, string?)[] { ("code_verifier", $"{Pkce.Verifier}x"), ("code_verifier", Pkce.ChallengeOf(Pkce.Verifier)), ("redirect_uri", "https://lab.example/other"), ("code", "oc_nothing") })
            await app.TokensAsync(await CodeAsync(), wrong).ErrorAsync(BadRequest, "invalid_grant");
        foreach (var missing in new[] { "code_verifier", "redirect_uri", "code", "grant_type" })
            await app.TokensAsync(await CodeAsync(), (missing, null)).ErrorAsync(BadRequest, "invalid_request");
        code = await CodeAsync();
        await app.TokensAsync(code, ("code_verifier", "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong")).ErrorAsync(BadRequest, "invalid_grant");
        await app.TokensAsync(code).ErrorAsync(BadRequest, "invalid_grant");
        code = await CodeAsync();
        await service.SqlAsync("update authorization_codes set created_at = now() - interval '61 seconds' where user_id = @AccountId", new { ada.AccountId });
        await app.TokensAsync(code).ErrorAsync(BadRequest, "invalid_grant");
        Assert.DoesNotContain(await service.SqlAsync<string>("select to_jsonb(c)::text from authorization_codes c"), row => row.Contains(code, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_code_that_comes_twice_ends_what_the_first_got_of_it_also_at_one_moment()
    {
        var (app, ada) = (await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        await AllowedAsync(browser, app, ada);
        await browser.AskAsync(app.Request());
        var code = browser.LeftWith["code"];
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => app.TokensAsync(code)));
        var first = await Assert.Single(answers, answer => answer.StatusCode == OK).JsonAsync();
        await app.RefreshAsync(first.Text("refresh_token")).ErrorAsync(BadRequest, "invalid_grant");
        await service.WithToken(first.Text("access_token")).SoonRefusedAsync("/identity/v1/userinfo");
    }

    [Fact]
    public async Task Forms_that_are_not_ours_do_nothing()
    {
        var (app, ada, eve) = (await App.MadeAsync(service), await Person.SignedUpAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        await browser.AskAsync(app.Request());
        // Signing somebody in as another, by a form elsewhere.
        var form = new Dictionary<string, string> { ["email"] = eve.Email, ["password"] = eve.Password, ["return"] = "/identity/device" };
        await browser.PostAsync("/identity/sign-in", form);
        Assert.Equal((Forbidden, null), (browser.Status, browser.Cookie("or_session")));
        await browser.AskAsync(app.Request());
        await browser.SignInAsync(ada);
        var consent = browser.Html;
        Assert.NotNull(browser.Cookie("or_session"));
        // A consent by a form elsewhere: without the token, with that of another browser, and with ours but from another site.
        var query = QueryHelpers.AddQueryString("", app.Request()!);
        Dictionary<string, string> decision = new() { ["request"] = query, ["decision"] = "allow", ["allow_openid"] = "on", ["allow_readings:read"] = "on" };
        await browser.PostAsync("/identity/v1/authorize", decision);
        Assert.Equal((Forbidden, null), (browser.Status, browser.Left));
        using (var other = new Browser(service))
        {
            await other.AskAsync(app.Request());
            await other.SignInAsync(eve);
            decision["form_token"] = TokenOf(other.Html);
        }
        await browser.PostAsync("/identity/v1/authorize", decision);
        Assert.Equal((Forbidden, null), (browser.Status, browser.Left));
        decision["form_token"] = TokenOf(consent);
        await browser.PostAsync("/identity/v1/authorize", decision, ("Sec-Fetch-Site", "cross-site"));
        Assert.Equal((Forbidden, null), (browser.Status, browser.Left));
        await browser.PostAsync("/identity/v1/authorize", decision, ("Sec-Fetch-Site", "same-origin"));
        Assert.NotNull(browser.Left);
    }

    [Fact]
    public async Task Signing_in_makes_a_new_cookie_and_ends_the_old_one()
    {
        var (app, ada) = (await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        var planted = new string('a', 43);
        browser.SetCookie("or_session", planted);
        await browser.AskAsync(app.Request());
        await browser.SignInAsync(ada);
        var first = browser.Cookie("or_session")!;
        Assert.NotEqual(planted, first);
        await browser.AskAsync(app.Request(changes: ("prompt", "login")));
        await browser.SignInAsync(ada);
        Assert.NotEqual(first, browser.Cookie("or_session"));
        using var thief = new Browser(service);
        thief.SetCookie("or_session", first);
        await thief.AskAsync(app.Request());
        Assert.Contains("<h1>Sign in</h1>", thief.Html, StringComparison.Ordinal);
        Assert.DoesNotContain(await service.SqlAsync<string>("select to_jsonb(b)::text from browser_sessions b"), row => row.Contains(browser.Cookie("or_session")!, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("https://evil.example/")]
    [InlineData("//evil.example/")]
    [InlineData("/identity/v1/me")]
    [InlineData("/identity/v1/authorize.evil")]
    [InlineData("/identity/devices")]
    [InlineData("\\\\evil.example")]
    public async Task After_signing_in_nobody_is_led_anywhere_but_to_our_own_questions(string next)
    {
        using var browser = new Browser(service);
        await browser.GetAsync($"/identity/sign-in?return={Uri.EscapeDataString(next)}");
        Assert.Equal(BadRequest, browser.Status);
        var ada = await Person.SignedUpAsync(service);
        await browser.GetAsync("/identity/sign-in?return=%2Fidentity%2Fdevice");
        await browser.SendAsync(("email", ada.Email), ("password", ada.Password), ("return", next));
        Assert.Equal((BadRequest, null), (browser.Status, browser.Left));
    }

    [Fact]
    public async Task Pages_may_do_nothing_but_what_they_are_for_and_write_what_was_sent_as_text()
    {
        var app = await App.MadeAsync(service);
        using var browser = new Browser(service);
        await browser.AskAsync(app.Request(changes: ("login_hint", "\"><script>alert(1)</script>")));
        // One script, which is ours and stands in a file; on no page but those that use passkeys.
        Assert.Equal("<script src=\"/identity/passkeys.js\" defer>", string.Concat(System.Text.RegularExpressions.Regex.Matches(browser.Html, "<script[^>]*>")));
        Assert.Equal("default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' https://lab.example", browser.Headers.GetValues("Content-Security-Policy").Single());
        Assert.True(browser.Headers.CacheControl?.NoStore);
        await browser.SendAsync(("email", "nobody@example.org"), ("password", "Wrong-password-1"));
        Assert.Equal(Unauthorized, browser.Status);
        Assert.Contains("role=\"alert\"", browser.Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Signing_out_at_the_application_signs_out_here_and_a_mere_link_only_asks()
    {
        var (app, ada) = (await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        var tokens = await AllowedAsync(browser, app, ada);
        // A link without proof of whom it is about.
        await browser.GetAsync($"/identity/v1/end-session?client_id={app.ClientId}&post_logout_redirect_uri=https%3A%2F%2Flab.example%2Fbye");
        Assert.Contains("Sign out?", browser.Html, StringComparison.Ordinal);
        await browser.AskAsync(app.Request(changes: ("prompt", "none")));
        Assert.Contains("code", browser.LeftWith.Keys);
        await browser.GetAsync($"/identity/v1/end-session?id_token_hint={tokens.Text("id_token")}&post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F");
        Assert.Equal((BadRequest, null), (browser.Status, browser.Left));
        await browser.GetAsync($"/identity/v1/end-session?id_token_hint={tokens.Text("id_token")}&post_logout_redirect_uri=https%3A%2F%2Flab.example%2Fbye&state=x");
        Assert.Equal("https://lab.example/bye?state=x", browser.Left);
        await browser.AskAsync(app.Request(changes: ("prompt", "none")));
        Assert.Equal("login_required", browser.LeftWith["error"]);
        await app.RefreshAsync(tokens.Text("refresh_token")).ErrorAsync(BadRequest, "invalid_grant");

        // Once more, for whoever is not signed in, and with the ID token of somebody else: a link that anybody can make leads on by a click only.
        foreach (var query in new[] { $"client_id={app.ClientId}", $"id_token_hint={tokens.Text("id_token")}" })
        {
            await browser.GetAsync($"/identity/v1/end-session?{query}&post_logout_redirect_uri=https%3A%2F%2Flab.example%2Fbye&state=x");
            Assert.Equal((null, OK), (browser.Left, browser.Status));
            Assert.Contains("<a href=\"https://lab.example/bye?state=x\" rel=\"noreferrer\">Go on to https://lab.example</a>", browser.Html, StringComparison.Ordinal);
        }

        await AllowedAsync(browser, app, ada);
        await browser.GetAsync("/identity/v1/end-session");
        await browser.SendAsync(("decision", "sign-out"));
        Assert.Contains("You are signed out", browser.Html, StringComparison.Ordinal);
        await browser.AskAsync(app.Request(changes: ("prompt", "none")));
        Assert.Equal("login_required", browser.LeftWith["error"]);
    }

    /// <summary>Goes through sign-in and consent, as far as they are asked for, and gets the tokens.</summary>
    internal static async Task<JsonElement> AllowedAsync(Browser browser, App app, Person person, params (string, string?)[] changes)
    {
        await browser.AskAsync(app.Request(changes: changes));
        if (browser.Html.Contains("<h1>Sign in</h1>", StringComparison.Ordinal)) await browser.SignInAsync(person);
        if (browser.Left is null) await browser.SendAsync(("decision", "allow"));
        using var answer = await app.TokensAsync(browser.LeftWith["code"]);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Ct));
        return await answer.JsonAsync();
    }

    private static string TokenOf(string html) => System.Text.RegularExpressions.Regex.Match(html, "name=\"form_token\" value=\"([^\"]*)\"").Groups[1].Value;
}
