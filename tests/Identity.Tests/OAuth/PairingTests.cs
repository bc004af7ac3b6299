using System.Net.Http.Json;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.OAuth;

/// <summary>A person reads a code to a program, and it comes in.</summary>
public sealed class PairingTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_code_that_a_person_reads_out_lets_one_application_in_once()
    {
        var (app, other, ada) = (await App.MadeAsync(service, isPublic: true), await App.MadeAsync(service, isPublic: true), await Person.SignedInAsync(service));
        var code = await PairAsync(ada, app);
        Assert.Matches("^[B-DF-HJ-NP-TV-XZ]{4}(-[B-DF-HJ-NP-TV-XZ]{4}){2}$", code);
        await RedeemAsync(other, code).ErrorAsync(BadRequest, "invalid_grant");
        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => RedeemAsync(app, code.ToLowerInvariant().Replace("-", " ", StringComparison.Ordinal))));
        var tokens = await Assert.Single(answers, answer => answer.StatusCode == OK).JsonAsync();
        Assert.Equal((ada.AccountId.ToString(), "readings:write"), (tokens.Text("access_token").Claims().Text("sub"), tokens.Text("scope")));
        Assert.Equal(app.ClientId, (await (await ada.Http.GetAsync("/identity/v1/me/consents", Ct)).JsonAsync()).GetProperty("consents")[0].Text("client_id"));
        Assert.DoesNotContain(await service.SqlAsync<string>("select to_jsonb(p)::text from pairing_codes p"), row => row.Contains(code, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_code_that_is_too_old_taken_back_or_for_more_than_the_application_may_lets_nobody_in()
    {
        var (app, ada) = (await App.MadeAsync(service, isPublic: true), await Person.SignedInAsync(service));
        var late = await PairAsync(ada, app);
        await service.SqlAsync("update pairing_codes set expires_at = now() where user_id = @AccountId", new { ada.AccountId });
        await RedeemAsync(app, late).ErrorAsync(BadRequest, "invalid_grant");
        var back = await PairAsync(ada, app);
        (await ada.Http.DeleteAsync($"/identity/v1/me/consents/{app.ClientId}", Ct)).EnsureSuccessStatusCode();
        await RedeemAsync(app, back).ErrorAsync(BadRequest, "invalid_grant");
        await ada.Http.PostAsJsonAsync("/identity/v1/me/pairings", new { client_id = app.ClientId, scopes = new[] { "sync:write" } }, Ct).RefusedAsync(BadRequest, "validation-failed");
        await ada.Http.PostAsJsonAsync("/identity/v1/me/pairings", new { client_id = Guid.NewGuid(), scopes = new[] { "readings:write" } }, Ct).RefusedAsync(NotFound, "application-not-found");
    }

    [Fact]
    public async Task Codes_are_not_guessed_and_nobody_uses_up_the_tries_of_others()
    {
        var (app, ada) = (await App.MadeAsync(service, isPublic: true), await Person.SignedInAsync(service));
        for (var guess = 0; guess < 10; guess++) await RedeemAsync(app, $"BCDF-{"BCDFGHJKLM"[guess]}BBB").ErrorAsync(BadRequest, "invalid_grant");
        await RedeemAsync(app, await PairAsync(ada, app)).ErrorAsync(BadRequest, "slow_down");
        for (var more = 1; more < 5; more++) await PairAsync(ada, app);
        await ada.Http.PostAsJsonAsync("/identity/v1/me/pairings", new { client_id = app.ClientId, scopes = new[] { "readings:write" } }, Ct).RefusedAsync(TooManyRequests, "too-many-codes");
    }

    [Fact]
    public async Task Whoever_guesses_from_everywhere_keeps_nobody_else_out()
    {
        var (app, ada) = (await App.MadeAsync(service, isPublic: true), await Person.SignedInAsync(service));
        Task<HttpResponseMessage> FromAsync(string place, string code)
        {
            var http = service.Anonymous();
            http.DefaultRequestHeaders.Add("X-Forwarded-For", place);
            return http.PostAsync("/identity/v1/tokens", new FormUrlEncodedContent(new Dictionary<string, string>
            { ["client_id"] = app.ClientId, ["grant_type"] = "urn:openreadings:grant-type:pairing-code", ["code"] = code }), Ct);
        }
        for (var place = 1; place <= 12; place++)
        {
            for (var guess = 0; guess < 10; guess++) await FromAsync($"203.0.113.{place}", $"BCDF-GHJK-{"BCDFGHJKLM"[guess]}BBB").ErrorAsync(BadRequest, "invalid_grant");
            await FromAsync($"203.0.113.{place}", "BCDF-GHJK-LMNP").ErrorAsync(BadRequest, "slow_down");
        }
        using var paired = await FromAsync("198.51.100.7", await PairAsync(ada, app));
        Assert.Equal(OK, paired.StatusCode);
    }

    private static async Task<string> PairAsync(Person person, App app) =>
        (await (await person.Http.PostAsJsonAsync("/identity/v1/me/pairings", new { client_id = app.ClientId, scopes = new[] { "readings:write" } }, Ct)).JsonAsync()).Text("code");

    private static Task<HttpResponseMessage> RedeemAsync(App app, string code) => app.PostAsync("tokens", ("grant_type", "urn:openreadings:grant-type:pairing-code"), ("code", code));
}
