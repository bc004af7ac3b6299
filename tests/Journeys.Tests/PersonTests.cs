using System.Buffers.Text;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dapper;
using Npgsql;
using OpenReadings.Support;

[assembly: AssemblyFixture(typeof(RunningPlatform))]
// A service that one journey kills must not be missed by another.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace OpenReadings.Journeys;

/// <summary>What a person and the programs around them see of the whole.</summary>
public sealed class PersonTests(RunningPlatform platform)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_blood_pressure_travels_from_the_cuff_to_an_outsiders_queue()
    {
        await using var outsider = await Outsider.ConnectAsync(platform.Broker, "identity.events", "readings.events");
        var ada = await platform.SignUpAsync();
        await outsider.NextAsync(m => m.RoutingKey == "account.created.v1" && DataOf(m).GetProperty("user_id").GetGuid() == ada.Id);

        var source = Guid.CreateVersion7();
        (await ada.Http.PutAsJsonAsync($"/readings/v1/sources/{source}", new
        {
            name = "Cuff", kind = "blood-pressure-monitor", time_zone = "Europe/Berlin",
            metrics = new { systolic = new { unit = "mmHg", type = "blood_pressure_systolic" }, diastolic = new { unit = "mm[Hg]", type = "blood_pressure_diastolic" }, pulse = new { unit = "bpm" } },
        }, Ct)).EnsureSuccessStatusCode();
        await outsider.NextAsync(m => m.RoutingKey == "source.created.v1" && DataOf(m).GetProperty("source_id").GetGuid() == source);

        var reading = new { readings = new[] { new { at = "2026-03-29T08:00:00+02:00", values = new { systolic = 121, diastolic = 79, pulse = 61 } } } };
        Assert.Equal((1, 0), await StoreAsync());
        var recorded = DataOf(await outsider.NextAsync(m => m.RoutingKey == "readings.recorded.v1" && DataOf(m).GetProperty("source_id").GetGuid() == source));
        Assert.Equal(1, recorded.GetProperty("count").GetInt32());
        Assert.Equal(ada.Id, recorded.GetProperty("user_id").GetGuid());
        Assert.Equal((0, 1), await StoreAsync());

        var read = await ada.Http.GetFromJsonAsync<JsonElement>($"/readings/v1/sources/{source}/readings?from=2026-03-01T00:00:00Z", Ct);
        var row = Assert.Single(read.GetProperty("readings").EnumerateArray());
        Assert.Equal("2026-03-29T08:00:00+02:00", row.GetProperty("at").GetString());
        Assert.Equal(["systolic", "diastolic", "pulse"], row.GetProperty("values").EnumerateObject().Select(v => v.Name));

        async Task<(int, int)> StoreAsync()
        {
            using var response = await ada.Http.PostAsJsonAsync($"/readings/v1/sources/{source}/readings", reading, Ct);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            var answer = await response.Content.ReadFromJsonAsync<JsonElement>(Ct);
            return (answer.GetProperty("stored").GetInt32(), answer.GetProperty("unchanged").GetInt32());
        }
    }

    [Fact]
    public async Task A_deleted_account_is_forgotten_everywhere_and_its_last_token_can_bring_nothing_back()
    {
        var ada = await platform.SignUpAsync();
        var bob = await platform.SignUpAsync();
        foreach (var person in new[] { ada, bob })
        {
            var source = Guid.CreateVersion7();
            (await person.Http.PutAsJsonAsync($"/readings/v1/sources/{source}",
                new { name = "Meter", kind = "meter", metrics = new { reading = new { unit = "kWh" } } }, Ct)).EnsureSuccessStatusCode();
            (await person.Http.PostAsJsonAsync($"/readings/v1/sources/{source}/readings",
                new { readings = new[] { new { at = "2026-01-01T00:00:00Z", values = new { reading = 1 } } } }, Ct)).EnsureSuccessStatusCode();
        }
        using var deleted = await ada.Http.SendAsync(new HttpRequestMessage(HttpMethod.Delete, "/identity/v1/me")
        {
            Content = JsonContent.Create(new { password = ada.Password }),
        }, Ct);
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);

        // Once every service has confirmed, there is a receipt that anybody can verify, and it is about her.
        using var anybody = platform.Anonymous();
        JsonElement erasure = default;
        await UntilAsync(async () => (erasure = await anybody.GetFromJsonAsync<JsonElement>(deleted.Headers.Location, Ct)).GetProperty("receipt").ValueKind == JsonValueKind.String);
        var parts = erasure.GetProperty("receipt").GetString()!.Split('.');
        var (header, receipt) = (JsonDocument.Parse(Base64Url.DecodeFromChars(parts[0])).RootElement, JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1])).RootElement);
        Assert.Equal(("erasure-receipt+jwt", ada.Id), (header.GetProperty("typ").GetString(), receipt.GetProperty("sub").GetGuid()));
        Assert.Equal(["identity", "readings", "sync"], receipt.GetProperty("erased").EnumerateObject().Select(service => service.Name));
        var key = await anybody.GetFromJsonAsync<JsonElement>($"/identity/.well-known/keys/{header.GetProperty("kid").GetString()}", Ct);
        using var ecdsa = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new() { X = Base64Url.DecodeFromChars(key.GetProperty("x").GetString()), Y = Base64Url.DecodeFromChars(key.GetProperty("y").GetString()) },
        });
        Assert.True(ecdsa.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256));

        await UntilAsync(async () => await RowsAsync("readings", "select (select count(*) from departed_users where user_id = @id)::int - (select count(*) from sources where user_id = @id)::int", ada.Id) == 1
            && await RowsAsync("sync", "select count(*)::int from departed_users where user_id = @id", ada.Id) == 1);
        foreach (var (service, database) in platform.Databases)
        {
            await using var connection = new NpgsqlConnection(database.Migrator);
            var tables = await connection.QueryAsync<string>(
                """
                select c.table_name from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
                where c.column_name = 'user_id' and c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.table_name <> 'departed_users'
                """);
            foreach (var table in tables)
                Assert.Equal((service, table, 0), (service, table, await connection.ExecuteScalarAsync<int>($"select count(*)::int from {table} where user_id = @id", new { id = ada.Id })));
        }
        using var late = await ada.Http.PutAsJsonAsync($"/readings/v1/sources/{Guid.NewGuid()}",
            new { name = "Meter", kind = "meter", metrics = new { reading = new { unit = "kWh" } } }, Ct);
        // By the token that was revoked, or by the service that has forgotten her already: whichever was quicker.
        Assert.Contains(late.StatusCode, new[] { HttpStatusCode.Unauthorized, HttpStatusCode.NotFound });
        using var again = await platform.Anonymous().PostAsJsonAsync("/identity/v1/logins", new { email = ada.Email, password = ada.Password }, Ct);
        Assert.Equal(HttpStatusCode.Unauthorized, again.StatusCode);
        Assert.Equal(1, (await bob.Http.GetFromJsonAsync<JsonElement>("/readings/v1/sources", Ct)).GetProperty("sources").GetArrayLength());
    }

    [Fact]
    public async Task Readings_knows_every_series_type_of_the_catalog()
    {
        await UntilAsync(async () => await RowsAsync("readings", "select count(*)::int from series_types", Guid.Empty) == 93);
        Assert.Equal(93, await RowsAsync("catalog", "select count(*)::int from series_types", Guid.Empty));
    }

    [Fact]
    public async Task No_log_line_of_any_service_holds_a_token_a_password_or_an_address()
    {
        var ada = await platform.SignUpAsync();
        await ada.Http.GetAsync(new Uri("/identity/v1/me", UriKind.Relative), Ct);
        using var wrong = await platform.Anonymous().PostAsJsonAsync("/identity/v1/logins", new { email = ada.Email, password = ada.Password + "x" }, Ct);
        using var refused = await platform.Anonymous().GetAsync(new Uri($"/readings/v1/sources?access_token={ada.AccessToken}", UriKind.Relative), Ct);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        foreach (var (service, process) in platform.Services)
            Assert.DoesNotContain(process.Lines, line => new[] { ada.Password, ada.AccessToken, ada.RefreshToken, ada.Email }.Any(secret => line.Contains(secret, StringComparison.Ordinal)));
    }

    private async Task<int> RowsAsync(string service, string sql, Guid id)
    {
        await using var connection = new NpgsqlConnection(platform.Databases[service].Migrator);
        return await connection.ExecuteScalarAsync<int>(sql, new { id });
    }

    internal static JsonElement DataOf(Outsider.Message message) => JsonDocument.Parse(message.Body).RootElement.GetProperty("data");

    internal static async Task UntilAsync(Func<Task<bool>> holds, int seconds = 60)
    {
        for (var limit = System.Diagnostics.Stopwatch.StartNew(); !await holds(); await Task.Delay(50, Ct))
            if (limit.Elapsed.TotalSeconds > seconds) Assert.Fail("It did not happen in time.");
    }
}
