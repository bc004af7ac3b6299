using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using OpenReadings.Identity.Tests.OAuth;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.Factors;

/// <summary>Passkeys on our pages: in a real browser with its script, and what the forms take from whoever sends them by hand.</summary>
public sealed class PasskeyPageTests(PasskeyTests.OwnService service) : IClassFixture<PasskeyTests.OwnService>, IAsyncLifetime
{
    private const string Page = "/identity/passkeys", Origin = PasskeyTests.Origin;
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private BrowserWithAuthenticator Window => service.Browser;

    public async ValueTask InitializeAsync() => await Window.NewAuthenticatorAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_person_adds_a_passkey_on_the_page_signs_in_with_it_names_it_anew_and_takes_it_away()
    {
        var ada = await Person.SignedUpAsync(service);
        var seen = await Window.OpenAsync(Origin, service.Address, Page);
        Assert.Contains("Sign in", seen.Text("text"), StringComparison.Ordinal);
        Assert.Contains("Sign in with a passkey", Texts(seen, "buttons"));
        // Nothing is on the authenticator yet: said on the page, which goes on with the password.
        await Window.PressAsync("Sign in with a passkey", "No passkey was used");
        await Window.FillAsync("E-mail address", ada.Email);
        await Window.FillAsync("Password", ada.Password);
        Assert.Contains("There is none yet", (await Window.PressAsync("Sign in", "Your passkeys")).Text("text"), StringComparison.Ordinal);

        await Window.FillAsync("Name of the new passkey", "Phone");
        await Window.FillAsync("Password", "Not-for-any-log-9");
        await Window.PressAsync("Add a passkey", "The password is wrong.");
        await Window.FillAsync("Password", ada.Password);
        seen = await Window.PressAsync("Add a passkey", "not used yet");
        Assert.Equal(["Phone", ""], Texts(seen, "names"));

        await Window.ForgetAsync();
        Assert.Contains("/identity/sign-in?", (await Window.GoAsync($"{Origin}{Page}")).Text("address"), StringComparison.Ordinal);
        seen = await Window.PressAsync("Sign in with a passkey", "used last on");
        Assert.Equal($"{Origin}{Page}", seen.Text("address"));
        Assert.Contains(ada.Email, seen.Text("text"), StringComparison.Ordinal);
        Assert.Equal(["pwd", "webauthn"], await service.SqlAsync<string>("select methods from logins where user_id = @AccountId and client_id = 'browser' order by login_id", new { ada.AccountId }));

        // This one is on the device already.
        await Window.FillAsync("Name of the new passkey", "Again");
        await Window.FillAsync("Password", ada.Password);
        await Window.PressAsync("Add a passkey", "has a passkey of yours already");

        await Window.GoAsync($"{Origin}{Page}");
        await Window.FillAsync("Name", "Old phone");
        await Window.PressAsync("Rename", "Your passkeys");
        Assert.Equal(["Old phone", ""], Texts(await Window.GoAsync($"{Origin}{Page}"), "names"));
        seen = await Window.PressAsync("Remove", "There is none yet");
        Assert.Empty(Texts(seen, "complaints"));                // the policy of the pages stopped nothing, and the script failed nowhere
        Assert.Equal(["signed-in", "passkey-added", "signed-in", "passkey-renamed", "passkey-removed"],
            await service.SqlAsync<string>("select action from audit where user_id = @AccountId order by entry_id", new { ada.AccountId }));
        Assert.Equal(5, (await service.SqlAsync<Guid?>("select login_id from audit where user_id = @AccountId", new { ada.AccountId })).Count(login => login is not null));
    }

