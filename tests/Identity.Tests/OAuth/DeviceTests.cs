using System.Text.Json;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.OAuth;

/// <summary>A gadget without a browser, and the person who lets it in.</summary>
public sealed class DeviceTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_gadget_waits_is_let_in_by_its_person_and_gets_its_tokens_once()
    {
        var (app, ada) = (await App.MadeAsync(service, isPublic: true), await Person.SignedInAsync(service));
        var asked = await AskAsync(app);
        Assert.Matches("^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$", asked.Text("user_code"));
        await PollAsync(app, asked).ErrorAsync(BadRequest, "authorization_pending");
        await PollAsync(app, asked).ErrorAsync(BadRequest, "slow_down");
        using var browser = new Browser(service);
        await browser.GetAsync($"/identity/device?user_code={asked.Text("user_code")}");
        await browser.SignInAsync(ada);
        Assert.Contains(asked.Text("user_code"), browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("user_code", $" {asked.Text("user_code").Replace("-", " ", StringComparison.Ordinal).ToLowerInvariant()} "));
        Assert.Contains("Go on only if you started it yourself", browser.Html, StringComparison.Ordinal);
        Assert.Contains("127.0.0.1", browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("decision", "allow"));
        Assert.Contains("Sleep lab is in", browser.Html, StringComparison.Ordinal);

        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => PollAsync(app, asked)));
        var tokens = await Assert.Single(answers, answer => answer.StatusCode == OK).JsonAsync();
        Assert.Equal((ada.AccountId.ToString(), "readings:write offline_access"), (tokens.Text("access_token").Claims().Text("sub"), tokens.Text("scope")));
        using (var next = await app.RefreshAsync(tokens.Text("refresh_token"))) Assert.Equal(OK, next.StatusCode);
        await PollAsync(app, asked).ErrorAsync(BadRequest, "expired_token");
    }

    [Fact]
    public async Task A_gadget_that_is_denied_too_late_or_of_another_application_gets_nothing()
    {
        var (app, other, ada) = (await App.MadeAsync(service), await App.MadeAsync(service, isPublic: true), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        await browser.GetAsync("/identity/device");
        await browser.SignInAsync(ada);
        var denied = await AskAsync(app);
        await PollAsync(other, denied).ErrorAsync(BadRequest, "expired_token");
        await browser.SendAsync(("user_code", denied.Text("user_code")));
        await browser.SendAsync(("decision", "deny"));
        Assert.Contains("stays out", browser.Html, StringComparison.Ordinal);
        await PollAsync(app, denied).ErrorAsync(BadRequest, "access_denied");

        var late = await AskAsync(app);
        await service.SqlAsync("update device_requests set expires_at = now() where user_code = @code", new { code = late.Text("user_code").Replace("-", "", StringComparison.Ordinal) });
        await browser.GetAsync("/identity/device");
        await browser.SendAsync(("user_code", late.Text("user_code")));
        Assert.Equal(NotFound, browser.Status);
        await PollAsync(app, late).ErrorAsync(BadRequest, "expired_token");
        await app.PostAsync("device-authorizations", ("scope", "sync:write")).ErrorAsync(BadRequest, "invalid_scope");
        await (app with { Secret = "os_wrong" }).PostAsync("device-authorizations", ("scope", "openid")).ErrorAsync(Unauthorized, "invalid_client");
    }

    [Fact]
    public async Task Codes_are_not_guessed_by_anybody_and_the_page_says_nothing_to_strangers()
    {
        var (app, eve) = (await App.MadeAsync(service), await Person.SignedUpAsync(service));
        var asked = await AskAsync(app);
        using var browser = new Browser(service);
        await browser.GetAsync("/identity/device");
        await browser.SignInAsync(eve);
        for (var guess = 0; guess < 10; guess++)
        {
            await browser.SendAsync(("user_code", $"BCDF-{"BCDFGHJKLM"[guess]}BBB"));
            Assert.Equal(NotFound, browser.Status);
        }
        await browser.SendAsync(("user_code", asked.Text("user_code")));
        Assert.Equal(TooManyRequests, browser.Status);
        // Without the form of a page nothing is decided.
        await browser.PostAsync("/identity/device", new() { ["user_code"] = asked.Text("user_code"), ["decision"] = "allow", ["allow_readings:write"] = "on" });
        Assert.Equal(Forbidden, browser.Status);
        await PollAsync(app, asked).ErrorAsync(BadRequest, "authorization_pending");
        Assert.DoesNotContain(await service.SqlAsync<string>("select to_jsonb(d)::text from device_requests d"), row => row.Contains(asked.Text("device_code"), StringComparison.Ordinal));
    }

    private static async Task<JsonElement> AskAsync(App app)
    {
        using var answer = await app.PostAsync("device-authorizations", ("scope", "readings:write offline_access"));
        Assert.Equal(OK, answer.StatusCode);
        return await answer.JsonAsync();
    }

    private static Task<HttpResponseMessage> PollAsync(App app, JsonElement asked) =>
        app.PostAsync("tokens", ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", asked.Text("device_code")));
}
