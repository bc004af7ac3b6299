using System.Net.Http.Json;
using System.Text.Json;
using Dapper;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.RateLimiting;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Support;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class IsolationTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_table_is_protected_by_row_level_security() =>
        Assert.Empty(await RlsGuard.UnprotectedTablesAsync(service.Database, "signing_keys", "revocations", "device_requests", "passkey_challenges", "erasures", "retired_keys", "reset_requests", "external_proofs", "farewells"));

    [Fact]
    public async Task The_services_role_may_do_no_more_than_it_needs() =>
        Assert.Empty(await RlsGuard.ExcessRightsAsync(service.Database, "identity"));

    [Fact]
    public async Task Nobody_else_may_ask_the_functions_that_see_past_row_level_security()
    {
        // Trigger functions cannot be called, and those of the shared scripts see no more than their caller.
        var open = await service.SqlAsync<string>(
            """
            select p.proname || ' for ' || coalesce(r.rolname, 'public')
            from pg_proc p
            cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) granted
            left join pg_roles r on r.oid = granted.grantee
            where p.prosecdef and p.pronamespace = 'public'::regnamespace
              and coalesce(r.rolname, 'public') not in ('identity_migrator', 'identity_app')
            """);
        Assert.Empty(open);
        var unpinned = await service.SqlAsync<string>(
            """
            select proname from pg_proc
            where prosecdef and pronamespace = 'public'::regnamespace
              and not coalesce(proconfig::text like '%search_path=%', false)
            """);
        Assert.Empty(unpinned);
    }

    [Fact]
    public async Task Neither_hashes_nor_keys_are_for_people_who_look_around()
    {
        var readable = await service.SqlAsync<string>(
            """
            select t from unnest(array['passwords', 'refresh_tokens', 'signing_keys', 'audit', 'api_keys', 'application_secrets', 'browser_sessions', 'authorization_codes', 'device_requests', 'revocations', 'mail_outbox', 'mail_tokens', 'invitations', 'reset_requests',
                'pairing_codes', 'totp', 'recovery_codes', 'code_tries', 'passkeys', 'passkey_challenges', 'external_identities', 'external_proofs', 'application_queues', 'farewells']) t
            where has_table_privilege('identity_readonly', t, 'select')
            """);
        Assert.Empty(readable);
    }

    [Fact]
    public async Task Without_its_person_every_table_is_empty_to_the_service_and_as_another_person_too()
    {
        var ada = await Person.SignedInAsync(service);
        await using var connection = new NpgsqlConnection(service.Database.App);
        await connection.OpenAsync(Ct);
        foreach (var user in new[] { "", Guid.NewGuid().ToString() })
        {
            await connection.ExecuteAsync("select set_config('app.user_id', @user, false)", new { user });
            foreach (var table in await PersonalTablesAsync())
            {
                Assert.Equal(0, await connection.ExecuteScalarAsync<int>(
                    $"select count(*)::int from {table} where user_id = @AccountId", new { ada.AccountId }));
                // From the audit and the roles the service may delete nobody's.
                if (table is not ("audit" or "roles"))
                    Assert.Equal(0, await connection.ExecuteAsync($"delete from {table} where user_id = @AccountId",
                        new { ada.AccountId }));
            }
        }
        var forged = await Assert.ThrowsAsync<PostgresException>(() => connection.ExecuteAsync(
            "insert into accounts (user_id, email, email_key) values (@id, 'x', @id::text)",
            new { id = Guid.NewGuid() }));
        Assert.Equal("42501", forged.SqlState);
    }

    [Fact]
    public async Task Every_route_is_closed_to_strangers_less_those_that_begin_a_login()
    {
        string[] open =
        [
            "GET /identity/.well-known/openid-configuration", "GET /identity/.well-known/jwks.json",
            "POST /identity/v1/accounts", "POST /identity/v1/logins", "POST /identity/v1/logins/refresh", "POST /identity/v1/passkey-logins/options", "POST /identity/v1/passkey-logins",
            "POST /identity/v1/tokens", "POST /identity/v1/api-keys/introspect", "GET /identity/v1/revocations", "GET /identity/v1/erasures/{erasureId:guid}", "GET /identity/.well-known/keys/{kid}",
            // Programs prove themselves, and pages ask for a cookie: their own tests say how.
            "POST /identity/v1/device-authorizations", "POST /identity/v1/tokens/introspect", "POST /identity/v1/tokens/revoke", "GET /identity/v1/authorize", "POST /identity/v1/authorize",
            "GET /identity/v1/end-session", "POST /identity/v1/end-session", "GET /identity/sign-in", "POST /identity/sign-in", "GET /identity/device", "POST /identity/device",
            "GET /identity/pages.css", "GET /identity/passkeys.js", "GET /identity/passkeys", "POST /identity/passkeys", "GET /identity/connections", "POST /identity/connections", "GET /identity/providers/{provider}", "GET /identity/providers/{provider}/callback",
            "GET /identity/provider-proof", "POST /identity/provider-proof", "POST /identity/passkeys/options", "GET /identity/mail", "POST /identity/mail", "GET /identity/sign-up", "POST /identity/sign-up", "GET /identity/forgotten-password", "POST /identity/forgotten-password", "POST /identity/v1/email-verifications", "POST /identity/v1/password-resets",
            "POST /identity/v1/password-resets/confirm", "POST /identity/v1/email-changes/confirm", "POST /identity/v1/email-changes/undo", "GET /.well-known/oauth-authorization-server/identity", "GET /livez", "GET /readyz", "GET /startupz",
        ];
        foreach (var (method, route) in service.Routes())
        {
            var path = "/" + route.RoutePattern.RawText!.TrimStart('/');
            if (open.Contains($"{method} {path}") || path.Contains("openapi", StringComparison.Ordinal)) continue;
            Assert.True(route.Metadata.GetMetadata<IAuthorizeData>() is not null, $"{method} {path} is open");
            using var response = await service.Anonymous().SendAsync(
                new HttpRequestMessage(new HttpMethod(method), route.PathTo()), Ct);
            Assert.True(response.StatusCode == Unauthorized, $"{method} {path} answers {response.StatusCode}");
        }
    }

    [Fact]
    public void Every_route_that_checks_or_makes_credentials_is_limited_more_than_others()
    {
        var limited = service.Routes()
            .Where(route =>
                route.Route.Metadata.GetMetadata<EnableRateLimitingAttribute>()?.PolicyName == RateLimits.Sensitive)
            .Select(route => $"{route.Method} {route.Route.RoutePattern.RawText}").Order();
        Assert.Equal(
            [
                "DELETE /identity/v1/me", "DELETE /identity/v1/me/totp", "GET /identity/connections", "GET /identity/device", "GET /identity/forgotten-password", "GET /identity/mail", "GET /identity/passkeys", "GET /identity/provider-proof", "GET /identity/providers/{provider}",
                "GET /identity/providers/{provider}/callback", "GET /identity/sign-in", "GET /identity/sign-up", "GET /identity/v1/authorize", "POST /identity/connections", "POST /identity/device", "POST /identity/forgotten-password", "POST /identity/mail",
                "POST /identity/passkeys", "POST /identity/passkeys/options", "POST /identity/provider-proof",
                "POST /identity/sign-in", "POST /identity/sign-up", "POST /identity/v1/accounts", "POST /identity/v1/authorize", "POST /identity/v1/email-changes/confirm", "POST /identity/v1/email-changes/undo",
                "POST /identity/v1/email-verifications", "POST /identity/v1/logins", "POST /identity/v1/logins/current/proof", "POST /identity/v1/logins/refresh", "POST /identity/v1/me/email", "POST /identity/v1/me/pairings", "POST /identity/v1/me/passkeys/options",
                "POST /identity/v1/me/recovery-codes", "POST /identity/v1/me/totp/confirm", "POST /identity/v1/passkey-logins", "POST /identity/v1/passkey-logins/options", "POST /identity/v1/password-resets",
                "POST /identity/v1/password-resets/confirm", "PUT /identity/v1/me/password",
            ], limited);
    }

    [Fact]
    public async Task Whatever_another_person_calls_nothing_of_mine_changes_or_shows()
    {
        var (ada, bob) = (await Person.SignedInAsync(service), await Person.SignedUpAsync(service));
        // Bob knows Ada's address and id, but has a password of his own.
        bob.Password = "Not-for-any-log-bob-1";
        await service.SqlAsync("delete from accounts where user_id = @AccountId", new { bob.AccountId });
        using var made = await service.PostAsync("accounts", new { email = bob.Email, password = bob.Password });
        using (var key = await ada.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "Hers", scopes = new[] { "readings:read" } }, Ct)) key.EnsureSuccessStatusCode();
        var passkeyId = (await service.SqlAsync<Guid>(
            """
            insert into passkeys (user_id, passkey_id, name, credential_id, public_key, sign_count, transports, is_backup_eligible, is_backed_up)
            values (@AccountId, gen_random_uuid(), 'Hers', gen_random_uuid()::text::bytea, 'x', 0, '', false, false)
            returning passkey_id
            """, new { ada.AccountId })).Single();
        using (var totp = await ada.Http.PostAsync("/identity/v1/me/totp", null, Ct)) totp.EnsureSuccessStatusCode();
        await service.SqlAsync("insert into avatars (user_id, media_type, bytes, etag) values (@AccountId, 'image/png', 'hers', '\"hers\"')", new { ada.AccountId });
        var keyId = (await service.SqlAsync<string>("select key_id from api_keys where user_id = @AccountId", new { ada.AccountId })).Single();
        var (mine, login) = (await RowsOfAsync(ada), (await service.SqlAsync<Guid>("select login_id from logins where user_id = @AccountId", new { ada.AccountId })).Single());
        foreach (var (method, route) in service.Routes())
        {
            await bob.SignInAsync();
            var path = route.PathTo(("loginId", login), ("keyId", keyId), ("passkeyId", passkeyId), ("accountId", ada.AccountId), ("role", "moderator"));
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            if (method != "GET")
                request.Content = JsonContent.Create(new
                {
                    account_id = ada.AccountId, user_id = ada.AccountId, email = ada.Email, password = bob.Password,
                    current_password = bob.Password,
                    new_password = bob.Password, refresh_token = bob.Tokens.RefreshToken, name = "Bob was here",
                });
            using var response = await bob.Http.SendAsync(request, Ct);
            Assert.DoesNotContain(ada.AccountId.ToString(), await response.Content.ReadAsStringAsync(Ct),
                StringComparison.Ordinal);
            if (path == "/identity/v1/me" && method == "DELETE")
            {
                using var back = await service.PostAsync("accounts",
                    new { email = bob.Email, password = bob.Password });
            }
        }
        Assert.Equal(mine, await RowsOfAsync(ada));
        Assert.Equal(OK, (await ada.Http.GetAsync("/identity/v1/me", Ct)).StatusCode);
    }

    private Task<IReadOnlyList<string>> PersonalTablesAsync() => service.SqlAsync<string>(
        """
        select c.relname from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'user_id' and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
        """);

    private async Task<string> RowsOfAsync(Person person)
    {
        var rows = new List<string>();
        // Whoever knows an address can have a mail sent to it; nothing else follows from that.
        foreach (var table in (await PersonalTablesAsync()).Except(["mail_outbox"]))
            rows.AddRange(await service.SqlAsync<string>(
                $"select (to_jsonb(t) - 'signed_up_again_at')::text from {table} t where user_id = @AccountId and coalesce(to_jsonb(t)->>'action', '') <> 'sign-in-refused'",
                new { person.AccountId }));
        return JsonSerializer.Serialize(rows.Order(StringComparer.Ordinal));
    }
}
