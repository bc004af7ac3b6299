using System.Net;
using Dapper;
using Microsoft.AspNetCore.Routing;
using Npgsql;
using OpenReadings.Support;

namespace OpenReadings.ReadingsTests;

/// <summary>Row-level security is the only thing that isolates. Tables and routes are listed by the running system itself.</summary>
public sealed class IsolationTests(ReadingsService service)
{
    private const string Secret = "only Ada may read this";

    [Fact]
    public async Task Every_table_is_protected_and_the_app_may_do_no_more_than_it_must()
    {
        Assert.Empty(await RlsGuard.UnprotectedTablesAsync(service.Database));
        Assert.Empty(await RlsGuard.ExcessRightsAsync(service.Database, "readings"));
    }

    [Fact]
    public async Task Policies_that_ask_for_access_name_their_roles()
    {
        // A policy for everybody would be OR-ed into the ones of a role that is to see less.
        Assert.Empty(await service.TruthAsync<string>(
            """
            select format('%s on %s', polname, polrelid::regclass)
            from pg_policy
            where (polrelid::regclass::text like 'readings%' or polrelid::regclass::text in ('series', 'sources', 'metrics', 'events')) and polroles = '{0}'
            """));
        // The guest is for one transaction: the app inherits nothing of it, and is nothing else.
        Assert.Equal([("readings_guest", false)], await service.TruthAsync<(string, bool)>(
            """
            select r.rolname::text, a.rolinherit from pg_auth_members m
            join pg_roles r on r.oid = m.roleid join pg_roles a on a.oid = m.member where a.rolname = 'readings_app'
            """));
        string[] may = ["DELETE events", "DELETE readings", "INSERT events", "INSERT outbox", "INSERT readings", "UPDATE events", "UPDATE readings"];
        Assert.Equal(may, await service.TruthAsync<string>(
            """
            select format('%s %s', p, relname) from pg_class, unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p
            where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and has_table_privilege('readings_guest', oid, p)
            union all
            select format('sees the partition %s', relname) from pg_class
            where relispartition and relkind = 'r' and has_table_privilege('readings_guest', oid, 'SELECT')
            order by 1
            """));
        Assert.Equal(["select"], await service.TruthAsync<string>(
            """
            select distinct lower(p) from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p,
                unnest(array['readings_hour', 'readings_day', 'series_access']) t
            where has_table_privilege('readings_app', t, p)
            """));
    }

    [Fact]
    public async Task Another_persons_rows_are_out_of_reach_of_every_statement_on_every_table()
    {
        var (ada, _) = await AdaAsync();
        var tables = await TablesAsync();
        Assert.Contains("readings", tables);
        await using var app = new NpgsqlConnection(service.Database.App);
        await app.OpenAsync(ReadingsService.Ct);
        foreach (var somebody in new[] { Guid.NewGuid().ToString(), "" })
            foreach (var table in tables)
            {
                var rows = await service.TruthAsync<string>(Mine(table), new { id = ada.Id });
                Assert.NotEmpty(rows);
                Assert.True(await TryAsync($"select count(*) from {table}") is "0", $"{table} shows rows to somebody else");
                var columns = await service.TruthAsync<string>(
                    "select attname::text from pg_attribute where attrelid = @table::regclass and attnum > 0 and not attisdropped and attidentity = ''", new { table });
                foreach (var statement in new[] { $"with gone as (delete from {table} returning 1) select count(*) from gone", $"with other as (update {table} set {columns[0]} = {columns[0]} returning 1) select count(*) from other" })
                    Assert.True(await TryAsync(statement) is "0" or PostgresErrorCodes.InsufficientPrivilege, $"somebody else may {statement}");
                // Her own rows again, as if they were new.
                Assert.Equal((table, PostgresErrorCodes.InsufficientPrivilege), (table, await TryAsync(
                    $"with made as (insert into {table} overriding system value select * from json_populate_record(null::{table}, @row::json) returning 1) select count(*) from made", rows[0])));

                async Task<string?> TryAsync(string sql, string? row = null)
                {
                    await using var transaction = await app.BeginTransactionAsync(ReadingsService.Ct);
                    try
                    {
                        await app.ExecuteAsync("select set_config('app.user_id', @somebody, true)", new { somebody }, transaction);
                        return (await app.ExecuteScalarAsync<long>(sql, new { row }, transaction)).ToString();
                    }
                    catch (PostgresException e)
                    {
                        return e.SqlState;
                    }
                }
            }
    }

