using System.Net.Http.Json;
using Dapper;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Identity.Administration;
using OpenReadings.Identity.Passwords;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class AdministrationTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_disabled_account_is_soon_refused_and_comes_back_when_it_is_enabled()
    {
        var (root, ada) = (await AdministratorAsync(), await Person.SignedInAsync(service));
        Assert.Equal(OK, (await ada.Http.GetAsync("/identity/v1/me", Ct)).StatusCode);
        Assert.Equal(NoContent, (await root.Http.PostAsJsonAsync($"/identity/v1/accounts/{ada.AccountId}/disable", new { reason = "As asked." }, Ct)).StatusCode);
        await ada.Http.SoonRefusedAsync("/identity/v1/me");
        await service.RefreshAsync(ada.Tokens.RefreshToken).RefusedAsync(Unauthorized, "invalid-refresh-token");
        await ada.TrySignInAsync(ada.Password).RefusedAsync(Unauthorized, "invalid-credentials");

        Assert.Equal(NoContent, (await root.Http.PostAsJsonAsync($"/identity/v1/accounts/{ada.AccountId}/enable", new { }, Ct)).StatusCode);
        var old = ada.Http;
        await Requests.SoonAcceptedAsync("/identity/v1/me", async () =>
        {
            await ada.SignInAsync();
            return ada.Http;
        });
        await old.GetAsync("/identity/v1/me", Ct).RefusedAsync(Unauthorized, "invalid-token");
        var entries = await (await ada.Http.GetAsync("/identity/v1/me/audit", Ct)).JsonAsync();
        var disabled = entries.GetProperty("entries").EnumerateArray().Single(entry => entry.GetProperty("action").GetString() == "account-disabled");
        Assert.Equal((root.AccountId, "As asked."), (disabled.GetProperty("details").GetProperty("by").GetGuid(), disabled.GetProperty("details").GetProperty("reason").GetString()));
    }

    [Fact]
    public async Task Who_is_no_administrator_sees_nobody_and_changes_nothing_by_any_way()
    {
        var (ada, bob) = (await Person.SignedInAsync(service), await Person.SignedInAsync(service));
        await ada.Http.GetAsync("/identity/v1/accounts", Ct).RefusedAsync(Forbidden, "role-required");
        await ada.Http.PostAsJsonAsync($"/identity/v1/accounts/{bob.AccountId}/disable", new { }, Ct).RefusedAsync(Forbidden, "role-required");
        await ada.Http.PutAsync($"/identity/v1/accounts/{ada.AccountId}/roles/administrator", null, Ct).RefusedAsync(Forbidden, "role-required");
        // And as the service's role itself, as an injection would be.
        await using var connection = new NpgsqlConnection(service.Database.App);
        await connection.OpenAsync(Ct);
        await connection.ExecuteAsync("select set_config('app.user_id', @id, false)", new { id = ada.AccountId.ToString() });
        Assert.Equal("forbidden", await connection.ExecuteScalarAsync<string>(
            "select administer(@id, 'give-role', 'administrator', null, '127.0.0.1', gen_random_uuid())", new { id = ada.AccountId }));
        Assert.Equal(0, await connection.ExecuteScalarAsync<long>("select count(*) from people(null, null, 100)"));
        Assert.Equal("42501", (await Assert.ThrowsAsync<PostgresException>(() =>
            connection.ExecuteAsync("insert into roles (user_id, role) values (@id, 'administrator')", new { id = ada.AccountId }))).SqlState);
        Assert.Equal("42501", (await Assert.ThrowsAsync<PostgresException>(() => connection.ExecuteAsync("delete from revocations"))).SqlState);
    }

    [Fact]
    public async Task A_role_is_in_the_next_token_and_soon_taken()
    {
        var (root, ada) = (await AdministratorAsync(), await Person.SignedInAsync(service));
        Assert.Equal(NoContent, (await root.Http.PutAsync($"/identity/v1/accounts/{ada.AccountId}/roles/administrator", null, Ct)).StatusCode);
        await ada.Http.GetAsync("/identity/v1/accounts", Ct).RefusedAsync(Forbidden, "role-required");
        await ada.SignInAsync();
        var found = await (await ada.Http.GetAsync($"/identity/v1/accounts?q={ada.AccountId}", Ct)).JsonAsync();
        Assert.Equal("administrator", found.GetProperty("accounts")[0].GetProperty("roles")[0].GetString());
        Assert.False(found.GetProperty("accounts")[0].TryGetProperty("role_names", out _));

        Assert.Equal(NoContent, (await root.Http.DeleteAsync($"/identity/v1/accounts/{ada.AccountId}/roles/administrator", Ct)).StatusCode);
        // The database itself asks again, whatever the token still says.
        Assert.Contains((await ada.Http.PutAsync($"/identity/v1/accounts/{ada.AccountId}/roles/administrator", null, Ct)).StatusCode, new[] { Forbidden, Unauthorized });
        await ada.Http.SoonRefusedAsync("/identity/v1/accounts");
        await root.Http.PutAsync($"/identity/v1/accounts/{ada.AccountId}/roles/king", null, Ct).RefusedAsync(NotFound, "role-not-found");
        await root.Http.PutAsync($"/identity/v1/accounts/{Guid.NewGuid()}/roles/moderator", null, Ct).RefusedAsync(NotFound, "account-not-found");
    }

    [Fact]
    public async Task The_first_administrator_comes_from_the_settings_once_and_the_last_one_stays()
    {
        await using var alone = new IdentityService();
        await alone.InitializeAsync();
        async Task StartAsync(string email) => await new FirstAdministrator(
            new ConfigurationBuilder().AddInMemoryCollection([new("FirstAdministrator:Email", email), new("FirstAdministrator:Password", Person.FirstPassword)]).Build(),
            alone.Services.GetRequiredService<Database>(), alone.Services.GetRequiredService<PasswordHasher>(), TimeProvider.System,
            NullLogger<FirstAdministrator>.Instance).StartAsync(Ct);
        Task<IReadOnlyList<string>> AdministratorsAsync() => alone.SqlAsync<string>("select email from roles join accounts using (user_id) where role = 'administrator'");

        // An account that was there before does not become administrator by its address.
        var early = await Person.SignedUpAsync(alone);
        await StartAsync(early.Email);
        Assert.Empty(await AdministratorsAsync());
        // Two replicas at once, and one later with another address.
        await Task.WhenAll(StartAsync("root@example.org"), StartAsync("root@example.org"), StartAsync("root2@example.org"));
        await StartAsync("root3@example.org");
        var only = Assert.Single(await AdministratorsAsync());
        Assert.Equal(2, (await alone.SqlAsync<string>("select email from accounts")).Count);

        using var signedIn = await alone.PostAsync("logins", new { email = only, password = Person.FirstPassword });
        var root = alone.WithToken((await signedIn.TokensAsync()).AccessToken);
        var id = (await (await root.GetAsync("/identity/v1/me", Ct)).JsonAsync()).GetProperty("account_id").GetGuid();
        await root.PostAsJsonAsync($"/identity/v1/accounts/{id}/disable", new { }, Ct).RefusedAsync(Conflict, "last-administrator");
        await root.DeleteAsync($"/identity/v1/accounts/{id}/roles/administrator", Ct).RefusedAsync(Conflict, "last-administrator");
    }

    [Fact]
    public async Task What_was_revoked_is_listed_by_hashes_and_a_later_commit_is_not_missed()
    {
        var ada = await Person.SignedInAsync(service);
        async Task<Revocations.Answer> AskAsync(string after) => (await service.Anonymous().GetFromJsonAsync<Revocations.Answer>($"/identity/v1/revocations?after={after}", Json.Options, Ct))!;
        var login = (await service.SqlAsync<Guid>("select login_id from logins where user_id = @AccountId", new { ada.AccountId })).Single();
        var mark = Convert.ToBase64String((await service.SqlAsync<byte[]>("select revocation_mark('login', @login)", new { login })).Single());

        // Ends the login in a transaction that stays open while others commit and somebody asks.
        await using var slow = new NpgsqlConnection(service.Database.Superuser);
        await slow.OpenAsync(Ct);
        await using var open = await slow.BeginTransactionAsync(Ct);
        await slow.ExecuteAsync("update logins set ended_at = now(), ended_because = 'revoked' where login_id = @login", new { login });
        var other = await Person.SignedInAsync(service);
        (await other.Http.DeleteAsync("/identity/v1/logins/current", Ct)).EnsureSuccessStatusCode();
        var before = await AskAsync("0");
        Assert.DoesNotContain(before.Revocations, one => one.Mark == mark);
        await open.CommitAsync(Ct);
        Assert.Contains((await AskAsync(before.Next)).Revocations, one => one.Mark == mark);
        var raw = await service.Anonymous().GetStringAsync("/identity/v1/revocations", Ct);
        Assert.DoesNotContain(login.ToString(), raw, StringComparison.Ordinal);
        await service.Anonymous().GetAsync("/identity/v1/revocations?after=x", Ct).RefusedAsync(BadRequest, "invalid-after");
        // Behind a restore, what somebody was told before may lie in the future: they are told all.
        Assert.Contains((await AskAsync($"{ulong.MaxValue}")).Revocations, one => one.Mark == mark);
        await service.Anonymous().GetAsync("/identity/v1/revocations?wait=21", Ct).RefusedAsync(BadRequest, "invalid-wait");
    }

    [Fact]
    public async Task Who_waits_for_what_is_revoked_is_told_when_it_is_and_that_nothing_was_when_the_time_is_over()
    {
        await using var alone = new IdentityService();
        await alone.InitializeAsync();
        async Task<Revocations.Answer> AskAsync(string after, int wait) =>
            (await alone.Anonymous().GetFromJsonAsync<Revocations.Answer>($"/identity/v1/revocations?after={after}&wait={wait}", Json.Options, Ct))!;
        var ada = await Person.SignedInAsync(alone);
        var begin = await AskAsync("0", 0);
        Assert.Empty(begin.Revocations);

        var (first, second) = (AskAsync(begin.Next, 20), AskAsync(begin.Next, 20));
        Assert.Empty((await AskAsync(begin.Next, 1)).Revocations);
        Assert.False(first.IsCompleted || second.IsCompleted);
        (await ada.Http.DeleteAsync("/identity/v1/logins/current", Ct)).EnsureSuccessStatusCode();
        var mark = Assert.Single((await first).Revocations).Mark;
        Assert.Equal(mark, Assert.Single((await second).Revocations).Mark);
        // And again after a change, whose mark may be said more than once.
        await ada.SignInAsync();
        var third = AskUntilOtherAsync();
        (await ada.Http.DeleteAsync("/identity/v1/logins/current", Ct)).EnsureSuccessStatusCode();
        await third;

        async Task AskUntilOtherAsync()
        {
            for (var answer = await AskAsync("0", 0); answer.Revocations.All(one => one.Mark == mark); answer = await AskAsync(answer.Next, 20)) await Task.Delay(20, Ct);
        }
    }

    private async Task<Person> AdministratorAsync()
    {
        var root = await Person.SignedUpAsync(service);
        await service.SqlAsync("insert into roles (user_id, role) values (@AccountId, 'administrator')", new { root.AccountId });
        await root.SignInAsync();
        return root;
    }
}
