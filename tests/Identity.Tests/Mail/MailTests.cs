using System.Net.Http.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OpenReadings.Chassis;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.Tests.OAuth;
using OpenReadings.Identity.Tokens;
using static System.Net.HttpStatusCode;
using static OpenReadings.Identity.Tests.Waiting;

namespace OpenReadings.Identity.Tests.Mail;

/// <summary>Mail that is really sent, and what the tokens in it are good for.</summary>
public sealed class MailTests(MailingService service) : IClassFixture<MailingService>
{
    private const string Confirm = "Confirm your e-mail address", NewPassword = "Choose a new password";
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_address_is_confirmed_with_the_token_that_was_mailed_to_it_once()
    {
        var ada = await Person.SignedInAsync(service);
        Assert.False(await IsVerifiedAsync(ada));
        var mail = await service.Mail.WaitForAsync(ada.Email, Confirm);
        Assert.Equal("noreply@readings.example", mail.From);
        Assert.Contains($"{Support.TestIdentity.Issuer}/mail?token={mail.Token}", mail.Text, StringComparison.Ordinal);
        await service.PostAsync("email-verifications", new { token = mail.Token + "x" }).RefusedAsync(BadRequest, "invalid-token");
        await service.PostAsync("password-resets/confirm", new { token = mail.Token, new_password = "Not-for-any-log-9" }).RefusedAsync(BadRequest, "invalid-token");
        Assert.Equal(NoContent, (await service.PostAsync("email-verifications", new { token = mail.Token })).StatusCode);
        Assert.True(await IsVerifiedAsync(ada));
        await service.PostAsync("email-verifications", new { token = mail.Token }).RefusedAsync(BadRequest, "invalid-token");
        await ada.Http.PostAsync("/identity/v1/me/email-verification", null, Ct).RefusedAsync(Conflict, "already-verified");
        await NothingSecretIsLeftAsync(mail);
    }

    [Fact]
    public async Task The_mail_comes_again_when_asked_but_not_at_once()
    {
        var ada = await Person.SignedInAsync(service);
        await ada.Http.PostAsync("/identity/v1/me/email-verification", null, Ct).RefusedAsync(TooManyRequests, "too-many-mails");
        var first = await service.Mail.WaitForAsync(ada.Email, Confirm);
        for (var sent = 1; sent < 5; sent++)
        {
            await service.SqlAsync("update mail_tokens set created_at = created_at - interval '2 minutes' where user_id = @AccountId", new { ada.AccountId });
            Assert.Equal(NoContent, (await ada.Http.PostAsync("/identity/v1/me/email-verification", null, Ct)).StatusCode);
            await ada.Http.PostAsync("/identity/v1/me/email-verification", null, Ct).RefusedAsync(TooManyRequests, "too-many-mails");
            await UntilAsync(async () => service.Mail.To(ada.Email).Count == sent + 1
                && (await service.SqlAsync<int>("select count(*)::int from mail_outbox where user_id = @AccountId", new { ada.AccountId })).Single() == 0);
        }
        await service.SqlAsync("update mail_tokens set created_at = created_at - interval '2 minutes' where user_id = @AccountId", new { ada.AccountId });
        await ada.Http.PostAsync("/identity/v1/me/email-verification", null, Ct).RefusedAsync(TooManyRequests, "too-many-mails");
        // The first is as good as the last.
        Assert.Equal(NoContent, (await service.PostAsync("email-verifications", new { token = first.Token })).StatusCode);
    }

