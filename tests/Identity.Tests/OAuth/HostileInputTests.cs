using System.Text;
using Microsoft.AspNetCore.WebUtilities;

namespace OpenReadings.Identity.Tests.OAuth;

/// <summary>What nobody sends by mistake is refused, too, and never a fault of ours.</summary>
public sealed class HostileInputTests(IdentityService service)
{
    // Percent-encoded, as it goes over the wire: NUL, half of a surrogate pair, bytes that are no UTF-8, very long, and what other layers could take for their own.
    private static readonly string[] Values = ["%00", "a%00b", "%ED%A0%80", "%FF%FE", new('a', 5000), "%27%20or%201%3D1--", "%0D%0ALocation%3A%20https%3A%2F%2Fevil.example", "%24%7Bx%7D", "-1", "99999999999999999999", "[]", "%F0%9F%92%A9"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Forms_and_addresses_with_anything_in_them_are_no_fault_of_ours()
    {
        var (app, ada) = (await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        await CodeFlowTests.AllowedAsync(browser, app, ada);
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = service.Address };
        // From elsewhere: addresses that are none share the tries of a place, and other tests are at ours.
        http.DefaultRequestHeaders.Add("X-Forwarded-For", "203.0.113.99");
        http.DefaultRequestHeaders.Add("Cookie", $"or_session={browser.Cookie("or_session")}; or_form={browser.Cookie("or_form")}");
        var good = app.Request().ToDictionary(field => field.Key, field => Uri.EscapeDataString(field.Value));
        string[] programs =
        [
            "grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret", "refresh_token", "device_code", "scope", "token", "subject_token", "audience",
        ];
        foreach (var value in Values)
        {
            foreach (var field in good.Keys.Concat(["prompt", "max_age", "login_hint", "response_mode", "request"]))
                await NotOursAsync(http.GetAsync($"/identity/v1/authorize?{string.Join('&', good.Where(one => one.Key != field).Select(one => $"{one.Key}={one.Value}"))}&{field}={value}", Ct), $"authorize {field}={value}");
            foreach (var path in new[] { "sign-in?return=", "sign-in?return=%2Fidentity%2Fdevice&email=", "device?user_code=", "mail?token=", "sign-up?return=", "sign-up?invitation=", "forgotten-password?return=", "forgotten-password?email=", "v1/end-session?id_token_hint=", "v1/end-session?post_logout_redirect_uri=", "v1/revocations?after=", "v1/api-keys/introspect?x=", ".well-known/keys/" })
                await NotOursAsync(http.GetAsync($"/identity/{path}{value}", Ct), path + value);
            foreach (var endpoint in new[] { "v1/tokens", "v1/tokens/introspect", "v1/tokens/revoke", "v1/device-authorizations" })
                foreach (var field in programs)
                {
                    var body = $"client_id={app.ClientId}&client_secret={app.Secret}&grant_type={(field is "refresh_token" or "device_code" ? field.Replace("device_code", "urn:ietf:params:oauth:grant-type:device_code", StringComparison.Ordinal) : "authorization_code")}&{field}={value}";
                    await NotOursAsync(http.PostAsync($"/identity/{endpoint}", new StringContent(body, Encoding.ASCII, "application/x-www-form-urlencoded"), Ct), $"{endpoint} {field}={value}");
                }
            foreach (var (page, field) in new[] { ("sign-in", "email"), ("sign-in", "password"), ("sign-in", "code"), ("sign-in", "return"), ("device", "user_code"), ("device", "form_token"), ("mail", "token"), ("sign-up", "email"), ("sign-up", "name"), ("sign-up", "invitation"), ("forgotten-password", "email"), ("forgotten-password", "return"), ("v1/authorize", "request"), ("v1/authorize", "decision"), ("v1/end-session", "state") })
            {
                // What else the form has, so that the hostile field is reached; once, since what comes twice is refused before.
                var rest = new[] { ("return", "%2Fidentity%2Fdevice"), ("password", page == "sign-up" ? Person.FirstPassword : ""), ("email", page is "sign-up" or "forgotten-password" ? $"{Guid.NewGuid():N}%40example.org" : "") }
                    .Where(one => one.Item1 != field && one.Item2.Length > 0).Select(one => $"{one.Item1}={one.Item2}&");
                var token = QueryHelpers.ParseQuery($"x={System.Text.RegularExpressions.Regex.Match(await http.GetStringAsync("/identity/device", Ct), "name=\"form_token\" value=\"([^\"]*)\"").Groups[1].Value}")["x"];
                await NotOursAsync(http.PostAsync($"/identity/{page}", new StringContent($"form_token={token}&{string.Concat(rest)}{field}={value}", Encoding.ASCII, "application/x-www-form-urlencoded"), Ct), $"{page} {field}={value}");
            }
        }
    }