    [Fact]
    public async Task Another_persons_data_is_out_of_reach_of_every_route()
    {
        var (ada, source) = await AdaAsync();
        var before = await SnapshotAsync(ada);
        var grants = await service.TruthAsync<Guid>("select grant_id from grants where user_id = @Id", new { ada.Id });
        var bob = service.NewPerson();
        var walked = 0;
        // The one that makes a source of Bob's own under the same id comes last.
        foreach (var (method, route) in Routes().OrderBy(one => one is { Method: "PUT", Route.RoutePattern.RawText: "/readings/v1/sources/{sourceId:guid}" }))
        {
            using var response = await CallAsync(bob, method, route, source, grants[0]);
            var text = await response.Content.ReadAsStringAsync(ReadingsService.Ct);
            var name = $"{method} {route.RoutePattern.RawText} answered {(int)response.StatusCode} {text}";
            Assert.False(text.Contains(Secret, StringComparison.Ordinal) || text.Contains("121.0625", StringComparison.Ordinal), name);
            if (route.RoutePattern.RawText!.Contains("{grantId", StringComparison.Ordinal))
                Assert.True(response.StatusCode == HttpStatusCode.NotFound && text.Contains("grant-not-found", StringComparison.Ordinal), name);
            else if (!route.RoutePattern.RawText!.Contains("{sourceId", StringComparison.Ordinal)) Assert.True((int)response.StatusCode is < 300 or 400, name);
            else if (method == "PUT" && route.RoutePattern.RawText.EndsWith("{sourceId:guid}", StringComparison.Ordinal)) Assert.Equal(HttpStatusCode.Created, response.StatusCode);
            else Assert.True(response.StatusCode == HttpStatusCode.NotFound && text.Contains("source-not-found", StringComparison.Ordinal), name);
            walked++;
        }
        Assert.True(walked >= 20);
        Assert.Equal(before, await SnapshotAsync(ada));
    }

    [Fact]
    public async Task Every_route_wants_a_token_with_its_scope()
    {
        var (_, source) = await AdaAsync();
        foreach (var (method, route) in Routes())
        {
            using var anonymous = service.Anonymous();
            using var request = new HttpRequestMessage(new HttpMethod(method), Path(route, source));
            using var refused = await anonymous.SendAsync(request, ReadingsService.Ct);
            Assert.Equal((route.RoutePattern.RawText, HttpStatusCode.Unauthorized), (route.RoutePattern.RawText, refused.StatusCode));

            using var other = service.WithToken(service.Identity.TokenFor(Guid.NewGuid(), scope: method == "GET" ? "readings:write" : "readings:read"));
            using var content = new StringContent(AnyBody, System.Text.Encoding.UTF8, "application/json");
            using var without = new HttpRequestMessage(new HttpMethod(method), Path(route, source)) { Content = method is "GET" or "DELETE" ? null : content };
            using var forbidden = await other.SendAsync(without, ReadingsService.Ct);
            Assert.Equal((route.RoutePattern.RawText, HttpStatusCode.Forbidden), (route.RoutePattern.RawText, forbidden.StatusCode));
        }
    }

    // A body that every route can make something of.
    private const string AnyBody =
        """
        {"name": "Bob's", "kind": "k", "unit": "1", "metrics": {"systolic": "mmHg"}, "values": {"systolic": 1},
         "readings": [{"at": "2026-10-01T10:00:00Z", "values": {"systolic": 1}}], "events": []}
        """;

    private static Task<HttpResponseMessage> CallAsync(Person person, string method, RouteEndpoint route, Guid source, Guid grant) => person.RawAsync(
        new HttpMethod(method), Path(route, source, grant)["/readings/v1/".Length..], method is "GET" or "DELETE" ? null : AnyBody, "application/json",
        method == "PATCH" ? [("If-Match", "*")] : []);

