using System.Net.Http.Json;
using Dapper;
using Npgsql;
using OpenReadings.Identity.Tests.Factors;
using OpenReadings.Identity.Tests.OAuth;
using static System.Net.HttpStatusCode;

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
        await Task.Delay(4000, Ct);
        Assert.Empty(service.Mail.To(third));
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
            Assert.Equal(NoContent, (await service.PostAsync("password-resets/confirm", new { token = reset.Token, new_password = "Not-for-any-log-2" })).StatusCode);
        }
        else Assert.Equal(NoContent, (await ada.ChangePasswordAsync(ada.Password, "Not-for-any-log-2")).StatusCode);
        await service.PostAsync("email-changes/confirm", new { token = mail.Token }).RefusedAsync(BadRequest, "invalid-token");
        await Task.Delay(4000, Ct);
        Assert.Empty(service.Mail.To(late));
    }

    [Fact]
    public async Task Changing_the_password_again_and_again_does_not_spoil_the_link_for_a_new_one()
    {
        var ada = await Person.SignedInAsync(service);
        await service.PostAsync("password-resets", new { email = ada.Email });
        await service.Mail.WaitForAsync(ada.Email, NewPassword);
        Assert.Equal(NoContent, (await ada.ChangePasswordAsync(ada.Password, "Not-for-any-log-eve-3")).StatusCode);
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
        Assert.Equal(NoContent, (await service.PostAsync("password-resets/confirm", new { token = reset.Token, new_password = "Not-for-any-log-2" })).StatusCode);
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
    public async Task Whoever_reads_at_an_address_that_was_mistyped_comes_no_further_than_the_authenticator()
    {
        var authenticator = await AuthenticatorOf.AddedAsync(service);
        await service.PostAsync("password-resets", new { email = authenticator.Person.Email });
        var reset = await service.Mail.WaitForAsync(authenticator.Person.Email, NewPassword);
        Assert.Equal(NoContent, (await service.PostAsync("password-resets/confirm", new { token = reset.Token, new_password = "Not-for-any-log-2" })).StatusCode);
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
        for (var limit = 0; (await service.SqlAsync<int>("select count(*)::int from mail_outbox where user_id = @AccountId", new { ada.AccountId })).Single() > 0 && limit < 500; limit++) await Task.Delay(20, Ct);
        Assert.Equal(3, service.Mail.To(ada.Email).Count(mail => mail.Subject == NewPassword));
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
        Assert.Equal(NoContent, (await service.PostAsync("password-resets/confirm", new { token = reset.Token, new_password = person.Password })).StatusCode);
        await person.SignInAsync();
    }

    private Task<HttpResponseMessage> UndoAsync(Arrived mail) => service.PostAsync("email-changes/undo", new { token = mail.Token });

    private static async Task<string> EmailAsync(Person person) => (await (await person.Http.GetAsync("/identity/v1/me", Ct)).JsonAsync()).GetProperty("email").GetString()!;
}
