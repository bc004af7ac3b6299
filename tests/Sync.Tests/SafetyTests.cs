using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Dapper;
using Microsoft.AspNetCore.Authorization;
using Npgsql;
using OpenReadings.Support;

namespace OpenReadings.SyncTests;

/// <summary>Nobody sees another's imports, by whatever route or table.</summary>
public sealed class SafetyTests(SyncService sync)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_table_is_protected_and_the_application_has_no_right_too_many()
    {
        Assert.Empty(await RlsGuard.UnprotectedTablesAsync(sync.Database));
        Assert.Empty(await RlsGuard.ExcessRightsAsync(sync.Database, "sync"));
    }

    [Fact]
    public async Task Only_the_claim_looks_past_row_level_security()
    {
        await using var connection = new NpgsqlConnection(sync.Database.Superuser);
        var definers = await connection.QueryAsync<string>(
            "select proname::text from pg_proc where pronamespace = 'public'::regnamespace and prosecdef and has_function_privilege('sync_app', oid, 'execute')");
        Assert.Equal(["claim_import"], definers);
        Assert.False(await connection.ExecuteScalarAsync<bool>("select has_function_privilege('sync_readonly', 'claim_import(uuid, int)', 'execute')"));
    }

    [Fact]
    public async Task No_row_of_one_person_is_seen_or_made_by_another()
    {
        Guid ada = Guid.NewGuid(), bob = Guid.NewGuid();
        using var http = sync.SignedInAs(ada);
        await SyncService.ImportAsync(http, "format=apple-health", Samples.Export("<Record/>"));
        await using var connection = new NpgsqlConnection(sync.Database.App);
        await connection.OpenAsync(Ct);
        foreach (var table in new[] { "imports", "import_rejects" })
        {
            foreach (var user in new[] { bob.ToString(), "" })
            {
                await using var transaction = await connection.BeginTransactionAsync(Ct);
                await connection.ExecuteAsync("select set_config('app.user_id', @user, true)", new { user }, transaction);
                Assert.Equal(0, await connection.ExecuteScalarAsync<int>($"select count(*)::int from {table}", null, transaction));
                Assert.Equal(0, await connection.ExecuteAsync($"update {table} set import_id = import_id", null, transaction));
                Assert.Equal(0, await connection.ExecuteAsync($"delete from {table}", null, transaction));
            }
        }

        await using var forged = await connection.BeginTransactionAsync(Ct);
        await connection.ExecuteAsync("select set_config('app.user_id', @bob::text, true)", new { bob }, forged);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => connection.ExecuteAsync(
            "insert into imports (user_id, import_id, format, total_bytes) values (@ada, gen_random_uuid(), 'csv', 1)", new { ada }, forged));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    [Fact]
    public async Task Every_route_refuses_strangers_and_shows_nothing_of_another_person()
    {
        Guid ada = Guid.NewGuid(), bob = Guid.NewGuid();
        using var adas = sync.SignedInAs(ada);
        var import = await SyncService.StartAsync(adas, "format=apple-health", Samples.Export(Samples.Beats(3) + "<Record/>"));
        await SyncService.EndAsync(adas, import);
        var before = await adas.GetStringAsync(import, Ct);
        using var bobs = sync.SignedInAs(bob);
        using var anybodys = sync.Anonymous();
        var walked = 0;
        foreach (var (method, route) in sync.Routes().Where(route => route.Route.RoutePattern.RawText!.StartsWith("/sync/v1", StringComparison.Ordinal)))
        {
            Assert.NotEmpty(route.Metadata.GetOrderedMetadata<IAuthorizeData>());
            var path = route.RoutePattern.RawText!.Replace("{import_id:guid}", import.ToString().Split('/')[^1], StringComparison.Ordinal);
            Assert.DoesNotContain('{', path);
            using var anonymous = await anybodys.SendAsync(new(new HttpMethod(method), path), Ct);
            Assert.Equal(HttpStatusCode.Unauthorized, anonymous.StatusCode);
            using var response = await bobs.SendAsync(new(new HttpMethod(method), path), Ct);
            var said = await response.Content.ReadAsStringAsync(Ct);
            if (path.Contains(import.ToString(), StringComparison.Ordinal)) Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
            else Assert.DoesNotContain(import.ToString().Split('/')[^1], said, StringComparison.Ordinal);
            walked++;
        }

        Assert.Equal(6, walked);
        Assert.Equal(before, await adas.GetStringAsync(import, Ct));
    }

    [Fact]
    public async Task Every_operation_says_what_a_stranger_needs()
    {
        Assert.Empty(await sync.UndocumentedOperationsAsync());
        using var http = sync.Anonymous();
        var document = await http.GetFromJsonAsync<JsonElement>(new Uri("/sync/openapi.json", UriKind.Relative), Ct);
        var names = document.GetProperty("paths").GetProperty("/sync/v1/imports").GetProperty("post").GetProperty("parameters").EnumerateArray().Select(parameter => parameter.GetProperty("name").GetString());
        Assert.Equal(["dry_run", "format", "import_id", "mapping", "source_id", "source_name"], names.Order());
    }
}
