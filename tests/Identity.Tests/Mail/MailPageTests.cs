using System.Net;
using System.Text.RegularExpressions;
using OpenReadings.Identity.Tests.OAuth;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.Mail;

/// <summary>What people do on pages who have no password yet, or not any more.</summary>
public sealed partial class MailPageTests(MailingService service) : IClassFixture<MailingService>
{
    private const string SignIn = "/identity/sign-in?return=%2Fidentity%2Fdevice", Chosen = "Not-for-any-log-8";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_has_forgotten_their_password_or_never_chose_one_gets_a_mail_and_signs_in(bool wasChosen)
    {
        var ada = await Person.SignedUpAsync(service);
        await service.SqlAsync("update passwords set is_chosen = @wasChosen where user_id = @AccountId", new { wasChosen, ada.AccountId });
        using var browser = new Browser(service);
        await browser.GetAsync(SignIn);
        await browser.GetAsync(Linked(browser, "Forgotten password"));
        await browser.SendAsync(("email", "ada"));
        Assert.Equal((BadRequest, true), (browser.Status, browser.Html.Contains("malformed", StringComparison.Ordinal)));
        await browser.SendAsync(("email", ada.Email));
        Assert.Equal(OK, browser.Status);
        var (answer, signIn) = (browser.Html, Linked(browser, "Sign in"));
        var mail = await service.Mail.WaitForAsync(ada.Email, "Choose a new password");

        // As to somebody who has no account here.
        await browser.GetAsync("/identity/forgotten-password?return=%2Fidentity%2Fdevice");
        await browser.SendAsync(("email", "nobody@example.org"));
        Assert.Equal(answer.Replace(ada.Email, "nobody@example.org", StringComparison.Ordinal), browser.Html);

        await browser.GetAsync($"/identity/mail?token={mail.Token}");
        Assert.Contains("at least seven characters", browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("password", Chosen));
        ada.Password = Chosen;
        await browser.GetAsync(signIn);
        await browser.SignInAsync(ada);
        Assert.Equal((OK, "/identity/device"), (browser.Status, FormOf(browser)));
        // And a token of their own programs, and the end of it all.
        await ada.SignInAsync();
        Assert.Equal(NoContent, (await ada.DeleteAccountAsync(Chosen)).StatusCode);
    }

    [Fact]
    public async Task An_account_is_made_on_the_way_to_an_application_and_who_has_one_is_told_by_mail_alone()
    {
        var there = await Person.SignedUpAsync(service);
        var ada = $"{Guid.NewGuid():N}@example.org";
        var answers = new List<string>();
        using var browser = new Browser(service);
        foreach (var email in new[] { ada, there.Email })
        {
            await browser.GetAsync(SignIn);
            await browser.GetAsync(Linked(browser, "Make an account"));
            Assert.DoesNotContain("Invitation", browser.Html, StringComparison.Ordinal);
            await browser.SendAsync(("email", email), ("password", "short"), ("name", "Ada <b>"));
            Assert.Equal(BadRequest, browser.Status);
            Assert.Contains("fewer than 7 characters", browser.Html, StringComparison.Ordinal);
            Assert.Contains($"value=\"{email}\"", browser.Html, StringComparison.Ordinal);
            Assert.Contains("value=\"Ada &lt;b&gt;\"", browser.Html, StringComparison.Ordinal);
            Assert.DoesNotContain("short", browser.Html, StringComparison.Ordinal);
            await browser.SendAsync(("password", Chosen));
            Assert.Equal(OK, browser.Status);
            answers.Add(browser.Html.Replace(email, "somebody", StringComparison.Ordinal).Replace(Uri.EscapeDataString(email), "somebody", StringComparison.Ordinal));
        }
        Assert.Equal(answers[0], answers[1]);
        Assert.Equal(Unauthorized, (await there.TrySignInAsync(Chosen)).StatusCode);
        Assert.Contains($"{Support.TestIdentity.Issuer}/forgotten-password", (await service.Mail.WaitForAsync(there.Email, "You have an account already")).Text, StringComparison.Ordinal);
        await service.Mail.WaitForAsync(ada, "Confirm your e-mail address");
        using var signedIn = await service.PostAsync("logins", new { email = ada, password = Chosen });
        Assert.Equal(OK, signedIn.StatusCode);
        await browser.GetAsync(Linked(browser, "Sign in"));
        Assert.Contains($"value=\"{there.Email}\"", browser.Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_link_of_an_invitation_leads_to_where_an_account_is_made_with_it()
    {
        var inviter = await Person.SignedInAsync(service);
        var address = $"{Guid.NewGuid():N}+dives@example.org";
        Assert.Equal(Created, (await System.Net.Http.Json.HttpClientJsonExtensions.PostAsJsonAsync(inviter.Http, "/identity/v1/me/invitations", new { email = address }, TestContext.Current.CancellationToken)).StatusCode);
        var mail = await service.Mail.WaitForAsync(address, "You are invited to OpenReadings");
        var link = new Uri(Addresses().Match(mail.Text).Value);
        Assert.StartsWith($"{Support.TestIdentity.Issuer}/sign-up?", link.OriginalString, StringComparison.Ordinal);
        using var browser = new Browser(service);
        await browser.GetAsync(link.PathAndQuery);
        Assert.Contains($"value=\"{mail.Token}\"", browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("password", Chosen));
        Assert.Equal(OK, browser.Status);
        Assert.Equal([true], await service.SqlAsync<bool>("select email_verified_at is not null from accounts where email = @address", new { address }));
        await browser.GetAsync(link.PathAndQuery);
        await browser.SendAsync(("password", Chosen));
        Assert.Equal((BadRequest, true), (browser.Status, browser.Html.Contains("The invitation is unknown", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("forgotten-password")]
    [InlineData("sign-up")]
    public async Task Nothing_is_taken_from_a_form_of_somebody_else_and_nobody_is_led_to_one(string path)
    {
        var (email, elsewhere) = ($"{Guid.NewGuid():N}@example.org", "https://evil.example/");
        using var browser = new Browser(service);
        await browser.GetAsync($"/identity/{path}?return={Uri.EscapeDataString(elsewhere)}");
        Assert.DoesNotContain("evil", browser.Html, StringComparison.Ordinal);
        await browser.PostAsync($"/identity/{path}", new() { ["email"] = email, ["password"] = Chosen, ["form_token"] = "made-up" });
        Assert.Equal((Forbidden, false), (browser.Status, browser.Html.Contains(email, StringComparison.Ordinal)));
        await browser.SendAsync(("email", email), ("password", Chosen), ("return", elsewhere));
        Assert.Equal((OK, false), (browser.Status, browser.Html.Contains("evil", StringComparison.Ordinal)));
        Assert.Contains("form-action 'self'", browser.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.All(Regex.Matches(browser.Html, "href=\"([^\"]*)\""), link => Assert.StartsWith("/identity/", link.Groups[1].Value, StringComparison.Ordinal));
    }

    // Where a link of the page leads that says so.
    private static string Linked(Browser browser, string text) =>
        WebUtility.HtmlDecode(Regex.Match(browser.Html, $"<a href=\"([^\"]*)\">{text}</a>").Groups[1].Value);

    private static string FormOf(Browser browser) => Regex.Match(browser.Html, "action=\"([^\"]*)\"").Groups[1].Value;

    [GeneratedRegex(@"http\S+")]
    private static partial Regex Addresses();
}
