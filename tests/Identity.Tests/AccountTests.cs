using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using OpenReadings.Identity.Accounts;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class AccountTests(IdentityService service)
{
    private const string NewPassword = "Not-for-any-log-2";
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_changed_password_replaces_the_old_one_and_ends_the_other_logins()
    {
        var person = await Person.SignedInAsync(service);
        var elsewhere = person.Tokens;
        await person.SignInAsync();

        Assert.Equal(OK, (await person.ChangePasswordAsync(person.Password, NewPassword)).StatusCode);

        await person.TrySignInAsync(person.Password).RefusedAsync(Unauthorized, "invalid-credentials");
        Assert.Equal(OK, (await person.TrySignInAsync(NewPassword)).StatusCode);
        await service.RefreshAsync(elsewhere.RefreshToken).RefusedAsync(Unauthorized, "invalid-refresh-token");
        Assert.Equal(OK, (await service.RefreshAsync(person.Tokens.RefreshToken)).StatusCode);
    }

    [Fact]
    public async Task A_password_is_not_changed_without_the_current_one_nor_to_a_bad_one()
    {
        var person = await Person.SignedInAsync(service);
        await person.ChangePasswordAsync("Not-for-any-log-9", NewPassword).RefusedAsync(Forbidden, "wrong-password");
        var problem = await person.ChangePasswordAsync(person.Password, "bad")
            .RefusedAsync(BadRequest, "validation-failed");
        Assert.All(problem.Errors!, error => Assert.Equal("/new_password", error.Pointer));
        await person.SignInAsync();
    }

    [Fact]
    public async Task Of_eight_changes_of_password_at_once_the_last_word_is_one_of_them()
    {
        var person = await Person.SignedInAsync(service);
        var answers = await Task.WhenAll(Enumerable.Range(10, 8)
            .Select(i => person.ChangePasswordAsync(person.Password, $"Not-for-any-log-{i}")));
        Assert.Single(answers, answer => answer.StatusCode == OK);
        var logins = await Task.WhenAll(Enumerable.Range(10, 8)
            .Select(i => person.TrySignInAsync($"Not-for-any-log-{i}")));
        Assert.Single(logins, login => login.StatusCode == OK);
    }

    [Fact]
    public async Task No_login_with_the_old_password_outlives_its_change()
    {
        var person = await Person.SignedInAsync(service);
        var signingIn = Enumerable.Range(0, 6).Select(_ => person.TrySignInAsync(person.Password)).ToList();
        var changed = await person.ChangePasswordAsync(person.Password, NewPassword);
        Assert.Equal(OK, changed.StatusCode);
        foreach (var login in await Task.WhenAll(signingIn))
            if (login.StatusCode == OK)
                await service.RefreshAsync((await login.TokensAsync()).RefreshToken)
                    .RefusedAsync(Unauthorized, "invalid-refresh-token");
    }

    [Theory]
    [InlineData("""{"name": "Ada L.", "time_zone": "Asia/Kolkata"}""", "Ada L.", "Asia/Kolkata")]
    [InlineData("""{"time_zone": "Asia/Kolkata"}""", "Ada", "Asia/Kolkata")]
    [InlineData("""{"name": null}""", null, "UTC")]
    [InlineData("{}", "Ada", "UTC")]
    public async Task A_profile_changes_where_something_is_given(string change, string? name, string timeZone)
    {
        var person = await Person.SignedInAsync(service);
        await PatchAsync(person, """{"name": "Ada"}""");
        using var response = await PatchAsync(person, change);
        var me = await response.JsonAsync();
        Assert.Equal((name, timeZone), (me.GetProperty("name").GetString(), me.GetProperty("time_zone").GetString()));
    }

    [Fact]
    public async Task A_profile_does_not_change_to_nonsense()
    {
        var person = await Person.SignedInAsync(service);
        var problem = await PatchAsync(person, """{"name": "\u0007", "time_zone": "Mars/Olympus"}""")
            .RefusedAsync(BadRequest, "validation-failed");
        Assert.Equal(["/name", "/time_zone"], problem.Errors!.Select(error => error.Pointer));
    }

    [Fact]
    public async Task A_deleted_account_is_erased_and_announced_and_its_address_is_free_again()
    {
        var person = await Person.SignedInAsync(service);
        await person.DeleteAccountAsync("Not-for-any-log-9").RefusedAsync(Forbidden, "wrong-password");

        Assert.Equal(NoContent, (await person.DeleteAccountAsync(person.Password)).StatusCode);

        Assert.Equal(["account.created.v1", "account.deleted.v1"], await service.EventsOfAsync(person.AccountId));
        foreach (var table in new[] { "accounts", "passwords", "logins", "refresh_tokens" })
            Assert.Equal(0, Assert.Single(await service.SqlAsync<int>(
                $"select count(*)::int from {table} where user_id = @AccountId", new { person.AccountId })));
        await person.TrySignInAsync(person.Password).RefusedAsync(Unauthorized, "invalid-credentials");
        await service.RefreshAsync(person.Tokens.RefreshToken).RefusedAsync(Unauthorized, "invalid-refresh-token");

        using var again = await service.PostAsync("accounts", new { email = person.Email, password = NewPassword });
        Assert.NotEqual(person.AccountId, (await again.JsonAsync()).GetProperty("account_id").GetGuid());
        Assert.Equal(OK, (await person.TrySignInAsync(NewPassword)).StatusCode);
    }

    [Fact]
    public async Task A_token_that_outlives_its_account_opens_nothing()
    {
        var person = await Person.SignedInAsync(service);
        await person.DeleteAccountAsync(person.Password);
        await GoneAsync(person.Http.GetAsync("/identity/v1/me", Ct));
        await GoneAsync(PatchAsync(person, """{"name": "Ghost"}"""));
        await GoneAsync(person.ChangePasswordAsync(person.Password, NewPassword));
        await GoneAsync(person.DeleteAccountAsync(person.Password));
        using (var signedOut = await person.Http.DeleteAsync("/identity/v1/logins/current", Ct)) Assert.True(signedOut.StatusCode is NoContent or Unauthorized, signedOut.StatusCode.ToString());
        Assert.Equal(["account.created.v1", "account.deleted.v1"], await service.EventsOfAsync(person.AccountId));

        // A second later the token itself is refused, whatever is asked.
        static async Task GoneAsync(Task<HttpResponseMessage> answer)
        {
            using var response = await answer;
            Assert.Equal(Unauthorized, response.StatusCode);
            Assert.Contains((await response.JsonAsync()).GetProperty("type").GetString(), new[] { "account-not-found", "invalid-token" });
        }
    }

    [Fact]
    public async Task Of_four_deletions_at_once_one_is_announced()
    {
        var person = await Person.SignedInAsync(service);
        var answers = await Task.WhenAll(Enumerable.Range(0, 4)
            .Select(_ => person.DeleteAccountAsync(person.Password)));
        Assert.Single(answers, answer => answer.StatusCode == NoContent);
        Assert.Equal(["account.created.v1", "account.deleted.v1"], await service.EventsOfAsync(person.AccountId));
    }

    [Fact]
    public async Task An_erasure_that_a_service_never_heard_of_is_told_again_until_it_has_confirmed()
    {
        var (open, whole, young) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        await service.SqlAsync(
            """
            insert into erasures (erasure_id, account_id, requested_at, erased) values
                (gen_random_uuid(), @open, now() - interval '1 hour', '{"identity": "2026-11-27T09:00:00Z", "sync": "2026-11-27T09:00:00Z"}'),
                (gen_random_uuid(), @whole, now() - interval '1 hour', '{"identity": "2026-11-27T09:00:00Z", "sync": "2026-11-27T09:00:00Z", "readings": "2026-11-27T09:00:00Z"}'),
                (gen_random_uuid(), @young, now(), '{}')
            """, new { open, whole, young });
        await RepeatAsync();
        Assert.Equal(["account.deleted.v1"], await service.EventsOfAsync(open));
        Assert.Empty(await service.EventsOfAsync(whole));
        Assert.Empty(await service.EventsOfAsync(young));
        await service.SqlAsync("call note_erased(@open, 'readings', now())", new { open });
        await RepeatAsync();
        Assert.Single(await service.EventsOfAsync(open));

        Task RepeatAsync() => service.Services.GetRequiredService<RepeatErasures>().RunOnceAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Old_logins_are_forgotten_and_young_ones_kept()
    {
        var person = await Person.SignedInAsync(service);
        var kept = await person.SignInAsync();
        await service.SqlAsync(
            """
            update logins set ended_at = now() - interval '8 days', ended_because = 'signed-out'
            where user_id = @AccountId and login_id <> @kept
            """, new { person.AccountId, kept = Guid.Parse(SidOf(kept)) });
        await service.ForgetOldAsync();
        Assert.Equal(SidOf(kept), Assert.Single(await service.SqlAsync<Guid>(
            "select login_id from logins where user_id = @AccountId", new { person.AccountId })).ToString());
    }

    private static string SidOf(Tokens tokens) =>
        JsonDocument.Parse(Base64Url.DecodeFromChars(tokens.AccessToken.Split('.')[1]))
            .RootElement.GetProperty("sid").GetString()!;

    private static Task<HttpResponseMessage> PatchAsync(Person person, string change) =>
        person.Http.PatchAsync("/identity/v1/me", new StringContent(change, Encoding.UTF8, "application/json"), Ct);
}