    private static string Path(RouteEndpoint route, Guid source, Guid grant = default) => route.RoutePattern.RawText!
        .Replace("{sourceId:guid}", source.ToString(), StringComparison.Ordinal).Replace("{at}", "2026-10-01T10:00:00Z", StringComparison.Ordinal)
        .Replace("{metric}", "systolic", StringComparison.Ordinal).Replace("{grantId:guid}", grant.ToString(), StringComparison.Ordinal) + "?type=blood_pressure_systolic&metric=systolic";

    private IEnumerable<(string Method, RouteEndpoint Route)> Routes() =>
        service.Routes().Where(one => one.Route.RoutePattern.RawText!.StartsWith("/readings/v1", StringComparison.Ordinal));

    // Somebody with a row in every table.
    private async Task<(Person Ada, Guid Source)> AdaAsync()
    {
        var ada = service.NewPerson();
        var source = await ada.SourceAsync(
            $$"""
            {"name": "{{Secret}}", "kind": "cuff", "metrics": {
              "systolic": {"unit": "mmHg", "type": "blood_pressure_systolic"}, "diastolic": {"unit": "mmHg", "type": "blood_pressure_diastolic"} } }
            """);
        await ada.RecordAsync(source, Given.Rows(Given.Row("2026-10-01T10:00:00Z", ("systolic", 121.0625), ("diastolic", 79))));
        await ada.SendAsync(HttpMethod.Post, $"sources/{source}/events",
            $$"""{"events": [{"kind": "sleep", "type": "{{Secret}}", "from": "2026-10-01T01:00:00Z", "to": "2026-10-01T02:00:00Z"} ] }""");
        // She shares with Carol, who looks, and Carol with her.
        var carol = service.NewPerson();
        var (_, code) = await GrantTests.OfferAsync(ada, GrantTests.Offer("source", source, "write"));
        await GrantTests.AcceptAsync(carol, code);
        await carol.GetAsync($"sources/{source}");
        (_, code) = await GrantTests.OfferAsync(carol, GrantTests.Offer("source", await carol.SourceAsync(Person.Watch), "admin"));
        await GrantTests.AcceptAsync(ada, code);
        var shown = await carol.SourceAsync("""{"name": "Weather", "kind": "station", "is_public": true, "metrics": {"t": "Cel"}}""");
        await ada.GetAsync($"sources/{shown}?owner={carol.Id}");
        (_, code) = await GrantTests.OfferAsync(carol, GrantTests.Offer("source", await carol.SourceAsync(Person.Watch), "read", """, "from": "2026-10-01T00:00:00Z" """));
        await GrantTests.AcceptAsync(ada, code);
        await using var migrator = new NpgsqlConnection(service.Database.Migrator);
        await migrator.ExecuteAsync("insert into departed_users (user_id) values (@Id)", new { ada.Id });
        return (ada, source);
    }

    // Every table with somebody's rows: all, less the mail bags, the journal, the partitions and what is the same for everybody.
    private Task<IReadOnlyList<string>> TablesAsync() => service.TruthAsync<string>(
        """
        select relname::text from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition and relname <> all (@nobodys) order by 1
        """, new { nobodys = (string[])[.. RlsGuard.NobodysTables, "series_types"] });

    // A new table with neither column fails here and asks to be thought about.
    private static string Mine(string table) => table.StartsWith("readings", StringComparison.Ordinal)
        ? $"select row_to_json(t)::text from {table} t where series_id in (select series_id from series where user_id = @id)"
        : $"select row_to_json(t)::text from {table} t where user_id = @id";

    private async Task<string> SnapshotAsync(Person person)
    {
        var rows = new List<string>();
        foreach (var table in await TablesAsync()) rows.AddRange((await service.TruthAsync<string>(Mine(table), new { id = person.Id })).Order(StringComparer.Ordinal));
        return string.Join('\n', rows);
    }
}