    [Fact]
    public async Task A_forgotten_password_is_replaced_once_and_everybody_is_signed_out()
    {
        var ada = await Person.SignedInAsync(service);
        Assert.Equal(Accepted, (await service.PostAsync("password-resets", new { email = ada.Email.ToUpperInvariant() })).StatusCode);
        var mail = await service.Mail.WaitForAsync(ada.Email, NewPassword);
        await service.PostAsync("password-resets/confirm", new { token = mail.Token, new_password = "short" }).RefusedAsync(BadRequest, "validation-failed");
        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(at => service.PostAsync("password-resets/confirm", new { token = mail.Token, new_password = $"Not-for-any-log-new-{at}" })));
        var winner = Array.FindIndex(answers, answer => answer.StatusCode == OK);
        Assert.Single(answers, answer => answer.StatusCode == OK);
        await ada.TrySignInAsync(ada.Password).RefusedAsync(Unauthorized, "invalid-credentials");
        await service.RefreshAsync(ada.Tokens.RefreshToken).RefusedAsync(Unauthorized, "invalid-refresh-token");
        ada.Password = $"Not-for-any-log-new-{winner}";
        await ada.SignInAsync();
        Assert.True(await IsVerifiedAsync(ada));
        await service.Mail.WaitForAsync(ada.Email, "Your password was changed");
        await NothingSecretIsLeftAsync(mail);
    }

    [Fact]
    public async Task Asking_for_a_new_password_tells_nobody_who_has_an_account_and_floods_nobody()
    {
        var ada = await Person.SignedUpAsync(service);
        var known = await service.PostAsync("password-resets", new { email = ada.Email });
        var unknown = await service.PostAsync("password-resets", new { email = $"{Guid.NewGuid():N}@example.org" });
        Assert.Equal((known.StatusCode, await known.Content.ReadAsStringAsync(Ct)), (unknown.StatusCode, await unknown.Content.ReadAsStringAsync(Ct)));
        for (var more = 0; more < 6; more++) Assert.Equal(Accepted, (await service.PostAsync("password-resets", new { email = ada.Email })).StatusCode);
        await UntilAsync(async () => (await service.SqlAsync<int>("select count(*)::int from mail_outbox where user_id = @AccountId", new { ada.AccountId })).Single() == 0);
        Assert.Equal(3, service.Mail.To(ada.Email).Count(mail => mail.Subject == NewPassword));
        // Nobody's address stays behind in clear.
        Assert.DoesNotContain(await service.SqlAsync<string>("select to_jsonb(r)::text from reset_requests r"), row => row.Contains('@', StringComparison.Ordinal));
        await service.PostAsync("password-resets", new { email = "nonsense" }).RefusedAsync(BadRequest, "validation-failed");
    }

    [Fact]
    public async Task Who_signs_up_with_a_taken_address_learns_nothing_and_its_person_hears_of_it_once_a_day()
    {
        var ada = await Person.SignedUpAsync(service);
        for (var time = 0; time < 3; time++)
            Assert.Equal(Created, (await service.PostAsync("accounts", new { email = ada.Email, password = "Not-for-any-log-2" })).StatusCode);
        await service.Mail.WaitForAsync(ada.Email, "You have an account already");
        await UntilAsync(async () => (await service.SqlAsync<int>("select count(*)::int from mail_outbox where user_id = @AccountId", new { ada.AccountId })).Single() == 0);
        Assert.Single(service.Mail.To(ada.Email), mail => mail.Subject == "You have an account already");
    }

    [Fact]
    public async Task An_address_changes_when_the_new_one_is_confirmed_and_can_be_brought_back()
    {
        var (ada, bob) = (await Person.SignedInAsync(service), await Person.SignedUpAsync(service));
        var next = $"{Guid.NewGuid():N}@example.net";
        Task<HttpResponseMessage> AskAsync(string address, string? password = null) =>
            ada.Http.PostAsJsonAsync("/identity/v1/me/email", new { new_email = address, password = password ?? ada.Password }, Ct);
        await AskAsync(next, "Not-for-any-log-0").RefusedAsync(Forbidden, "wrong-password");
        Assert.Equal(Accepted, (await AskAsync(next)).StatusCode);
        var mail = await service.Mail.WaitForAsync(next, "Confirm your new e-mail address");
        Assert.Equal(ada.Email, await EmailAsync(ada));
        Assert.Equal(NoContent, (await service.PostAsync("email-changes/confirm", new { token = mail.Token })).StatusCode);
        Assert.Equal((next, true), (await EmailAsync(ada), await IsVerifiedAsync(ada)));

        // A taken address answers alike, and only who reads there hears that it is.
        Assert.Equal(Accepted, (await AskAsync(bob.Email)).StatusCode);
        var taken = await service.Mail.WaitForAsync(bob.Email, "Confirm your new e-mail address");
        await service.PostAsync("email-changes/confirm", new { token = taken.Token }).RefusedAsync(Conflict, "email-taken");
        Assert.Equal(next, await EmailAsync(ada));

        var undo = await service.Mail.WaitForAsync(ada.Email, "Your e-mail address was changed");
        Assert.Equal(NoContent, (await service.PostAsync("email-changes/undo", new { token = undo.Token })).StatusCode);
        await service.RefreshAsync(ada.Tokens.RefreshToken).RefusedAsync(Unauthorized, "invalid-refresh-token");
        var reset = await service.Mail.WaitForAsync(ada.Email, NewPassword);
        ada.Password = "Not-for-any-log-5";
        Assert.Equal(OK, (await service.PostAsync("password-resets/confirm", new { token = reset.Token, new_password = ada.Password })).StatusCode);
        await ada.SignInAsync();
        Assert.Equal(ada.Email, await EmailAsync(ada));
        await service.PostAsync("email-changes/undo", new { token = undo.Token }).RefusedAsync(BadRequest, "invalid-token");
    }

    [Fact]
    public async Task A_reset_that_was_mailed_to_an_address_that_is_no_longer_theirs_opens_nothing()
    {
        var ada = await Person.SignedInAsync(service);
        await service.PostAsync("password-resets", new { email = ada.Email });
        var mail = await service.Mail.WaitForAsync(ada.Email, NewPassword);
        await service.SqlAsync("update accounts set email = 'moved-' || email, email_key = 'moved-' || email_key where user_id = @AccountId", new { ada.AccountId });
        await service.PostAsync("password-resets/confirm", new { token = mail.Token, new_password = "Not-for-any-log-7" }).RefusedAsync(BadRequest, "invalid-token");
    }

    [Fact]
    public async Task An_invitation_is_good_once_for_a_week_until_it_is_taken_back()
    {
        var ada = await Person.SignedInAsync(service);
        async Task<(string Address, string Id, Arrived Mail)> InviteAsync()
        {
            var address = $"{Guid.NewGuid():N}@example.org";
            var made = await (await ada.Http.PostAsJsonAsync("/identity/v1/me/invitations", new { email = address }, Ct)).JsonAsync();
            return (address, made.GetProperty("invitation_id").GetString()!, await service.Mail.WaitForAsync(address, "You are invited to OpenReadings"));
        }

        var (address, _, mail) = await InviteAsync();
        Task<HttpResponseMessage> SignUpAsync(string email, string? invitation) => service.PostAsync("accounts", new { email, password = Person.FirstPassword, invitation });
        Assert.Equal(Created, (await SignUpAsync(address, mail.Token)).StatusCode);
        using (var signedIn = await service.PostAsync("logins", new { email = address, password = Person.FirstPassword }))
            Assert.True((await (await service.WithToken((await signedIn.TokensAsync()).AccessToken).GetAsync("/identity/v1/me", Ct)).JsonAsync()).GetProperty("email_verified").GetBoolean());
        await SignUpAsync($"{Guid.NewGuid():N}@example.org", mail.Token).RefusedAsync(BadRequest, "invalid-invitation");

        var (_, revoked, second) = await InviteAsync();
        Assert.Equal(NoContent, (await ada.Http.DeleteAsync($"/identity/v1/me/invitations/{revoked}", Ct)).StatusCode);
        await SignUpAsync($"{Guid.NewGuid():N}@example.org", second.Token).RefusedAsync(BadRequest, "invalid-invitation");
        var (_, late, third) = await InviteAsync();
        await service.SqlAsync("update invitations set expires_at = now() where invitation_id = @late::uuid", new { late });
        await SignUpAsync($"{Guid.NewGuid():N}@example.org", third.Token).RefusedAsync(BadRequest, "invalid-invitation");
        for (var more = 3; more < 20; more++) Assert.Equal(Created, (await ada.Http.PostAsJsonAsync("/identity/v1/me/invitations", new { email = $"{Guid.NewGuid():N}@example.org" }, Ct)).StatusCode);
        await ada.Http.PostAsJsonAsync("/identity/v1/me/invitations", new { email = "one-more@example.org" }, Ct).RefusedAsync(TooManyRequests, "too-many-invitations");
    }

    [Fact]
    public async Task What_an_inviter_calls_themselves_is_a_name_in_the_mail_and_no_text_and_no_link()
    {
        var ada = await Person.SignedInAsync(service);
        async Task<string> InviteAsync(string? name)
        {
            (await ada.Http.PatchAsJsonAsync("/identity/v1/me", new { name }, Ct)).EnsureSuccessStatusCode();
            var address = $"{Guid.NewGuid():N}@example.org";
            using var made = await ada.Http.PostAsJsonAsync("/identity/v1/me/invitations", new { email = address }, Ct);
            Assert.Equal(Created, made.StatusCode);
            var text = (await service.Mail.WaitForAsync(address, "You are invited to OpenReadings")).Text;
            return text[..text.IndexOf(" invites you", StringComparison.Ordinal)];
        }
        Assert.Equal("Anne-Marie O'Neil", await InviteAsync("Anne-Marie O'Neil"));
        Assert.Equal("J. R. R. Дарья ऋषि 李", await InviteAsync("J.R.R. Дарья ऋषि 李"));
        Assert.Equal("httpsevil. examplewin Claim it NOW", await InviteAsync("https://evil.example/win! Claim (it) NOW:"));
        // The address of nobody knows whom is not said, either.
        Assert.Equal("Somebody", await InviteAsync("🎁 !!! 🎁"));
        Assert.Equal("Somebody", await InviteAsync(null));
        await service.SqlAsync("update accounts set email_verified_at = now() where user_id = @AccountId", new { ada.AccountId });
        Assert.Equal(ada.Email, await InviteAsync(null));
    }

    [Fact]
    public async Task The_address_of_somebody_who_was_invited_is_kept_for_a_month()
    {
        var ada = await Person.SignedInAsync(service);
        foreach (var days in new[] { 29, 31 })
            await service.SqlAsync("insert into invitations (user_id, invitation_id, email, created_at) values (@AccountId, gen_random_uuid(), @address, now() - @days * interval '1 day')", new { ada.AccountId, address = $"{days}@example.org", days });
        await service.ForgetOldAsync();
        Assert.Equal(["29@example.org"], await service.SqlAsync<string>("select email from invitations where user_id = @AccountId", new { ada.AccountId }));
    }

    [Fact]
    public async Task The_page_of_a_link_does_nothing_until_the_button_is_pressed()
    {
        var ada = await Person.SignedInAsync(service);
        var mail = await service.Mail.WaitForAsync(ada.Email, Confirm);
        using var browser = new Browser(service);
        await browser.GetAsync($"/identity/mail?token={mail.Token}");
        await browser.GetAsync($"/identity/mail?token={mail.Token}");
        Assert.False(await IsVerifiedAsync(ada));
        await browser.PostAsync("/identity/mail", new() { ["token"] = mail.Token });
        Assert.Equal((Forbidden, false), (browser.Status, await IsVerifiedAsync(ada)));
        await browser.SendAsync();
        Assert.Contains("Your address is confirmed", browser.Html, StringComparison.Ordinal);
        Assert.True(await IsVerifiedAsync(ada));

        await service.PostAsync("password-resets", new { email = ada.Email });
        await browser.GetAsync($"/identity/mail?token={(await service.Mail.WaitForAsync(ada.Email, NewPassword)).Token}");
        await browser.SendAsync(("password", "short"));
        Assert.Contains("fewer than 7 characters", browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("password", "Not-for-any-log-8"));
        Assert.Contains("Your password is changed", browser.Html, StringComparison.Ordinal);
        ada.Password = "Not-for-any-log-8";
        await ada.SignInAsync();
    }

    [Fact]
    public async Task Mail_waits_for_a_server_that_is_down_and_several_replicas_send_it_once()
    {
        service.Mail.IsDown = true;
        Person ada;
        try
        {
            ada = await Person.SignedUpAsync(service);
            // Not only tried, but refused: what is under way would arrive as soon as the server is back.
            await UntilAsync(() => service.Log.Lines.Any(line => line.Contains($"to account {ada.AccountId} was not sent", StringComparison.Ordinal)));
        }
        finally
        {
            service.Mail.IsDown = false;
        }
        Assert.Empty(service.Mail.To(ada.Email));
        await service.SqlAsync("update mail_outbox set next_try_at = now() where user_id = @AccountId", new { ada.AccountId });
        var replicas = Enumerable.Range(0, 4).Select(_ => new MailSender(service.Services.GetRequiredService<IConfiguration>(), service.Services.GetRequiredService<Database>(),
            service.Services.GetRequiredService<TokenIssuer>(), TimeProvider.System, NullLogger<MailSender>.Instance)).ToList();
        await Task.WhenAll(replicas.Select(replica => replica.SendOnceAsync(Ct)));
        await service.Mail.WaitForAsync(ada.Email, Confirm);
        await UntilAsync(async () => (await service.SqlAsync<int>("select count(*)::int from mail_outbox where user_id = @AccountId", new { ada.AccountId })).Single() == 0);
        Assert.Single(service.Mail.To(ada.Email));

        // What cannot be sent for a day is given up, and the log says so without the address.
        await service.SqlAsync("insert into mail_outbox (user_id, kind, to_address, created_at) values (@AccountId, 'verify', @Email, now() - interval '25 hours')", new { ada.AccountId, ada.Email });
        await UntilAsync(() => service.Log.Lines.Any(line => line.Contains($"to account {ada.AccountId} could not be sent for a day", StringComparison.Ordinal)));
        Assert.DoesNotContain(service.Log.Lines, line => line.Contains(ada.Email, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_that_cannot_prove_itself_gets_no_mail_and_no_password()
    {
        using var stranger = MailServer.Start(withTls: true);
        var ada = await Person.SignedUpAsync(service);
        await service.Mail.WaitForAsync(ada.Email, Confirm);
        MailSender Sender(params (string Name, string Value)[] settings) => new(
            new ConfigurationBuilder().AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Name, (string?)setting.Value))).Build(),
            service.Services.GetRequiredService<Database>(), service.Services.GetRequiredService<TokenIssuer>(), TimeProvider.System, NullLogger<MailSender>.Instance);
        await service.SqlAsync("insert into mail_outbox (user_id, kind, to_address, next_try_at) values (@AccountId, 'verify', @Email, now() + interval '1 hour')", new { ada.AccountId, ada.Email });
        using var sender = Sender(("Mail:Host", "127.0.0.1"), ("Mail:Port", $"{stranger.Port}"), ("Mail:User", "u"), ("Mail:Password", "p"));
        for (var tried = 0; tried == 0;)
        {
            // Another sender of this service may be quicker: then once more.
            await service.SqlAsync("insert into mail_outbox (user_id, kind, to_address) values (@AccountId, 'verify', @Email)", new { ada.AccountId, ada.Email });
            tried = await sender.SendOnceAsync(Ct);
        }
        Assert.Empty(stranger.To(ada.Email));
        await Assert.ThrowsAsync<StartRefusedException>(() => Sender(("Mail:Host", "mail.example.org"), ("Mail:Security", "none")).StartAsync(Ct));
    }

    [Fact]
    public async Task Without_a_server_mails_are_files_that_only_we_can_read()
    {
        var folder = Directory.CreateTempSubdirectory("mails");
        try
        {
            await using var alone = new FilingService(folder.FullName);
            await alone.InitializeAsync();
            var ada = await Person.SignedUpAsync(alone);
            await UntilAsync(() => folder.GetFiles().Length == 1);
            var file = folder.GetFiles().Single();
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, file.UnixFileMode);
            await UntilAsync(async () => (await File.ReadAllTextAsync(file.FullName, Ct)).Contains(ada.Email, StringComparison.Ordinal));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task By_invitation_only_means_that()
    {
        await using var closed = new ClosedService();
        await closed.InitializeAsync();
        await closed.PostAsync("accounts", new { email = "a@example.org", password = Person.FirstPassword }).RefusedAsync(Forbidden, "invitation-required");
        await closed.PostAsync("accounts", new { email = "a@example.org", password = Person.FirstPassword, invitation = "om_made-up" }).RefusedAsync(BadRequest, "invalid-invitation");

        using var browser = new Browser(closed);
        await browser.GetAsync("/identity/sign-up");
        Assert.Contains("You need an invitation here", browser.Html, StringComparison.Ordinal);
        await browser.SendAsync(("email", "a@example.org"), ("password", Person.FirstPassword));
        Assert.Equal((Forbidden, true), (browser.Status, browser.Html.Contains("Signing up is by invitation only.", StringComparison.Ordinal)));
        await browser.SendAsync(("password", Person.FirstPassword), ("invitation", "om_made-up"));
        Assert.Equal((BadRequest, true), (browser.Status, browser.Html.Contains("The invitation is unknown", StringComparison.Ordinal)));
        Assert.Empty(await closed.SqlAsync<Guid>("select user_id from accounts"));
    }

    [Fact]
    public async Task Where_only_confirmed_addresses_sign_in_signing_up_and_in_tells_nothing()
    {
        await using var careful = new CarefulService();
        await careful.InitializeAsync();
        var (there, nobody) = ("there@example.org", "nobody@example.org");
        Assert.Equal(Created, (await careful.PostAsync("accounts", new { email = there, password = Person.FirstPassword })).StatusCode);
        await SignInAsync(there, Person.FirstPassword).RefusedAsync(Unauthorized, "invalid-credentials");
        await careful.SqlAsync("update accounts set email_verified_at = now()");
        Assert.Equal(OK, (await SignInAsync(there, Person.FirstPassword)).StatusCode);

        // A stranger who tries both with a password of their own is answered alike.
        foreach (var email in new[] { there, nobody })
        {
            Assert.Equal(Created, (await careful.PostAsync("accounts", new { email, password = "Not-for-any-log-8" })).StatusCode);
            await SignInAsync(email, "Not-for-any-log-8").RefusedAsync(Unauthorized, "invalid-credentials");
        }
        Assert.Equal(OK, (await SignInAsync("root@example.org", Person.FirstPassword)).StatusCode);

        Task<HttpResponseMessage> SignInAsync(string email, string password) => careful.PostAsync("logins", new { email, password });
    }

    private async Task NothingSecretIsLeftAsync(Arrived mail)
    {
        foreach (var table in new[] { "mail_tokens", "mail_outbox", "invitations" })
            Assert.DoesNotContain(await service.SqlAsync<string>($"select to_jsonb(t)::text from {table} t"), row => row.Contains(mail.Token, StringComparison.Ordinal));
        Assert.DoesNotContain(service.Log.Lines, line => line.Contains("om_", StringComparison.Ordinal));
    }

    private static async Task<bool> IsVerifiedAsync(Person person) => (await (await person.Http.GetAsync("/identity/v1/me", Ct)).JsonAsync()).GetProperty("email_verified").GetBoolean();

    private static async Task<string> EmailAsync(Person person) => (await (await person.Http.GetAsync("/identity/v1/me", Ct)).JsonAsync()).GetProperty("email").GetString()!;

    private sealed class FilingService(string folder) : IdentityService
    {
        protected override IEnumerable<KeyValuePair<string, string?>> Settings => [.. base.Settings, new("Mail:Directory", folder)];
    }

    private sealed class CarefulService : IdentityService
    {
        protected override IEnumerable<KeyValuePair<string, string?>> Settings =>
            [.. base.Settings, new("SignIn:ConfirmedOnly", "true"), new("FirstAdministrator:Email", "root@example.org"), new("FirstAdministrator:Password", Person.FirstPassword)];
    }

    private sealed class ClosedService : IdentityService
    {
        protected override IEnumerable<KeyValuePair<string, string?>> Settings => [.. base.Settings, new("SignUp:InvitationOnly", "true")];
    }
}