    [Fact]
    public async Task A_passkey_signs_in_where_an_application_asks_once_with_a_new_cookie_and_only_by_our_form()
    {
        var (app, ada, bob) = (await App.MadeAsync(service), await Person.SignedInAsync(service), await Person.SignedUpAsync(service));
        await AddAsync(ada);
        using var browser = new Browser(service);
        await browser.AskAsync(app.Request());
        await browser.SignInAsync(bob);
        var bobs = browser.Cookie("or_session")!;
        await browser.AskAsync(app.Request(changes: ("prompt", "login")));

        var answer = await AnswerAsync();
        var form = browser.Html;
        // A form of somebody else, with a passkey of theirs: nobody is signed in with it, and Bob stays who he is.
        await browser.PostAsync("/identity/sign-in", new() { ["return"] = Page, ["passkey"] = answer, ["form_token"] = "x" });
        Assert.Equal((Forbidden, bobs), (browser.Status, browser.Cookie("or_session")));
        await browser.PostAsync("/identity/sign-in", new() { ["return"] = Page, ["passkey"] = answer, ["form_token"] = TokenOf(form) }, ("Sec-Fetch-Site", "cross-site"));
        Assert.Equal((Forbidden, bobs), (browser.Status, browser.Cookie("or_session")));

        await browser.AskAsync(app.Request(changes: ("prompt", "login")));
        await browser.SendAsync(("passkey", answer));
        Assert.Contains(ada.Email, browser.Html, StringComparison.Ordinal);
        Assert.NotEqual(bobs, browser.Cookie("or_session"));
        await browser.SendAsync(("decision", "allow"));
        Assert.Contains("code", browser.LeftWith.Keys);
        Assert.Equal("webauthn", Assert.Single(await service.SqlAsync<string>("select methods from logins where user_id = @AccountId and client_id = 'browser'", new { ada.AccountId })));
        using var thief = new Browser(service);
        thief.SetCookie("or_session", bobs);
        await thief.GetAsync(Page);
        Assert.Contains("<h1>Sign in</h1>", thief.Html, StringComparison.Ordinal);
        // What was answered once is no answer again, and what is none says no more than that.
        foreach (var given in new[] { answer, "{", "[]", "{}", "null", """{"id":"AAAA","response":{"clientDataJSON":"!"}}""" })
        {
            await thief.GetAsync(Page);
            await thief.SendAsync(("passkey", given));
            Assert.Equal(Unauthorized, thief.Status);
            Assert.Contains("This passkey signs nobody in", thief.Html, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_page_does_what_its_person_asks_and_nothing_for_anybody_else()
    {
        var (ada, bob) = (await Person.SignedInAsync(service), await Person.SignedUpAsync(service));
        var id = await AddAsync(ada);
        await Window.NewAuthenticatorAsync();                   // so that it makes another
        using var browser = new Browser(service);
        await browser.GetAsync(Page);
        await browser.SignInAsync(bob);
        Assert.Contains("There is none yet", browser.Html, StringComparison.Ordinal);
        Assert.Equal("default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'", browser.Headers.GetValues("Content-Security-Policy").Single());
        var token = TokenOf(browser.Html);
        foreach (var decision in new[] { "rename", "remove" })
        {
            await browser.PostAsync(Page, new() { ["form_token"] = token, ["decision"] = decision, ["passkey_id"] = $"{id}", ["name"] = "Bob was here" });
            Assert.Equal(NotFound, browser.Status);
        }
        await browser.PostAsync(Page, new() { ["form_token"] = token, ["decision"] = "add", ["name"] = "Bob's", ["passkey"] = (await Window.CreateAsync(await OptionsAsync(ada), Origin)).GetRawText() });
        Assert.Equal(BadRequest, browser.Status);
        await browser.PostAsync(Page, new() { ["form_token"] = token, ["decision"] = "explode" });
        Assert.Equal(BadRequest, browser.Status);
        await browser.PostAsync($"{Page}/options", new() { ["form_token"] = token, ["password"] = "Not-for-any-log-9" });
        Assert.Equal(Forbidden, browser.Status);
        Assert.Contains("wrong-password", browser.Html, StringComparison.Ordinal);
        foreach (var path in new[] { Page, $"{Page}/options" })
        {
            await browser.PostAsync(path, new() { ["form_token"] = "x", ["decision"] = "remove", ["passkey_id"] = $"{id}", ["password"] = bob.Password });
            Assert.Equal(Forbidden, browser.Status);
        }
        using var stranger = new Browser(service);
        await stranger.PostAsync(Page, new() { ["form_token"] = token, ["decision"] = "remove", ["passkey_id"] = $"{id}" });
        Assert.Contains("<h1>Sign in</h1>", stranger.Html, StringComparison.Ordinal);
        await stranger.PostAsync($"{Page}/options", new() { ["form_token"] = token, ["password"] = ada.Password });
        Assert.Equal(Unauthorized, stranger.Status);
        Assert.Equal("Phone", Assert.Single(await service.SqlAsync<string>("select name from passkeys where user_id = any (@people)", new { people = new[] { ada.AccountId, bob.AccountId } })));
    }

    private static string TokenOf(string html) => Regex.Match(html, "name=\"form_token\" value=\"([^\"]*)\"").Groups[1].Value;

    private static string[] Texts(JsonElement seen, string name) => [.. seen.GetProperty(name).EnumerateArray().Select(one => one.GetString()!)];

    private async Task<string> AnswerAsync()
    {
        using var asked = await service.Anonymous().PostAsync("/identity/v1/passkey-logins/options", null, Ct);
        return (await Window.GetAsync((await asked.JsonAsync()).GetProperty("public_key"), Origin)).GetRawText();
    }

    private static async Task<JsonElement> OptionsAsync(Person person)
    {
        using var asked = await person.Http.PostAsJsonAsync("/identity/v1/me/passkeys/options", new { password = person.Password }, Ct);
        return (await asked.JsonAsync()).GetProperty("public_key");
    }

    private async Task<Guid> AddAsync(Person person)
    {
        var credential = await Window.CreateAsync(await OptionsAsync(person), Origin);
        using var added = await person.Http.PostAsJsonAsync("/identity/v1/me/passkeys", new { name = "Phone", credential }, Ct);
        return (await added.JsonAsync()).GetProperty("passkey_id").GetGuid();
    }
}
