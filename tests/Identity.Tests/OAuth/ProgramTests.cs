using System.Net.Http.Json;
using System.Text.Json;
using OpenReadings.Support;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.OAuth;

/// <summary>The endpoints that programs call themselves.</summary>
public sealed class ProgramTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_refresh_token_is_of_its_application_alone_works_once_and_can_narrow()
    {
        var (app, other, ada) = (await App.MadeAsync(service), await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        var tokens = await CodeFlowTests.AllowedAsync(browser, app, ada);
        var first = tokens.Text("refresh_token");
        await other.RefreshAsync(first).ErrorAsync(BadRequest, "invalid_grant");
        // Not at the endpoint of our own program, either: it asks for no secret.
        await service.RefreshAsync(first).RefusedAsync(Unauthorized, "invalid-refresh-token");
        await app.RefreshAsync(first, ("scope", "openid readings:write")).ErrorAsync(BadRequest, "invalid_scope");
        var narrow = await (await app.RefreshAsync(first, ("scope", "openid"))).JsonAsync();
        Assert.Equal(("openid", "openid"), (narrow.Text("scope"), narrow.Text("access_token").Claims().Text("scope")));
        Assert.Equal((ada.AccountId.ToString(), false), (narrow.Text("id_token").Claims().Text("sub"), narrow.Text("id_token").Claims().TryGetProperty("nonce", out _)));
        var whole = await (await app.RefreshAsync(narrow.Text("refresh_token"))).JsonAsync();
        Assert.Equal("openid readings:read offline_access", whole.Text("scope"));
        // Of many at one moment one gets through, and the login ends.
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => app.RefreshAsync(whole.Text("refresh_token"))));
        Assert.Single(answers, answer => answer.StatusCode == OK);
        var last = await answers.Single(answer => answer.StatusCode == OK).JsonAsync();
        await app.RefreshAsync(last.Text("refresh_token")).ErrorAsync(BadRequest, "invalid_grant");
    }

    [Fact]
    public async Task A_client_proves_itself_in_one_way_and_rightly()
    {
        var (app, open) = (await App.MadeAsync(service), await App.MadeAsync(service, isPublic: true));
        var grant = ("grant_type", "client_credentials");
        async Task<HttpResponseMessage> PostAsync(App as_, params (string, string?)[] fields) => await as_.PostAsync("tokens", fields);
        using (var byPost = await PostAsync(app with { Secret = null }, grant, ("client_secret", app.Secret))) Assert.Equal(OK, byPost.StatusCode);
        await PostAsync(app with { Secret = "os_wrong" }, grant).ErrorAsync(Unauthorized, "invalid_client");
        await PostAsync(app with { Secret = null }, grant).ErrorAsync(Unauthorized, "invalid_client");
        await PostAsync(app with { ClientId = Guid.NewGuid().ToString() }, grant).ErrorAsync(Unauthorized, "invalid_client");
        await PostAsync(app with { ClientId = open.ClientId }, grant).ErrorAsync(Unauthorized, "invalid_client");
        await PostAsync(app, grant, ("client_secret", app.Secret)).ErrorAsync(BadRequest, "invalid_request");
        await PostAsync(app, grant, ("client_id", open.ClientId)).ErrorAsync(BadRequest, "invalid_request");
        await PostAsync(open, grant).ErrorAsync(BadRequest, "unauthorized_client");
        await PostAsync(app, ("grant_type", "password"), ("username", "a"), ("password", "b")).ErrorAsync(BadRequest, "unsupported_grant_type");
        await PostAsync(app, ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")).ErrorAsync(BadRequest, "unauthorized_client");
        using var json = await service.Anonymous().PostAsJsonAsync("/identity/v1/tokens", new { grant_type = "client_credentials" }, Ct);
        Assert.NotEqual(OK, json.StatusCode);
    }

    [Fact]
    public async Task An_application_as_itself_is_nobody_and_gets_what_it_may_and_no_more()
    {
        var app = await App.MadeAsync(service);
        var all = await (await app.PostAsync("tokens", ("grant_type", "client_credentials"))).JsonAsync();
        Assert.Equal("readings:read readings:write", all.Text("scope"));
        Assert.Equal((app.ClientId, app.ClientId), (all.Text("access_token").Claims().Text("sub"), all.Text("access_token").Claims().Text("client_id")));
        Assert.False(all.TryGetProperty("refresh_token", out _) || all.TryGetProperty("id_token", out _));
        foreach (var scope in new[] { "openid", "offline_access", "sync:read", "everything" })
            await app.PostAsync("tokens", ("grant_type", "client_credentials"), ("scope", scope)).ErrorAsync(BadRequest, "invalid_scope");
        await service.WithToken(all.Text("access_token")).GetAsync("/identity/v1/me", Ct).RefusedAsync(Forbidden, "login-required");
    }

    [Fact]
    public async Task An_applications_token_opens_nothing_of_who_its_person_is()
    {
        var (app, ada) = (await App.MadeAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        var token = (await CodeFlowTests.AllowedAsync(browser, app, ada)).Text("access_token");
        foreach (var (method, route) in service.Routes().Where(route => route.Route.Metadata.GetMetadata<Microsoft.AspNetCore.Authorization.IAuthorizeData>() is not null))
        {
            if (route.RoutePattern.RawText!.EndsWith("/userinfo", StringComparison.Ordinal)) continue;
            using var request = new HttpRequestMessage(new HttpMethod(method), route.PathTo());
            if (method != "GET") request.Content = JsonContent.Create(new { name = "x", scopes = new[] { "readings:read" }, password = ada.Password, current_password = ada.Password, new_password = "Not-for-any-log-3", code = "000000" });
            await service.WithToken(token).SendAsync(request, Ct).RefusedAsync(Forbidden, "login-required");
        }
        // Neither token stands for the other.
        var tokens = await CodeFlowTests.AllowedAsync(browser, app, ada);
        await service.WithToken(tokens.Text("id_token")).GetAsync("/identity/v1/userinfo", Ct).RefusedAsync(Unauthorized, "invalid-token");
    }

    [Fact]
    public async Task A_consent_taken_back_shuts_the_application_out_within_a_second_with_all_that_is_under_way()
    {
        var (app, ada, bob) = (await App.MadeAsync(service), await Person.SignedInAsync(service), await Person.SignedUpAsync(service));
        using var browser = new Browser(service);
        using var bobs = new Browser(service);
        var (tokens, his) = (await CodeFlowTests.AllowedAsync(browser, app, ada), await CodeFlowTests.AllowedAsync(bobs, app, bob));
        await browser.AskAsync(app.Request());
        var code = browser.LeftWith["code"];
        var listed = (await (await ada.Http.GetAsync("/identity/v1/me/consents", Ct)).JsonAsync()).GetProperty("consents");
        Assert.Equal(("Sleep lab", app.ClientId), (listed[0].Text("name"), listed[0].Text("client_id")));

        Assert.Equal(NoContent, (await ada.Http.DeleteAsync($"/identity/v1/me/consents/{app.ClientId}", Ct)).StatusCode);
        await app.TokensAsync(code).ErrorAsync(BadRequest, "invalid_grant");
        await app.RefreshAsync(tokens.Text("refresh_token")).ErrorAsync(BadRequest, "invalid_grant");
        await service.WithToken(tokens.Text("access_token")).SoonRefusedAsync("/identity/v1/userinfo");
        await browser.AskAsync(app.Request(changes: ("prompt", "none")));
        Assert.Equal("consent_required", browser.LeftWith["error"]);
        await ada.Http.DeleteAsync($"/identity/v1/me/consents/{app.ClientId}", Ct).RefusedAsync(NotFound, "consent-not-found");
        // The other person's stays.
        Assert.Equal(OK, (await service.WithToken(his.Text("access_token")).GetAsync("/identity/v1/userinfo", Ct)).StatusCode);
    }

    [Fact]
    public async Task An_application_that_ends_ends_for_everybody_and_so_does_one_whose_maker_goes()
    {
        var (maker, ada) = (await Person.SignedInAsync(service), await Person.SignedInAsync(service));
        var (app, orphan) = (await App.MadeAsync(service, maker), await App.MadeAsync(service, maker));
        using var browser = new Browser(service);
        var (tokens, orphaned) = (await CodeFlowTests.AllowedAsync(browser, app, ada), await CodeFlowTests.AllowedAsync(browser, orphan, ada));
        await ada.Http.DeleteAsync($"/identity/v1/me/applications/{app.ClientId}", Ct).RefusedAsync(NotFound, "application-not-found");
        var own = (await (await app.PostAsync("tokens", ("grant_type", "client_credentials"))).JsonAsync()).Text("access_token");
        Assert.Equal(NoContent, (await maker.Http.DeleteAsync($"/identity/v1/me/applications/{app.ClientId}", Ct)).StatusCode);
        await app.RefreshAsync(tokens.Text("refresh_token")).ErrorAsync(Unauthorized, "invalid_client");
        Assert.Equal(NoContent, (await maker.DeleteAccountAsync(maker.Password)).StatusCode);
        foreach (var token in new[] { tokens.Text("access_token"), orphaned.Text("access_token"), own })
            await service.WithToken(token).SoonRefusedAsync("/identity/v1/userinfo");
        Assert.Empty((await (await ada.Http.GetAsync("/identity/v1/me/consents", Ct)).JsonAsync()).GetProperty("consents").EnumerateArray());
        var forgotten = await service.SqlAsync<string>("select subject from kept.events where event_type = 'account.deleted.v1'");
        Assert.All(new[] { app, orphan }, one => Assert.Contains(forgotten, subject => subject.Contains(one.ClientId, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_secret_is_rotated_with_an_overlap_and_a_leaked_one_without()
    {
        var maker = await Person.SignedInAsync(service);
        var app = await App.MadeAsync(service, maker);
        async Task<App> RotatedAsync(int overlap) => app with
        {
            Secret = (await (await maker.Http.PostAsJsonAsync($"/identity/v1/me/applications/{app.ClientId}/secrets", new { overlap_seconds = overlap }, Ct)).JsonAsync()).Text("client_secret"),
        };
        Task<HttpResponseMessage> TryAsync(App as_) => as_.PostAsync("tokens", ("grant_type", "client_credentials"));
        var second = await RotatedAsync(3600);
        Assert.Equal((OK, OK), ((await TryAsync(app)).StatusCode, (await TryAsync(second)).StatusCode));
        var third = await RotatedAsync(0);
        await TryAsync(app).ErrorAsync(Unauthorized, "invalid_client");
        await TryAsync(second).ErrorAsync(Unauthorized, "invalid_client");
        Assert.Equal(OK, (await TryAsync(third)).StatusCode);
        Assert.DoesNotContain(await service.SqlAsync<string>("select to_jsonb(s)::text from application_secrets s"), row => row.Contains(third.Secret!, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Introspection_tells_an_application_of_its_own_tokens_and_a_service_of_all()
    {
        var (app, other, open, ada) = (await App.MadeAsync(service), await App.MadeAsync(service), await App.MadeAsync(service, isPublic: true), await Person.SignedInAsync(service));
        using var browser = new Browser(service);
        var tokens = await CodeFlowTests.AllowedAsync(browser, app, ada);
        foreach (var token in new[] { tokens.Text("access_token"), tokens.Text("refresh_token") })
        {
            var said = await (await app.PostAsync("tokens/introspect", ("token", token))).JsonAsync();
            Assert.Equal((true, ada.AccountId.ToString(), app.ClientId, "openid readings:read offline_access"), (said.GetProperty("active").GetBoolean(), said.Text("sub"), said.Text("client_id"), said.Text("scope")));
            Assert.Equal("""{"active":false}""", await (await other.PostAsync("tokens/introspect", ("token", token))).Content.ReadAsStringAsync(Ct));
            await open.PostAsync("tokens/introspect", ("token", token)).ErrorAsync(Unauthorized, "invalid_client");
            Assert.True((await (await new App(service, "sync", IdentityService.SyncSecret, "").PostAsync("tokens/introspect", ("token", token))).JsonAsync()).GetProperty("active").GetBoolean());
        }
        foreach (var bad in new[] { ada.Tokens.RefreshToken, ada.Tokens.AccessToken, tokens.Text("id_token"), "rt_x", "x", "eyJhbGciOiJub25lIn0.e30." })
            Assert.Equal("""{"active":false}""", await (await app.PostAsync("tokens/introspect", ("token", bad))).Content.ReadAsStringAsync(Ct));
    }

    [Fact]
    public async Task Revoking_ends_the_login_of_ones_own_token_and_answers_alike_for_every_other()
    {
        var (app, other, ada) = (await App.MadeAsync(service), await App.MadeAsync(service), await Person.SignedInAsync(service));
        using var browser = new Browser(service);
        foreach (var kind in new[] { "refresh_token", "access_token" })
        {
            var tokens = await CodeFlowTests.AllowedAsync(browser, app, ada);
            foreach (var not in new[] { tokens.Text("refresh_token"), tokens.Text("access_token") })
                Assert.Equal(OK, (await other.PostAsync("tokens/revoke", ("token", not))).StatusCode);
            foreach (var not in new[] { ada.Tokens.RefreshToken, ada.Tokens.AccessToken, "nothing" })
                Assert.Equal(OK, (await app.PostAsync("tokens/revoke", ("token", not))).StatusCode);
            await Task.Delay(1000, Ct);
            Assert.Equal(OK, (await service.WithToken(tokens.Text("access_token")).GetAsync("/identity/v1/userinfo", Ct)).StatusCode);
            Assert.Equal(OK, (await ada.Http.GetAsync("/identity/v1/me", Ct)).StatusCode);
            Assert.Equal(OK, (await app.PostAsync("tokens/revoke", ("token", tokens.Text(kind)))).StatusCode);
            await app.RefreshAsync(tokens.Text("refresh_token")).ErrorAsync(BadRequest, "invalid_grant");
            await service.WithToken(tokens.Text("access_token")).SoonRefusedAsync("/identity/v1/userinfo");
        }
    }

    [Theory]
    [InlineData("https://lab.example/callback#part")]
    [InlineData("https://user@lab.example/")]
    [InlineData("http://lab.example/callback")]
    [InlineData("javascript:alert(1)")]
    [InlineData("data:text/html,x")]
    [InlineData("/callback")]
    [InlineData("https://*.example/callback")]
    [InlineData("app:/callback")]
    [InlineData("https://lab.example/\n")]
    [InlineData("")]
    public async Task Redirect_addresses_that_could_lead_elsewhere_are_not_registered(string uri)
    {
        var ada = await Person.SignedInAsync(service);
        foreach (var field in new[] { "redirect_uris", "post_logout_redirect_uris" })
        {
            var problem = await ada.Http.PostAsJsonAsync("/identity/v1/me/applications",
                new Dictionary<string, object> { ["name"] = "x", ["is_public"] = true, ["scopes"] = new[] { "openid" }, [field] = new[] { "https://good.example/", uri } }, Ct).RefusedAsync(BadRequest, "validation-failed");
            Assert.Equal($"/{field}/1", Assert.Single(problem.Errors!).Pointer);
        }
    }

    [Theory]
    [InlineData("Lab \u202e")]
    [InlineData("\u2066Lab")]
    [InlineData("Lab\u2028is part of OpenReadings")]
    [InlineData("Open\u200bReadings")]
    public async Task A_name_that_rewrites_the_question_around_it_is_refused(string name)
    {
        var ada = await Person.SignedInAsync(service);
        var problem = await ada.Http.PostAsJsonAsync("/identity/v1/me/applications", new { name, scopes = new[] { "openid" } }, Ct).RefusedAsync(BadRequest, "validation-failed");
        Assert.Equal("/name", Assert.Single(problem.Errors!).Pointer);
        // What holds the signs of some scripts and pictures together is no trick.
        Assert.Equal(Created, (await ada.Http.PostAsJsonAsync("/identity/v1/me/applications", new { name = "Family \U0001f469\u200d\U0001f467", scopes = new[] { "openid" } }, Ct)).StatusCode);
    }

    [Fact]
    public async Task Discovery_says_where_everything_is_and_both_places_say_the_same()
    {
        var said = await service.Anonymous().GetStringAsync("/identity/.well-known/openid-configuration", Ct);
        Assert.Equal(said, await service.Anonymous().GetStringAsync("/.well-known/oauth-authorization-server/identity", Ct));
        var routes = service.Routes().Select(route => "/" + route.Route.RoutePattern.RawText!.TrimStart('/')).ToHashSet();
        foreach (var (name, value) in JsonDocument.Parse(said).RootElement.EnumerateObject().Where(field => field.Name.EndsWith("_endpoint", StringComparison.Ordinal) || field.Name == "jwks_uri").Select(field => (field.Name, field.Value.GetString()!)))
        {
            Assert.StartsWith(TestIdentity.Issuer, value, StringComparison.Ordinal);
            Assert.True(routes.Contains($"/identity{value[TestIdentity.Issuer.Length..]}"), name);
        }
    }
}
