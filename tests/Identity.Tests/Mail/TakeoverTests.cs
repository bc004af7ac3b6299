using System.Net.Http.Json;
using Dapper;
using Npgsql;
using OpenReadings.Identity.Tests.Factors;
using OpenReadings.Identity.Tests.OAuth;
using static System.Net.HttpStatusCode;
using static OpenReadings.Identity.Tests.Waiting;

namespace OpenReadings.Identity.Tests.Mail;

/// <summary>Somebody has a person's password, or their address, and wants to keep the account.</summary>
public sealed class TakeoverTests(MailingService service) : IClassFixture<MailingService>
{
    private const string ConfirmNew = "Confirm your new e-mail address", Changed = "Your e-mail address was changed", NewPassword = "Choose a new password", FactorAdded = "There is another way into your account";
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Changing_an_address_twice_and_undoing_the_second_change_takes_nothing_from_who_had_it_first()
    {
        var ada = await Person.SignedInAsync(service);
        var (first, second) = (NewAddress(), NewAddress());
        await ChangeAsync(ada, first);
        await ChangeAsync(ada, second);
        var (hers, his) = (await service.Mail.WaitForAsync(ada.Email, Changed), await service.Mail.WaitForAsync(first, Changed));
        Assert.Equal(NoContent, (await UndoAsync(his)).StatusCode);
        Assert.Contains((false, true), await service.SqlAsync<(bool, bool)>("select is_chosen, taken_back_at is not null from passwords"));
        Assert.Equal(NoContent, (await UndoAsync(hers)).StatusCode);
        await ChooseAsync(ada);
        Assert.Equal(ada.Email, await EmailAsync(ada));
    }

    [Fact]
    public async Task Once_an_address_is_brought_back_the_password_of_whoever_changed_it_changes_nothing_more()
    {
        var ada = await Person.SignedInAsync(service);
        await ChangeAsync(ada, NewAddress());
        Assert.Equal(NoContent, (await UndoAsync(await service.Mail.WaitForAsync(ada.Email, Changed))).StatusCode);
        // A program would sign in again, and change it once more, before a person has found the mail.
        await ada.TrySignInAsync(ada.Password).RefusedAsync(Unauthorized, "invalid-credentials");
        // The password is wrong now; a moment later the login is refused altogether.
        using (var asked = await AskAsync(ada, NewAddress())) Assert.True(asked.StatusCode is Forbidden or Unauthorized, asked.StatusCode.ToString());
        await ChooseAsync(ada);
    }

    [Fact]
    public async Task Whoever_undoes_the_first_change_undoes_those_after_it_also_when_their_mails_are_still_to_be_sent()
    {
        var ada = await Person.SignedInAsync(service);
        var (first, second, third) = (NewAddress(), NewAddress(), NewAddress());
        await ChangeAsync(ada, first);
        await ChangeAsync(ada, second);
        var (hers, his) = (await service.Mail.WaitForAsync(ada.Email, Changed), await service.Mail.WaitForAsync(first, Changed));
        // A server that says "later", which somebody who has one can arrange.
        await service.SqlAsync("insert into mail_outbox (user_id, kind, to_address, next_try_at) select @AccountId, kind, @third, now() + interval '2 seconds' from unnest(array['change', 'reset', 'changed']) kind",
            new { ada.AccountId, third });
        Assert.Equal(NoContent, (await UndoAsync(hers)).StatusCode);
        await UndoAsync(his).RefusedAsync(BadRequest, "invalid-token");
        await NothingIsToBeSentAsync(third);
        await service.Mail.WaitForAsync(ada.Email, NewPassword);
    }

    [Fact]
    public async Task An_address_that_somebody_signed_up_with_and_never_confirmed_goes_back_to_whoever_reads_there()
    {
        var ada = await Person.SignedInAsync(service);
        await ChangeAsync(ada, NewAddress());
        var undo = await service.Mail.WaitForAsync(ada.Email, Changed);
        var squatter = new { email = ada.Email.ToUpperInvariant(), password = "Not-for-any-log-3" };
        Assert.Equal(Created, (await service.PostAsync("accounts", squatter)).StatusCode);
        var his = await (await service.PostAsync("logins", squatter)).TokensAsync();
        // Nor does one who knows where their account would go, and is there already.
        Assert.Equal(Created, (await service.PostAsync("accounts", new { email = $"{his.AccessToken.Claims().Text("sub")}@given-back.invalid", squatter.password })).StatusCode);
        Assert.Equal(NoContent, (await UndoAsync(undo)).StatusCode);
        await ChooseAsync(ada);
        Assert.Equal(ada.Email, await EmailAsync(ada));
        // The other account is there as it was, but for an address that was never its own.
        var left = (await (await service.WithToken(his.AccessToken).GetAsync("/identity/v1/me", Ct)).JsonAsync()).GetProperty("email").GetString();
        Assert.EndsWith(".invalid", left, StringComparison.Ordinal);
        await service.PostAsync("logins", squatter).RefusedAsync(Unauthorized, "invalid-credentials");
    }