    [Fact]
    public async Task Addresses_that_are_none_are_refused_before_anybody_is_led_there()
    {
        var (app, ada) = (await App.MadeAsync(service, isPublic: true, redirectUri: "http://127.0.0.1/callback"), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        await browser.AskAsync(app.Request(changes: ("redirect_uri", "http://127.0.0.1:99999/callback")));
        Assert.Equal((System.Net.HttpStatusCode.BadRequest, null), (browser.Status, browser.Left));
        foreach (var next in new[] { "/identity/device?x=\r\nx", "/identity/v1/authorize?x=\u00e9" })
        {
            await browser.GetAsync($"/identity/sign-in?return={Uri.EscapeDataString(next)}");
            Assert.Equal((System.Net.HttpStatusCode.BadRequest, null), (browser.Status, browser.Left));
            await browser.GetAsync("/identity/sign-in?return=%2Fidentity%2Fdevice");
            await browser.SendAsync(("return", next), ("email", ada.Email), ("password", ada.Password));
            Assert.Equal((System.Net.HttpStatusCode.BadRequest, null), (browser.Status, browser.Left));
        }
    }

    [Fact]
    public async Task Json_with_anything_in_it_is_no_fault_of_ours()
    {
        var ada = await Person.SignedInAsync(service);
        string[] values = ["\"\\u0000\"", "\"\\ud800\"", "\"a\\u0000b\"", "null", "1e400", "-1", "[]", "{}", "[null]", "[\"\\ud800\"]", "[\"\\u0000\"]", $"\"{new string('a', 5000)}\"", "true", "\"0001-01-01T00:00:00+14:00\""];
        (string Method, string Path, string[] Fields)[] routes =
        [
            ("POST", "me/applications", ["name", "redirect_uris", "post_logout_redirect_uris", "scopes", "is_public"]), ("POST", "me/api-keys", ["name", "scopes", "expires_at", "acts_as_itself"]),
            ("POST", "me/invitations", ["email"]), ("POST", "me/pairings", ["client_id", "scopes"]), ("POST", "email-verifications", ["token"]), ("POST", "password-resets", ["email"]),
            ("POST", "password-resets/confirm", ["token", "new_password"]), ("POST", "email-changes/confirm", ["token"]), ("POST", "email-changes/undo", ["token"]), ("POST", "accounts", ["email", "name", "time_zone", "invitation"]),
            ("POST", $"accounts/{ada.AccountId}/disable", ["reason"]), ("POST", "api-keys/introspect", ["api_key"]), ("PATCH", $"me/applications/{Guid.NewGuid()}", ["name", "redirect_uris"]),
        ];
        foreach (var (method, path, fields) in routes)
            foreach (var field in fields)
                foreach (var value in values)
                {
                    using var request = new HttpRequestMessage(new HttpMethod(method), $"/identity/v1/{path}") { Content = new StringContent($"{{\"name\": \"x\", \"scopes\": [\"openid\"], \"{field}2\": 0, \"{field}\": {value}}}".Replace(field == "name" ? "\"name\": \"x\", " : "\u0001", "", StringComparison.Ordinal).Replace(field == "scopes" ? "\"scopes\": [\"openid\"], " : "\u0001", "", StringComparison.Ordinal), Encoding.UTF8, "application/json") };
                    await NotOursAsync(ada.Http.SendAsync(request, Ct), $"{path} {field}={value}");
                }
        var root = service.WithToken(ada.Tokens.AccessToken);
        await NotOursAsync(root.GetAsync("/identity/v1/accounts?q=%00", Ct), "accounts");
    }

    private static async Task NotOursAsync(Task<HttpResponseMessage> answer, string what)
    {
        using var response = await answer;
        Assert.True((int)response.StatusCode < 500, $"{what}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync(Ct)}");
    }
}
