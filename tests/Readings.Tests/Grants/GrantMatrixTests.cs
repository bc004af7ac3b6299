using System.Net;
using Dapper;
using Npgsql;

namespace OpenReadings.ReadingsTests;

/// <summary>
/// Every kind of grant to everybody who can have one, with every access, in every state, against every table and every verb: what
/// is expected is computed here from what was granted, and not from what the service stores.
/// </summary>
public sealed class GrantMatrixTests(ReadingsService service)
{
    private static readonly string[] Accesses = ["read", "write", "admin"];
    private static readonly string[] States = ["offered", "accepted", "expired", "revoked", "left"];
    private static readonly string[] Verbs = ["select", "insert", "update", "delete"];

    // A heart rate, the steps of the same source, and steps of another source.
    private sealed record Part(string Name, Guid Source, int Series);
    private sealed record Setting(Person Ada, Part[] Parts);

    public static TheoryData<string, string> Kinds
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var kind in new[] { "everything", "category", "source", "metric" })
                foreach (var to in GrantTests.Recipients) all.Add(kind, to);
            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task In_the_database_a_grant_opens_what_it_says_to_its_grantee_and_to_nobody_else(string kind, string to)
    {
        var setting = await SettingAsync();
        await using var app = new NpgsqlConnection(service.Database.App);
        await app.OpenAsync(ReadingsService.Ct);
        var looked = 0;
        foreach (var (access, state) in Accesses.SelectMany(access => States.Select(state => (access, state))))
        {
            var sharing = await GrantAsync(setting.Ada, setting.Parts[0].Source, kind, to, access, state);
            var all = IsWidest(access, state);
            foreach (var part in setting.Parts)
                foreach (var (table, column, row) in await RowsAsync(part))
                    foreach (var verb in Verbs)
                    {
                        var expected = Expected(kind, state == "accepted" ? Array.IndexOf(Accesses, access) + 1 : 0, setting, part, table, verb);
                        foreach (var reader in sharing.Readers[..(all ? ^0 : 1)])
                            Assert.Equal((kind, to, access, state, part.Name, table, verb, expected),
                                (kind, to, access, state, part.Name, table, verb, await MayAsync(reader, setting.Ada.Id)));
                        looked++;
                        if (state != "accepted") continue;
                        // Without saying whose rows are meant, nothing of hers stands among their own but readings asked for by their number.
                        if (!table.StartsWith("readings", StringComparison.Ordinal)) Assert.False(await MayAsync(sharing.Reader, null), $"{verb} {table}");
                        foreach (var stranger in sharing.Strangers[..(all ? ^0 : 1)])
                            Assert.False(await MayAsync(stranger, setting.Ada.Id), $"{stranger.Id} through {stranger.Client} may {verb} {table}, granted to a {to}");

                        async Task<bool> MayAsync(Person who, Guid? owner)
                        {
                            var mine = table.StartsWith("readings", StringComparison.Ordinal) || table == "series" ? "series_id = @Series"
                                : table == "metrics" ? "series_id = @Series and user_id = @ada" : "source_id = @Source and user_id = @ada";
                            return await TryAsync(app, who, owner, verb switch
                            {
                                "select" => $"select count(*) from {table} where {mine}",
                                "insert" => $"with made as (insert into {table} overriding system value select * from json_populate_record(null::{table}, @row::json) returning 1) select count(*) from made",
                                "update" => $"with changed as (update {table} set {column} = {column} where {mine} returning 1) select count(*) from changed",
                                _ => $"with gone as (delete from {table} where {mine} returning 1) select count(*) from gone",
                            }, new { part.Series, part.Source, ada = setting.Ada.Id, row });
                        }
                    }
        }
        Assert.True(looked > 500, $"{looked}");
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Over_HTTP_a_grant_opens_what_it_says_to_its_grantee_and_to_nobody_else(string kind, string to)
    {
        foreach (var (access, state) in Accesses.SelectMany(access => States.Select(state => (access, state))))
        {
            var setting = await SettingAsync();
            var source = setting.Parts[0].Source;
            var sharing = await GrantAsync(setting.Ada, source, kind, to, access, state);
            var level = state == "accepted" ? Array.IndexOf(Accesses, access) + 1 : 0;
            var isWhole = kind is "everything" or "source";
            var row = Given.Rows(Given.Row(Given.Minute(9), ("heart_rate", 61)));
            (string Method, string Path, string? Body, bool May)[] calls =
            [
                ("GET", $"sources/{source}", null, level >= 1),
                ("GET", $"sources/{source}/readings", null, level >= 1),
                ("GET", $"sources/{source}/latest", null, level >= 1),
                ("GET", $"sources/{source}/buckets?metric=heart_rate", null, level >= 1),
                ("GET", $"sources/{source}/events", null, level >= 1),
                ("POST", $"sources/{source}/readings", row, level >= 2),
                ("PUT", $"sources/{source}/readings/{Given.Minute(1)}", """{"values": {"heart_rate": 62}}""", level >= 2),
                ("POST", $"sources/{source}/events", """{"events": [{"kind": "sleep", "type": "deep", "from": "2026-10-02T01:00:00Z", "to": "2026-10-02T02:00:00Z"}]}""", level >= 2 && isWhole),
                ("DELETE", $"sources/{source}/events?kind=sleep", null, level >= 2 && isWhole),
                ("DELETE", $"sources/{source}/readings/{Given.Minute(1)}?metric=heart_rate", null, level >= 2),
                ("PATCH", $"sources/{source}", """{"name": "Renamed"}""", level >= 3 && isWhole),
                ("PUT", $"sources/{source}/metrics/added", """{"unit": "1"}""", level >= 3 && isWhole),
                ("DELETE", $"sources/{source}", null, false),
                ("GET", $"sources/{setting.Parts[2].Source}", null, level >= 1 && kind == "everything"),
            ];
            foreach (var (method, path, body, may) in calls)
                foreach (var (who, expected, owner) in Visitors(sharing, IsWidest(access, state), may, $"owner={setting.Ada.Id}"))
                {
                    using var response = await who.RawAsync(new HttpMethod(method), owner.Length == 0 ? path : path + (path.Contains('?', StringComparison.Ordinal) ? "&" : "?") + owner,
                        body, "application/json", method == "PATCH" ? [("If-Match", "*")] : []);
                    var name = (kind, to, access, state, method, path, (int)response.StatusCode);
                    // What was deleted once is deleted no second time.
                    if (expected && method == "DELETE" && owner.Length > 0) Assert.True((int)response.StatusCode is < 300 or 404, name.ToString());
                    else if (expected) Assert.True((int)response.StatusCode < 300, $"{name} {await response.Content.ReadAsStringAsync(ReadingsService.Ct)}");
                    else Assert.True(response.StatusCode is HttpStatusCode.NotFound || (sharing.Readers.Contains(who) && level > 0 && response.StatusCode == HttpStatusCode.Forbidden), name.ToString());
                }
        }
    }

    // Of what opens the most, everybody is tried; of the others one of each.
    private static bool IsWidest(string access, string state) => (access, state) == ("admin", "accepted");

    // The strangers first: a reader may delete.
    private static IEnumerable<(Person Who, bool Expected, string Owner)> Visitors(GrantTests.Sharing sharing, bool all, bool may, string owner) =>
    [
        .. sharing.Strangers[..(all ? ^0 : 1)].Select(stranger => (stranger, false, owner)),
        (sharing.Reader, may, ""),
        .. sharing.Readers[..(all ? ^0 : 1)].Select(reader => (reader, may, owner)),
    ];

    private static bool Expected(string kind, int level, Setting setting, Part part, string table, string verb)
    {
        var first = setting.Parts[0].Source;
        bool Opens(Part one) => kind switch
        {
            "everything" => true,
            "source" => one.Source == first,
            _ => one == setting.Parts[0],
        };
        var isWhole = kind == "everything" || (kind == "source" && part.Source == first);
        var needed = verb == "select" ? 1 : 2;
        return table switch
        {
            "readings" => Opens(part) && level >= needed,
            "readings_hour" or "readings_day" => verb == "select" && Opens(part) && level >= 1,
            "events" => isWhole && level >= needed,
            "sources" => verb == "select" ? level >= 1 && setting.Parts.Any(one => one.Source == part.Source && Opens(one)) : verb == "update" && isWhole && level >= 3,
            "series" when verb == "update" => false,
            "series" or "metrics" => verb == "select" ? Opens(part) && level >= 1 : isWhole && level >= 3,
            _ => throw new ArgumentOutOfRangeException(table),
        };
    }

    // The tables that a grant may open, each with a row of this part as JSON.
    private async Task<(string Table, string Column, string Row)[]> RowsAsync(Part part)
    {
        var rows = new List<(string, string, string)>();
        foreach (var (table, column) in new[]
            { ("sources", "name"), ("metrics", "unit"), ("series", "group_name"), ("events", "type"), ("readings", "value"), ("readings_hour", "n"), ("readings_day", "n") })
            rows.Add((table, column, (await service.TruthAsync<string>(
                $"select row_to_json(t)::text from {table} t where {(table is "sources" or "events" ? "source_id = @Source" : "series_id = @Series")} limit 1", part)).Single()));
        return [.. rows];
    }

    // Allowed is what found a row, or failed only because the row is there already.
    private static async Task<bool> TryAsync(NpgsqlConnection app, Person who, Guid? owner, string sql, object args)
    {
        await using var transaction = await app.BeginTransactionAsync(ReadingsService.Ct);
        try
        {
            await app.ExecuteAsync(
                "select set_config('app.user_id', @id, true), set_config('app.client_id', @client, true), set_config('app.owner_id', @owner, true)",
                new { id = who.Id.ToString(), client = who.Client.ToString(), owner = owner.ToString() }, transaction);
            return await app.ExecuteScalarAsync<long>(sql, args, transaction) > 0;
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.UniqueViolation)
        {
            return e.SqlState == PostgresErrorCodes.UniqueViolation;
        }
    }

    private async Task<Setting> SettingAsync()
    {
        var ada = service.NewPerson();
        var first = await ada.SourceAsync(Person.Watch);
        var second = await ada.SourceAsync("""{"name": "Phone", "kind": "phone", "metrics": {"steps": {"unit": "steps", "type": "steps"}}}""");
        await ada.RecordAsync(first, Given.Rows(Given.Row(Given.Minute(1), ("heart_rate", 60), ("steps", 12))));
        await ada.RecordAsync(second, Given.Rows(Given.Row(Given.Minute(1), ("steps", 13))));
        foreach (var source in new[] { first, second })
            await ada.SendAsync(HttpMethod.Post, $"sources/{source}/events",
                """{"events": [{"kind": "sleep", "type": "deep", "from": "2026-10-01T01:00:00Z", "to": "2026-10-01T02:00:00Z"}]}""");
        var series = await service.TruthAsync<(Guid Source, string Metric, int Series)>("select source_id, metric, series_id from metrics where user_id = @Id", new { ada.Id });
        Part Of(string name, Guid source, string metric) => new(name, source, series.Single(one => one.Source == source && one.Metric == metric).Series);
        return new(ada, [Of("heart rate", first, "heart_rate"), Of("steps", first, "steps"), Of("other source", second, "steps")]);
    }

    private async Task<GrantTests.Sharing> GrantAsync(Person ada, Guid source, string kind, string to, string access, string state)
    {
        var sharing = await GrantTests.ShareAsync(service, ada, to, rest => GrantTests.Offer(kind, source, access, rest), accept: state != "offered");
        if (state == "offered") return sharing;
        foreach (var reader in sharing.Readers) await reader.GetAsync($"sources/{source}?owner={ada.Id}");   // the service remembers it now
        // An application does not leave what it has.
        var ending = state == "left" && to.StartsWith("person", StringComparison.Ordinal) ? new Person(service, sharing.Reader.Id) : ada;
        if (state is "revoked" or "left") Assert.Equal(HttpStatusCode.NoContent, (await ending.SendAsync(HttpMethod.Delete, $"grants/{sharing.Grant}")).Status);
        if (state == "expired") await GrantTests.LetTimePassAsync(service, sharing.Grant);
        return sharing;
    }
}