    [Fact]
    public async Task An_address_that_was_confirmed_by_another_account_stays_there()
    {
        var ada = await Person.SignedInAsync(service);
        await ChangeAsync(ada, NewAddress());
        var undo = await service.Mail.WaitForAsync(ada.Email, Changed);
        Assert.Equal(Created, (await service.PostAsync("accounts", new { email = ada.Email, password = Person.FirstPassword })).StatusCode);
        await service.SqlAsync("update accounts set email_verified_at = now() where email = @Email", new { ada.Email });
        await UndoAsync(undo).RefusedAsync(Conflict, "email-taken");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_change_of_address_that_was_asked_for_before_the_password_was_changed_is_off(bool byMail)
    {
        var ada = await Person.SignedInAsync(service);
        var (sent, late) = (NewAddress(), NewAddress());
        Assert.Equal(Accepted, (await AskAsync(ada, sent)).StatusCode);
        var mail = await service.Mail.WaitForAsync(sent, ConfirmNew);
        await service.SqlAsync("insert into mail_outbox (user_id, kind, to_address, next_try_at) values (@AccountId, 'change', @late, now() + interval '2 seconds')", new { ada.AccountId, late });
        if (byMail)
        {
            await service.PostAsync("password-resets", new { email = ada.Email });
            var reset = await service.Mail.WaitForAsync(ada.Email, NewPassword);
            Assert.Equal(OK, (await service.PostAsync("password-resets/confirm", new { token = reset.Token, new_password = "Not-for-any-log-2" })).StatusCode);
        }
        else Assert.Equal(OK, (await ada.ChangePasswordAsync(ada.Password, "Not-for-any-log-2")).StatusCode);
        await service.PostAsync("email-changes/confirm", new { token = mail.Token }).RefusedAsync(BadRequest, "invalid-token");
        await NothingIsToBeSentAsync(late);
    }

    // What was to be sent later is gone already, and so never comes.
    private async Task NothingIsToBeSentAsync(string address)
    {
        Assert.Empty(await service.SqlAsync<string>("select kind from mail_outbox where to_address = @address", new { address }));
        Assert.Empty(service.Mail.To(address));
    }

    [Fact]
    public async Task Changing_the_password_again_and_again_does_not_spoil_the_link_for_a_new_one()
    {
        var ada = await Person.SignedInAsync(service);
        await service.PostAsync("password-resets", new { email = ada.Email });
        await service.Mail.WaitForAsync(ada.Email, NewPassword);
        Assert.Equal(OK, (await ada.ChangePasswordAsync(ada.Password, "Not-for-any-log-eve-3")).StatusCode);
        await ChooseAsync(ada);
    }

    [Fact]
    public async Task Two_factors_that_somebody_else_added_are_undone_by_mail()
    {
        var (authenticator, ada) = await VerifiedAsync();
        var added = await service.Mail.WaitForAsync(ada.Email, FactorAdded);
        await PasskeyAsync(ada);
        await ChangeAsync(ada, NewAddress());
        Assert.Equal(NoContent, (await UndoAsync(added)).StatusCode);
        await authenticator.SignInAsync(await authenticator.NextAsync()).RefusedAsync(Unauthorized, "invalid-credentials");
        await ChooseAsync(ada);
        var factors = await (await ada.Http.GetAsync("/identity/v1/me/factors", Ct)).JsonAsync();
        Assert.Equal((0, 0, ada.Email), (factors.GetProperty("passkeys").GetInt32(), factors.GetProperty("recovery_codes_left").GetInt32(), await EmailAsync(ada)));
    }

    [Fact]
    public async Task What_was_added_before_what_is_undone_stays()
    {
        var (authenticator, ada) = await VerifiedAsync();
        await PasskeyAsync(ada);
        await ChangeAsync(ada, NewAddress());
        Assert.Equal(NoContent, (await UndoAsync(await service.Mail.WaitForAsync(ada.Email, Changed))).StatusCode);
        var reset = await service.Mail.WaitForAsync(ada.Email, NewPassword);
        Assert.Equal(OK, (await service.PostAsync("password-resets/confirm", new { token = reset.Token, new_password = "Not-for-any-log-2" })).StatusCode);
        Assert.Equal(OK, (await authenticator.SignInAsync(await authenticator.NextAsync(), "Not-for-any-log-2")).StatusCode);
        Assert.Single(await service.SqlAsync<Guid>("select passkey_id from passkeys where user_id = @AccountId", new { ada.AccountId }));
    }

    [Fact]
    public async Task Who_signed_up_with_anothers_address_keeps_no_way_in_when_that_one_chooses_a_password()
    {
        var eve = await Person.SignedInAsync(service);
        var key = (await (await eve.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "k", scopes = new[] { "readings:read" } }, Ct)).JsonAsync()).GetProperty("key").GetString();
        await PasskeyAsync(eve);
        await service.PostAsync("password-resets", new { email = eve.Email });
        await ChooseAsync(eve);
        Assert.Equal(0, (await (await eve.Http.GetAsync("/identity/v1/me/factors", Ct)).JsonAsync()).GetProperty("passkeys").GetInt32());
        Assert.False((await (await service.PostAsync("api-keys/introspect", new { api_key = key })).JsonAsync()).GetProperty("active").GetBoolean());
    }

    [Fact]
    public async Task A_forgotten_password_ends_every_login_key_and_consent_and_says_what_stays()
    {
        var ada = await VerifiedPersonAsync();
        var key = await KeyAsync(ada);
        var app = await App.MadeAsync(service, ada);
        await PasskeyAsync(ada);
        using var browser = new Browser(service);
        await CodeFlowTests.AllowedAsync(browser, app, ada);
        await service.PostAsync("password-resets", new { email = ada.Email });
        var done = await ResetAsync(ada);
        Assert.Equal((3, 1, 1, 1, 1), (Count(done, "logins_ended"), Count(done, "api_keys_ended"), Count(done, "consents_ended"), Count(done, "passkeys_left"), Count(done, "applications_left")));
        Assert.False(await IsGoodAsync(key));
        Assert.Empty(await service.SqlAsync<Guid>("select client_id from consents where user_id = @AccountId", new { ada.AccountId }));
        using (var own = await app.PostAsync("tokens", ("grant_type", "client_credentials"))) Assert.Equal(OK, own.StatusCode);
        var mail = await service.Mail.WaitForAsync(ada.Email, "Your password was changed");
        foreach (var said in new[] { "all API keys (1)", "passkeys (1)", "applications of your own (1)" }) Assert.Contains(said, mail.Text, StringComparison.Ordinal);
        Assert.Empty(await service.SqlAsync<string>("select data::text from kept.events where event_type = 'account.recovered.v1' and subject = @AccountId::text", new { ada.AccountId }));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_somebody_added_who_held_the_account_ends_with_their_hold_and_what_was_there_before_stays(bool byUndo)
    {
        var ada = await VerifiedPersonAsync();
        var (mine, mineKey) = (await App.MadeAsync(service, ada), await KeyAsync(ada));
        await PasskeyAsync(ada);
        // Eve has the password.
        var since = (await service.SqlAsync<DateTimeOffset>("select clock_timestamp()")).Single();
        if (byUndo) await ChangeAsync(ada, NewAddress());
        else
        {
            Assert.Equal(OK, (await ada.ChangePasswordAsync(ada.Password, "Not-for-any-log-eve-3")).StatusCode);
            ada.Password = "Not-for-any-log-eve-3";
            await ada.SignInAsync();
        }
        var (key, his) = (await KeyAsync(ada), await App.MadeAsync(service, ada));
        var secret = (await (await ada.Http.PostAsJsonAsync($"/identity/v1/me/applications/{mine.ClientId}/secrets", new { }, Ct)).JsonAsync()).GetProperty("client_secret").GetString();
        await PasskeyAsync(ada);
        var authenticator = new AuthenticatorOf(service, ada);
        await authenticator.MakeAsync();
        (await authenticator.ConfirmAsync(await authenticator.NextAsync())).EnsureSuccessStatusCode();

        if (byUndo) Assert.Equal(NoContent, (await UndoAsync(await service.Mail.WaitForAsync(ada.Email, Changed))).StatusCode);
        else
        {
            await service.PostAsync("password-resets", new { email = ada.Email });
            await ChooseAsync(ada);
        }
        Assert.Equal((false, false), (await IsGoodAsync(key), await IsGoodAsync(mineKey)));
        Assert.Equal([mine.ClientId], await service.SqlAsync<string>("select client_id::text from applications where user_id = @AccountId", new { ada.AccountId }));
        await his.PostAsync("tokens", ("grant_type", "client_credentials")).ErrorAsync(Unauthorized, "invalid_client");
        await (mine with { Secret = secret }).PostAsync("tokens", ("grant_type", "client_credentials")).ErrorAsync(Unauthorized, "invalid_client");
        using (var own = await mine.PostAsync("tokens", ("grant_type", "client_credentials"))) Assert.Equal(OK, own.StatusCode);
        Assert.Equal((1, 0, 0), ((await service.SqlAsync<int>("select count(*)::int from passkeys where user_id = @AccountId", new { ada.AccountId })).Single(),
            (await service.SqlAsync<int>("select count(*)::int from totp where user_id = @AccountId", new { ada.AccountId })).Single(),
            (await service.SqlAsync<int>("select count(*)::int from recovery_codes where user_id = @AccountId", new { ada.AccountId })).Single()));
        // Readings hears from when on.
        var told = (await service.SqlAsync<DateTimeOffset>("select (data ->> 'since')::timestamptz from kept.events where event_type = 'account.recovered.v1' and subject = @AccountId::text", new { ada.AccountId })).Single();
        Assert.InRange(told, since, since.AddSeconds(30));
        Assert.Contains("account.deleted.v1", await service.EventsOfAsync(Guid.Parse(his.ClientId)));
        if (byUndo) return;
        // What she adds from now on is hers, also when she forgets it again.
        await PasskeyAsync(ada);
        await service.SqlAsync("delete from mail_tokens where user_id = @AccountId", new { ada.AccountId });
        Assert.Equal(2, await AgainAsync());

        async Task<int> AgainAsync()
        {
            var before = service.Mail.To(ada.Email).Count(mail => mail.Subject == NewPassword);
            await service.PostAsync("password-resets", new { email = ada.Email });
            await UntilAsync(() => service.Mail.To(ada.Email).Count(mail => mail.Subject == NewPassword) > before);
            return Count(await ResetAsync(ada), "passkeys_left");
        }
    }

    [Fact]
    public async Task No_key_slips_in_behind_a_reset_at_the_same_moment()
    {
        for (var round = 0; round < 3; round++)
        {
            var ada = await VerifiedPersonAsync();
            await service.PostAsync("password-resets", new { email = ada.Email });
            var reset = await service.Mail.WaitForAsync(ada.Email, NewPassword);
            var making = Enumerable.Range(0, 20).Select(async i =>
            {
                await Task.Delay(i * 8, Ct);
                using var made = await ada.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "k", scopes = new[] { "readings:read" } }, Ct);
            }).ToList();
            Assert.Equal(OK, (await service.PostAsync("password-resets/confirm", new { token = reset.Token, new_password = "Not-for-any-log-2" })).StatusCode);
            await Task.WhenAll(making);
            Assert.Empty(await service.SqlAsync<string>("select key_id from api_keys where user_id = @AccountId and ended_at is null", new { ada.AccountId }));
        }
    }

    [Fact]
    public async Task A_change_of_the_password_says_which_keys_go_on_and_ends_them_when_asked()
    {
        var ada = await VerifiedPersonAsync();
        var key = await KeyAsync(ada);
        await ada.SignInAsync();
        async Task<System.Text.Json.JsonElement> ChangeAsync(string next, bool? endOthers)
        {
            using var changed = await ada.Http.PutAsJsonAsync("/identity/v1/me/password", new { current_password = ada.Password, new_password = next, end_others = endOthers ?? false }, Ct);
            Assert.Equal(OK, changed.StatusCode);
            ada.Password = next;
            return await changed.JsonAsync();
        }
        var first = await ChangeAsync("Not-for-any-log-2", null);
        Assert.Equal((1, 0, 1), (Count(first, "logins_ended"), Count(first, "api_keys_ended"), Count(first, "api_keys_left")));
        Assert.Contains("API keys that go on: 1", (await service.Mail.WaitForAsync(ada.Email, "Your password was changed")).Text, StringComparison.Ordinal);
        Assert.True(await IsGoodAsync(key));
        var second = await ChangeAsync("Not-for-any-log-3", true);
        Assert.Equal((0, 1, 0), (Count(second, "logins_ended"), Count(second, "api_keys_ended"), Count(second, "api_keys_left")));
        Assert.False(await IsGoodAsync(key));
        Assert.Equal(OK, (await ada.Http.GetAsync("/identity/v1/me", Ct)).StatusCode);
    }

    [Fact]
    public async Task Whoever_has_confirmed_their_address_hears_of_keys_and_applications_and_of_nothing_that_was_written_into_them()
    {
        var (ada, unconfirmed) = (await VerifiedPersonAsync(), await Person.SignedInAsync(service));
        await KeyAsync(unconfirmed);
        using (var made = await ada.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "Call +1 555 0100 to keep your account", scopes = new[] { "readings:read" } }, Ct)) Assert.Equal(Created, made.StatusCode);
        var mail = await service.Mail.WaitForAsync(ada.Email, "An API key was made in your account");
        Assert.DoesNotContain("555", mail.Text, StringComparison.Ordinal);
        await App.MadeAsync(service, ada);
        await service.Mail.WaitForAsync(ada.Email, "An application was made in your account");
        for (var more = 0; more < 8; more++) await KeyAsync(ada);
        Assert.Equal(5, await CountMailsAsync(ada, 5, mail => mail.Subject.EndsWith("was made in your account", StringComparison.Ordinal)));
        Assert.DoesNotContain(service.Mail.To(unconfirmed.Email), one => one.Subject.EndsWith("was made in your account", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Whoever_reads_at_an_address_that_was_mistyped_comes_no_further_than_the_authenticator()
    {
        var authenticator = await AuthenticatorOf.AddedAsync(service);
        await service.PostAsync("password-resets", new { email = authenticator.Person.Email });
        var reset = await service.Mail.WaitForAsync(authenticator.Person.Email, NewPassword);
        Assert.Equal(OK, (await service.PostAsync("password-resets/confirm", new { token = reset.Token, new_password = "Not-for-any-log-2" })).StatusCode);
        // Nor did they get a way to undo it.
        Assert.DoesNotContain(service.Mail.To(authenticator.Person.Email), mail => mail.Subject == FactorAdded);
        await authenticator.SignInAsync(null, "Not-for-any-log-2").RefusedAsync(Unauthorized, "second-factor-required");
        Assert.Equal(OK, (await authenticator.SignInAsync(await authenticator.NextAsync(), "Not-for-any-log-2")).StatusCode);
    }

    [Fact]
    public async Task Many_requests_at_one_moment_send_no_more_mails_than_one_after_the_other()
    {
        var ada = await Person.SignedUpAsync(service);
        await using (var slow = new NpgsqlConnection(service.Database.App))
        {
            await slow.OpenAsync(Ct);
            await using var open = await slow.BeginTransactionAsync(Ct);
            for (var asked = 0; asked < 3; asked++) await slow.ExecuteAsync("call ask_for_reset(@Email)", new { ada.Email });
            await slow.ExecuteAsync("call note_repeated_sign_up(@Email)", new { ada.Email });
            var others = Task.WhenAll(service.PostAsync("password-resets", new { email = ada.Email }), service.PostAsync("accounts", new { email = ada.Email, password = "Not-for-any-log-2" }));
            await Task.WhenAny(others, Task.Delay(2000, Ct));
            await open.CommitAsync(Ct);
            await others;
        }
        Assert.Equal(3, await CountMailsAsync(ada, 3, mail => mail.Subject == NewPassword));
        Assert.Single(service.Mail.To(ada.Email), mail => mail.Subject == "You have an account already");
    }

    [Fact]
    public async Task An_invitation_of_somebody_who_was_disabled_lets_nobody_in()
    {
        var ada = await Person.SignedInAsync(service);
        var address = NewAddress();
        Assert.Equal(Created, (await ada.Http.PostAsJsonAsync("/identity/v1/me/invitations", new { email = address }, Ct)).StatusCode);
        var mail = await service.Mail.WaitForAsync(address, "You are invited to OpenReadings");
        await service.SqlAsync("update accounts set disabled_at = now() where user_id = @AccountId", new { ada.AccountId });
        await service.PostAsync("accounts", new { email = address, password = Person.FirstPassword, invitation = mail.Token }).RefusedAsync(BadRequest, "invalid-invitation");
    }

    private async Task<(AuthenticatorOf Authenticator, Person Person)> VerifiedAsync()
    {
        var ada = await Person.SignedInAsync(service);
        await service.SqlAsync("update accounts set email_verified_at = now() where user_id = @AccountId", new { ada.AccountId });
        var authenticator = new AuthenticatorOf(service, ada);
        await authenticator.MakeAsync();
        (await authenticator.ConfirmAsync(await authenticator.NextAsync())).EnsureSuccessStatusCode();
        return (authenticator, ada);
    }

    /// <summary>How many came once none waits to be sent. What the mail server has taken reaches us a moment later: so many must come.</summary>
    private async Task<int> CountMailsAsync(Person to, int atLeast, Func<Arrived, bool> which)
    {
        int Count() => service.Mail.To(to.Email).Count(which);
        await UntilAsync(async () => (await service.SqlAsync<int>("select count(*)::int from mail_outbox where user_id = @AccountId", new { to.AccountId })).Single() == 0 && Count() >= atLeast);
        return Count();
    }

    private async Task<Person> VerifiedPersonAsync()
    {
        var ada = await Person.SignedInAsync(service);
        await service.SqlAsync("update accounts set email_verified_at = now() where user_id = @AccountId", new { ada.AccountId });
        return ada;
    }

    private static async Task<string> KeyAsync(Person person)
    {
        using var made = await person.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "k", scopes = new[] { "readings:read" } }, Ct);
        Assert.Equal(Created, made.StatusCode);
        return (await made.JsonAsync()).GetProperty("key").GetString()!;
    }

    private async Task<bool> IsGoodAsync(string key) => (await (await service.PostAsync("api-keys/introspect", new { api_key = key })).JsonAsync()).GetProperty("active").GetBoolean();

    private async Task<System.Text.Json.JsonElement> ResetAsync(Person person)
    {
        var reset = await service.Mail.WaitForAsync(person.Email, NewPassword);
        using var done = await service.PostAsync("password-resets/confirm", new { token = reset.Token, new_password = "Not-for-any-log-2" });
        Assert.Equal(OK, done.StatusCode);
        return await done.JsonAsync();
    }

    private static int Count(System.Text.Json.JsonElement said, string name) => said.GetProperty(name).GetInt32();

    private Task PasskeyAsync(Person person) => service.SqlAsync(
        """
        insert into passkeys (user_id, passkey_id, name, credential_id, public_key, sign_count, transports, is_backup_eligible, is_backed_up)
        values (@AccountId, gen_random_uuid(), 'x', uuid_send(gen_random_uuid()), '\x00', 0, '', false, false)
        """, new { person.AccountId });

    private static string NewAddress() => $"{Guid.NewGuid():N}@example.net";

    private static Task<HttpResponseMessage> AskAsync(Person person, string address) =>
        person.Http.PostAsJsonAsync("/identity/v1/me/email", new { new_email = address, password = person.Password }, Ct);

    private async Task ChangeAsync(Person person, string address)
    {
        Assert.Equal(Accepted, (await AskAsync(person, address)).StatusCode);
        var mail = await service.Mail.WaitForAsync(address, ConfirmNew);
        Assert.Equal(NoContent, (await service.PostAsync("email-changes/confirm", new { token = mail.Token })).StatusCode);
    }

    private async Task ChooseAsync(Person person)
    {
        var reset = await service.Mail.WaitForAsync(person.Email, NewPassword);
        person.Password = "Not-for-any-log-2";
        Assert.Equal(OK, (await service.PostAsync("password-resets/confirm", new { token = reset.Token, new_password = person.Password })).StatusCode);
        await person.SignInAsync();
    }

    private Task<HttpResponseMessage> UndoAsync(Arrived mail) => service.PostAsync("email-changes/undo", new { token = mail.Token });

    private static async Task<string> EmailAsync(Person person) => (await (await person.Http.GetAsync("/identity/v1/me", Ct)).JsonAsync()).GetProperty("email").GetString()!;
}
