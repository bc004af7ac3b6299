using System.Net.Http.Json;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.OAuth;

/// <summary>Codes that were given and not used yet, when what they rest on ends.</summary>
public sealed class UnderWayTests(IdentityService service)
{
    private const string Pairing = "urn:openreadings:grant-type:pairing-code", Device = "urn:ietf:params:oauth:grant-type:device_code";
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_code_that_a_login_gave_is_worth_nothing_once_that_login_has_ended()
    {
        var (app, ada) = (await App.MadeAsync(service, isPublic: true), await Person.SignedInAsync(service));
        var thief = ada.Tokens;
        var (code, fromPage) = (await PairAsync(ada.Http, app, "readings:write", "offline_access"), await CodeAsync(app, ada));
        var device = await DeviceAsync(app, ada);
        var other = await PairAsync(ada.Http, app, "readings:write");
        await ada.SignInAsync();
        var mine = await PairAsync(ada.Http, app, "readings:write");
        Assert.Equal(OK, (await ada.ChangePasswordAsync(ada.Password, "Not-for-any-log-2")).StatusCode);

        await service.RefreshAsync(thief.RefreshToken).RefusedAsync(Unauthorized, "invalid-refresh-token");
        await app.PostAsync("tokens", ("grant_type", Pairing), ("code", code)).ErrorAsync(BadRequest, "invalid_grant");
        await app.PostAsync("tokens", ("grant_type", Pairing), ("code", other)).ErrorAsync(BadRequest, "invalid_grant");
        await app.TokensAsync(fromPage).ErrorAsync(BadRequest, "invalid_grant");
        await app.PostAsync("tokens", ("grant_type", Device), ("device_code", device)).ErrorAsync(BadRequest, "access_denied");
        // The login that changed the password goes on, and so does what it gave.
        Assert.Equal(OK, (await app.PostAsync("tokens", ("grant_type", Pairing), ("code", mine))).StatusCode);
    }

    [Fact]
    public async Task A_code_from_before_a_consent_was_taken_back_does_not_widen_the_next_one()
    {
        var (app, ada) = (await App.MadeAsync(service, isPublic: true), await Person.SignedInAsync(service));
        var (code, device) = (await PairAsync(ada.Http, app, "readings:read", "readings:write", "offline_access"), await DeviceAsync(app, ada));
        Assert.Equal(NoContent, (await ada.Http.DeleteAsync($"/identity/v1/me/consents/{app.ClientId}", Ct)).StatusCode);
        var narrow = await PairAsync(ada.Http, app, "readings:read");
        await app.PostAsync("tokens", ("grant_type", Pairing), ("code", code)).ErrorAsync(BadRequest, "invalid_grant");
        await app.PostAsync("tokens", ("grant_type", Device), ("device_code", device)).ErrorAsync(BadRequest, "access_denied");
        Assert.Equal("readings:read", (await (await app.PostAsync("tokens", ("grant_type", Pairing), ("code", narrow))).JsonAsync()).Text("scope"));
    }

    private static async Task<string> PairAsync(HttpClient http, App app, params string[] scopes) =>
        (await (await http.PostAsJsonAsync("/identity/v1/me/pairings", new { client_id = app.ClientId, scopes }, Ct)).JsonAsync()).Text("code");

    private async Task<string> CodeAsync(App app, Person person)
    {
        using var browser = new Browser(service);
        await browser.AskAsync(app.Request());
        await browser.SignInAsync(person);
        if (browser.Left is null) await browser.SendAsync(("decision", "allow"));
        return browser.LeftWith["code"];
    }

    private async Task<string> DeviceAsync(App app, Person person)
    {
        var asked = await (await app.PostAsync("device-authorizations", ("scope", "readings:write offline_access"))).JsonAsync();
        using var browser = new Browser(service);
        await browser.GetAsync($"/identity/device?user_code={asked.Text("user_code")}");
        await browser.SignInAsync(person);
        await browser.SendAsync();
        await browser.SendAsync(("decision", "allow"));
        Assert.Contains("is in", browser.Html, StringComparison.Ordinal);
        return asked.Text("device_code");
    }
}
