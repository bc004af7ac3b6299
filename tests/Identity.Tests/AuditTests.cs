using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Dapper;
using Npgsql;
using static System.Net.HttpStatusCode;
using static OpenReadings.Identity.Tests.Waiting;

namespace OpenReadings.Identity.Tests;

public sealed class AuditTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_person_reads_what_happened_to_their_account_and_from_where()
    {
        var ada = await Person.SignedInAsync(service);
        var first = ada.Tokens;
        await ada.SignInAsync();
        (await ada.Http.PatchAsJsonAsync("/identity/v1/me", new { name = "Ada" }, Ct)).EnsureSuccessStatusCode();
        (await ada.Http.PatchAsJsonAsync("/identity/v1/me", new { name = "Ada" }, Ct)).EnsureSuccessStatusCode();     // changes nothing
        (await ada.Http.PatchAsync("/identity/v1/me/preferences", new StringContent("""{"theme": "dark"}""", Encoding.UTF8, "application/json"), Ct)).EnsureSuccessStatusCode();
        Assert.Equal(OK, (await ada.ChangePasswordAsync(ada.Password, "Not-for-any-log-2")).StatusCode);
        ada.Password = "Not-for-any-log-2";
        using (var again = await service.RefreshAsync(ada.Tokens.RefreshToken)) Assert.Equal(OK, again.StatusCode);
        await service.RefreshAsync(ada.Tokens.RefreshToken).RefusedAsync(Unauthorized, "token-reused");
        await ada.SignInAsync();
        Assert.Equal(NoContent, (await ada.Http.DeleteAsync("/identity/v1/logins/current", Ct)).StatusCode);

        var entries = await EntriesAsync(ada);
        Assert.Equal(["signed-out", "signed-in", "token-reused", "password-changed", "preferences-changed", "profile-changed", "signed-in", "signed-in"],
            entries.Select(entry => entry.GetProperty("action").GetString()));
        Assert.All(entries, entry => Assert.Equal("127.0.0.1/32", entry.GetProperty("address").GetString()));
        Assert.All(entries, entry => Assert.NotEqual(Guid.Empty, entry.GetProperty("login_id").GetGuid()));
        Assert.Equal(1, entries[3].GetProperty("details").GetProperty("ended").GetInt32());
        var text = JsonSerializer.Serialize(entries);
        Assert.All(new[] { first.RefreshToken, ada.Tokens.RefreshToken, ada.Password, Person.FirstPassword, ada.Email }, secret => Assert.DoesNotContain(secret, text, StringComparison.Ordinal));
        Assert.Equal("signed-in", Assert.Single(await EntriesAsync(await Person.SignedInAsync(service))).GetProperty("action").GetString());
    }

    [Fact]
    public async Task Refused_sign_ins_are_in_the_audit_of_whom_they_were_for_once_a_minute_for_each_place()
    {
        var ada = await Person.SignedInAsync(service);
        // The last is from a place of its own: when it is there, so would be another of those before it.
        foreach (var from in new[] { "203.0.113.7", "203.0.113.7", "198.51.100.9", "203.0.113.7", "192.0.2.5" })
            await ada.TrySignInAsync("Not-for-any-log-wrong-1", from).RefusedAsync(Unauthorized, "invalid-credentials");
        // Written when the answer is out: soon, and not at once.
        List<JsonElement> refused = [];
        await UntilAsync(async () =>
        {
            refused = [.. (await EntriesAsync(ada)).Where(entry => entry.GetProperty("action").GetString() == "sign-in-refused")];
            return refused.Any(entry => entry.GetProperty("address").GetString() == "192.0.2.5/32") && refused.Count >= 3;
        });
        Assert.Equal(["192.0.2.5/32", "198.51.100.9/32", "203.0.113.7/32"], refused.Select(entry => entry.GetProperty("address").GetString()!).Order());
        Assert.All(refused, entry => Assert.False(entry.GetProperty("details").GetProperty("password_was_right").GetBoolean()));
    }

    [Fact]
    public async Task It_is_read_page_by_page_and_each_entry_once()
    {
        var ada = await Person.SignedInAsync(service);
        for (var i = 0; i < 6; i++) (await ada.Http.PatchAsJsonAsync("/identity/v1/me", new { name = $"Ada {i}" }, Ct)).EnsureSuccessStatusCode();
        var (seen, before, pages) = (new List<Guid>(), "", 0);
        do
        {
            var page = await ada.Http.GetFromJsonAsync<JsonElement>($"/identity/v1/me/audit?limit=3{before}", Ct);
            seen.AddRange(page.GetProperty("entries").EnumerateArray().Select(entry => entry.GetProperty("entry_id").GetGuid()));
            before = page.GetProperty("next").ValueKind == JsonValueKind.Null ? "" : $"&before={page.GetProperty("next").GetGuid()}";
            pages++;
        }
        while (before != "");
        Assert.Equal((7, 7, 3), (seen.Count, seen.Distinct().Count(), pages));
        foreach (var limit in new[] { "0", "201", "-1" }) await ada.Http.GetAsync($"/identity/v1/me/audit?limit={limit}", Ct).RefusedAsync(BadRequest, "invalid-limit");
    }

    [Fact]
    public async Task Not_even_the_service_can_change_or_delete_an_entry_and_they_go_with_the_account()
    {
        var ada = await Person.SignedInAsync(service);
        await using var connection = new NpgsqlConnection(service.Database.App);
        await connection.OpenAsync(Ct);
        await connection.ExecuteAsync("select set_config('app.user_id', @id, false)", new { id = ada.AccountId.ToString() });
        Assert.Equal(1, await connection.ExecuteScalarAsync<int>("select count(*)::int from audit"));
        foreach (var sql in new[] { "delete from audit", "update audit set action = 'nothing'", "truncate audit" })
            Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, (await Assert.ThrowsAsync<PostgresException>(() => connection.ExecuteAsync(sql))).SqlState);
        var forged = await Assert.ThrowsAsync<PostgresException>(() => connection.ExecuteAsync(
            "insert into audit (user_id, entry_id, action) values (gen_random_uuid(), gen_random_uuid(), 'signed-in')"));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, forged.SqlState);

        Assert.Equal(NoContent, (await ada.DeleteAccountAsync(ada.Password)).StatusCode);
        Assert.Empty(await service.SqlAsync<string>("select action from audit where user_id = @AccountId", new { ada.AccountId }));
    }

    [Fact]
    public async Task What_is_two_years_old_is_forgotten()
    {
        var ada = await Person.SignedInAsync(service);
        await service.SqlAsync("insert into audit (user_id, entry_id, at, action) values (@AccountId, gen_random_uuid(), now() - interval '2 years 1 day', 'signed-in')", new { ada.AccountId });
        Assert.Equal(2, (await EntriesAsync(ada)).Count);
        await service.SqlAsync("call forget_old_audit()");
        Assert.Single(await EntriesAsync(ada));
    }

    private static async Task<IReadOnlyList<JsonElement>> EntriesAsync(Person person) =>
        [.. (await person.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me/audit", Ct)).GetProperty("entries").EnumerateArray()];
}
