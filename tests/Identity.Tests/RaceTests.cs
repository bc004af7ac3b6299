using System.Net.Http.Json;
using Dapper;
using Npgsql;
using OpenReadings.Identity.Tests.OAuth;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

/// <summary>What somebody has begun when an administrator ends it.</summary>
public sealed class RaceTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_sign_in_that_is_under_way_when_its_account_is_disabled_gets_no_login()
    {
        var ada = await Person.SignedUpAsync(service);
        await using var admin = await OpenAsync();
        await using var transaction = await admin.BeginTransactionAsync(Ct);
        await admin.ExecuteAsync("update accounts set disabled_at = now() where user_id = @AccountId", new { ada.AccountId });
        var signingIn = ada.TrySignInAsync(ada.Password);
        await Task.WhenAny(signingIn, Task.Delay(3000, Ct));
        await transaction.CommitAsync(Ct);
        await signingIn.RefusedAsync(Unauthorized, "invalid-credentials");
        Assert.Empty(await service.SqlAsync<Guid>("select login_id from logins where user_id = @AccountId", new { ada.AccountId }));
    }

    [Fact]
    public async Task An_administrator_whose_role_is_taken_while_they_wait_gives_it_to_nobody()
    {
        var (bob, eve) = (await AdministratorAsync(), await Person.SignedUpAsync(service));
        await using var admin = await OpenAsync();
        await using var transaction = await admin.BeginTransactionAsync(Ct);
        await admin.ExecuteAsync("select pg_advisory_xact_lock(hashtextextended('identity.first-administrator', 0))");
        var giving = bob.Http.PutAsync($"/identity/v1/accounts/{eve.AccountId}/roles/administrator", null, Ct);
        await Task.Delay(1000, Ct);
        await admin.ExecuteAsync("delete from roles where user_id = @AccountId", new { bob.AccountId });
        await transaction.CommitAsync(Ct);
        await giving.RefusedAsync(Forbidden, "role-required");
        Assert.Empty(await service.SqlAsync<string>("select role from roles where user_id = @AccountId", new { eve.AccountId }));
    }

    [Fact]
    public async Task A_token_with_a_role_that_was_made_while_the_taking_had_to_wait_ends_with_the_others()
    {
        var (root, ada) = (await AdministratorAsync(), await AdministratorAsync());
        // The account's own requests take this lock, one after the other.
        await using var own = await OpenAsync();
        await using var transaction = await own.BeginTransactionAsync(Ct);
        await own.ExecuteAsync("select from accounts where user_id = @AccountId for update", new { ada.AccountId });
        var taking = root.Http.DeleteAsync($"/identity/v1/accounts/{ada.AccountId}/roles/administrator", Ct);
        await Task.Delay(2000, Ct);
        var late = await (await service.RefreshAsync(ada.Tokens.RefreshToken)).TokensAsync();
        await transaction.CommitAsync(Ct);
        Assert.Equal(NoContent, (await taking).StatusCode);
        await service.WithToken(late.AccessToken).SoonRefusedAsync("/identity/v1/me");
    }

    [Fact]
    public async Task The_applications_of_an_account_that_is_disabled_are_shut_out_with_it()
    {
        var (root, maker, ada) = (await AdministratorAsync(), await Person.SignedInAsync(service), await Person.SignedInAsync(service));
        var app = await App.MadeAsync(service, maker);
        using var browser = new Browser(service);
        var hers = await CodeFlowTests.AllowedAsync(browser, app, ada);
        var own = (await (await app.PostAsync("tokens", ("grant_type", "client_credentials"))).JsonAsync()).Text("access_token");
        Assert.Equal(NoContent, (await root.Http.PostAsJsonAsync($"/identity/v1/accounts/{maker.AccountId}/disable", new { }, Ct)).StatusCode);
        foreach (var token in new[] { own, hers.Text("access_token") })
            await service.WithToken(token).SoonRefusedAsync("/identity/v1/userinfo");
        Assert.Equal(OK, (await ada.Http.GetAsync("/identity/v1/me", Ct)).StatusCode);
        // Enabled again, it goes on with what people let it do.
        Assert.Equal(NoContent, (await root.Http.PostAsJsonAsync($"/identity/v1/accounts/{maker.AccountId}/enable", new { }, Ct)).StatusCode);
        await Requests.SoonAcceptedAsync("/identity/v1/userinfo", async () =>
        {
            hers = await (await app.RefreshAsync(hers.Text("refresh_token"))).JsonAsync();
            return service.WithToken(hers.Text("access_token"));
        });
    }

    [Fact]
    public async Task A_login_that_is_just_beginning_ends_with_the_others()
    {
        var ada = await Person.SignedInAsync(service);
        await using var thief = await OpenAsync();
        await using var transaction = await thief.BeginTransactionAsync(Ct);
        // As every login begins.
        await thief.ExecuteAsync(
            """
            with proven as (
                select user_id from accounts join passwords using (user_id) where user_id = @AccountId for share)
            insert into logins (user_id, login_id, client_id, scope, expires_at) select user_id, gen_random_uuid(), 'thief', 'openid', now() + interval '1 day' from proven
            """, new { ada.AccountId });
        var ending = ada.Http.DeleteAsync("/identity/v1/me/logins", Ct);
        await Task.WhenAny(ending, Task.Delay(2000, Ct));
        await transaction.CommitAsync(Ct);
        Assert.Equal(1, (await (await ending).JsonAsync()).GetProperty("ended").GetInt32());
        Assert.Single(await service.SqlAsync<Guid>("select login_id from logins where user_id = @AccountId and ended_at is null", new { ada.AccountId }));
    }

    [Fact]
    public async Task A_key_that_is_just_made_is_forgotten_with_its_account()
    {
        var (ada, ownId) = (await Person.SignedInAsync(service), Guid.NewGuid());
        await using var gadget = await OpenAsync();
        await using var transaction = await gadget.BeginTransactionAsync(Ct);
        // As every key is made.
        await gadget.ExecuteAsync("select from accounts where user_id = @AccountId for update", new { ada.AccountId });
        await gadget.ExecuteAsync("insert into api_keys (user_id, key_id, name, hash, scope, own_id) values (@AccountId, 'abcdefghijkl', 'x', sha256(uuid_send(@ownId)), 'readings:write', @ownId)", new { ada.AccountId, ownId });
        var deleting = ada.DeleteAccountAsync(ada.Password);
        await Task.WhenAny(deleting, Task.Delay(2000, Ct));
        await transaction.CommitAsync(Ct);
        Assert.Equal(NoContent, (await deleting).StatusCode);
        Assert.Contains(await service.SqlAsync<string>("select subject from kept.events where event_type = 'account.deleted.v1'"), subject => subject.Contains(ownId.ToString(), StringComparison.Ordinal));
    }

    private async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = new NpgsqlConnection(service.Database.Superuser);
        await connection.OpenAsync(Ct);
        return connection;
    }

    private async Task<Person> AdministratorAsync()
    {
        var root = await Person.SignedUpAsync(service);
        await service.SqlAsync("insert into roles (user_id, role) values (@AccountId, 'administrator')", new { root.AccountId });
        await root.SignInAsync();
        return root;
    }
}
