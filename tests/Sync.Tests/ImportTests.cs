using System.IO.Compression;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Dapper;
using Npgsql;

namespace OpenReadings.SyncTests;

public sealed class ImportTests(SyncService sync)
{
    private const string Apple = "format=apple-health";
    private readonly Guid ada = Guid.NewGuid();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_export_is_imported_once_however_often_it_is_sent()
    {
        using var http = sync.SignedInAs(ada);
        var first = await SyncService.ImportAsync(http, Apple, Samples.Export(Samples.Everything));
        Assert.Equal("completed", first.GetProperty("state").GetString());
        Assert.Equal((6, 0, 0, 0), Counts(first));
        Assert.Equal(1, first.GetProperty("receipt").GetProperty("skipped").GetProperty("ActivitySummary").GetInt32());
        Assert.Equal(["blood_pressure_diastolic", "blood_pressure_systolic", "heart_rate", "sleep", "workout"],
            first.GetProperty("receipt").GetProperty("types").EnumerateObject().Select(type => type.Name));

        var sources = (await sync.ReadAsync(ada, "sources")).GetProperty("sources").EnumerateArray().ToDictionary(source => source.GetProperty("name").GetString()!);
        Assert.Equal(["Cuff", "Zoë’s Watch"], sources.Keys.Order());
        var watch = sources["Zoë’s Watch"];
        Assert.Equal("apple-health", watch.GetProperty("kind").GetString());
        Assert.Equal("/min", watch.GetProperty("metrics").GetProperty("heart_rate").GetProperty("unit").GetString());
        var readings = await sync.ReadAsync(ada, $"sources/{watch.GetProperty("source_id").GetGuid()}/readings?from=2024-01-01T00:00:00Z&to=2025-01-01T00:00:00Z");
        Assert.Equal(["2024-03-01T08:00:00+01:00", "2024-03-01T08:05:00+01:00", "2024-03-01T08:10:00+05:30"],
            readings.GetProperty("readings").EnumerateArray().Select(row => row.GetProperty("at").GetString()).Order());
        var cuff = await sync.ReadAsync(ada, $"sources/{sources["Cuff"].GetProperty("source_id").GetGuid()}/readings?from=2024-01-01T00:00:00Z&to=2025-01-01T00:00:00Z");
        var pressure = Assert.Single(cuff.GetProperty("readings").EnumerateArray()).GetProperty("values");
        Assert.Equal((120, 80), (pressure.GetProperty("blood_pressure_systolic").GetDouble(), pressure.GetProperty("blood_pressure_diastolic").GetDouble()));
        var events = (await sync.ReadAsync(ada, $"sources/{watch.GetProperty("source_id").GetGuid()}/events?from=2024-01-01T00:00:00Z&to=2025-01-01T00:00:00Z")).GetProperty("events");
        Assert.Equal(["deep", "running"], events.EnumerateArray().Select(happening => happening.GetProperty("type").GetString()).Order());

        Assert.Equal((0, 6, 0, 0), Counts(await SyncService.ImportAsync(http, Apple, Samples.Export(Samples.Everything))));
    }

    [Theory]
    [InlineData("zip"), InlineData("zip-with-neighbours"), InlineData("gzip"), InlineData("gzip-on-the-wire"), InlineData("cut-zip")]
    public async Task A_packed_export_is_unpacked_by_its_content(string packing)
    {
        var xml = Encoding.UTF8.GetBytes(Samples.Export(Samples.Beats(500)));
        using var content = new ByteArrayContent(packing switch
        {
            "zip" => Samples.Zip(("Export.dat", xml)),
            "zip-with-neighbours" => Samples.Zip(("apple_health_export/workout-routes/route.gpx", "<gpx/>"u8.ToArray()),
                ("apple_health_export/export_cda.xml", "<ClinicalDocument/>"u8.ToArray()), ("apple_health_export/", []), ("apple_health_export/Експорт.xml", xml)),
            "cut-zip" => Samples.Zip(("export.xml", xml))[..^200],
            _ => Samples.Gzip(xml),
        });
        if (packing == "gzip-on-the-wire") content.Headers.ContentEncoding.Add("gzip");
        using var http = sync.SignedInAs(ada);
        using var response = await http.PostAsync(new Uri($"/sync/v1/imports?{Apple}", UriKind.Relative), content, Ct);
        var end = await SyncService.EndAsync(http, response.Headers.Location!);
        Assert.Equal("completed", end.GetProperty("state").GetString());
        if (packing == "cut-zip") Assert.InRange(Counts(end).Stored, 1, 500);
        else Assert.Equal((500, 0, 0, 0), Counts(end));
    }

    [Fact]
    public async Task A_file_cut_in_the_middle_keeps_its_good_records_and_says_that_it_was_cut()
    {
        using var http = sync.SignedInAs(ada);
        var xml = Samples.Export(Samples.Beats(100));
        var end = await SyncService.ImportAsync(http, Apple, xml[..(xml.Length / 2)]);
        Assert.Equal("completed", end.GetProperty("state").GetString());
        Assert.InRange(Counts(end).Stored, 40, 60);
        Assert.True(end.GetProperty("receipt").GetProperty("truncated").GetBoolean());
        Assert.Equal("truncated-file", end.GetProperty("receipt").GetProperty("examples")[0].GetProperty("type").GetString());
    }

    [Theory]
    [InlineData("{\"data\": []}", "wrong-format"), InlineData("<html></html>", "wrong-format"), InlineData("\u0001\u0002\u0003", "wrong-format")]
    public async Task Another_kind_of_file_fails_with_the_reason(string text, string type)
    {
        using var http = sync.SignedInAs(ada);
        var end = await SyncService.ImportAsync(http, Apple, text);
        Assert.Equal(("failed", type), (end.GetProperty("state").GetString(), end.GetProperty("error").GetProperty("type").GetString()));
    }

    [Fact]
    public async Task A_picture_is_no_csv_and_a_missing_column_is_named()
    {
        using var http = sync.SignedInAs(ada);
        var query = $"format=csv&source_name=Meter&mapping={Uri.EscapeDataString(Samples.MeterMapping)}";
        var picture = await SyncService.EndAsync(http, await SyncService.StartAsync(http, query, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]));
        Assert.Contains("PNG", picture.GetProperty("error").GetProperty("detail").GetString());
        var column = await SyncService.ImportAsync(http, query, "a,b\n1,2\n");
        Assert.Equal("unknown-column", column.GetProperty("error").GetProperty("type").GetString());
    }

    [Fact]
    public async Task A_zip_bomb_fails_before_it_is_unpacked()
    {
        using var http = sync.SignedInAs(ada);
        var bomb = new MemoryStream();
        using (var zip = new ZipArchive(bomb, ZipArchiveMode.Create, leaveOpen: true))
        {
            await using var entry = zip.CreateEntry("export.xml", CompressionLevel.Optimal).Open();
            await entry.WriteAsync("<HealthData>"u8.ToArray(), Ct);
            var blanks = new byte[1 << 20];
            for (var i = 0; i < 300; i++) await entry.WriteAsync(blanks, Ct);
        }

        var end = await SyncService.EndAsync(http, await SyncService.StartAsync(http, Apple, bomb.ToArray()));
        Assert.Equal(("failed", "zip-bomb"), (end.GetProperty("state").GetString(), end.GetProperty("error").GetProperty("type").GetString()));
    }

    [Fact]
    public async Task What_cannot_be_an_import_is_refused_at_the_door()
    {
        using var http = sync.SignedInAs(ada);
        async Task<(HttpStatusCode, string?)> Refused(string query, HttpContent content)
        {
            using var response = await http.PostAsync(new Uri($"/sync/v1/imports?{query}", UriKind.Relative), content, Ct);
            return (response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("type").GetString());
        }

        Assert.Equal((HttpStatusCode.BadRequest, "empty-file"), await Refused(Apple, new ByteArrayContent([])));
        Assert.Equal((HttpStatusCode.BadRequest, "empty-file"), await Refused(Apple, new StreamContent(new Unseekable([]))));
        Assert.Equal((HttpStatusCode.BadRequest, "unknown-format"), await Refused("format=fit", new StringContent("x")));
        Assert.Equal((HttpStatusCode.BadRequest, "unknown-format"), await Refused("", new StringContent("x")));
        Assert.Equal((HttpStatusCode.BadRequest, "missing-mapping"), await Refused("format=csv&source_name=a", new StringContent("x")));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid-mapping"), await Refused("format=csv&source_name=a&mapping={}", new StringContent("x")));
        Assert.Equal((HttpStatusCode.BadRequest, "missing-source"), await Refused($"format=csv&mapping={Uri.EscapeDataString(Samples.MeterMapping)}", new StringContent("x")));
        using var notGzip = new StringContent("this is not gzip at all");
        notGzip.Headers.ContentEncoding.Add("gzip");
        Assert.Equal((HttpStatusCode.BadRequest, "malformed-encoding"), await Refused(Apple, notGzip));
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "file-too-large"), await Refused(Apple, new StreamContent(new Unseekable(new byte[201_000_000]))));
        using var plain = sync.WithToken(sync.Identity.TokenFor(ada, scope: "sync:read"));
        using var unscoped = await plain.PostAsync(new Uri($"/sync/v1/imports?{Apple}", UriKind.Relative), new StringContent("x"), Ct);
        Assert.Equal(HttpStatusCode.Forbidden, unscoped.StatusCode);
        Assert.DoesNotContain(Directory.EnumerateFiles(sync.Folder), file => file.Contains(ada.ToString("N"), StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_same_id_or_the_same_key_is_the_same_import()
    {
        using var http = sync.SignedInAs(ada);
        var id = Guid.CreateVersion7();
        var first = await SyncService.StartAsync(http, $"{Apple}&import_id={id}", Samples.Export(Samples.Beats(3)));
        Assert.Equal($"/sync/v1/imports/{id}", first.ToString());
        await SyncService.EndAsync(http, first);
        Assert.Equal(first, await SyncService.StartAsync(http, $"{Apple}&import_id={id}", Samples.Export(Samples.Beats(3))));
        http.DefaultRequestHeaders.Add("Idempotency-Key", "march");
        var keyed = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => SyncService.StartAsync(http, Apple, Samples.Export(Samples.Beats(3)))));
        Assert.Single(keyed.Distinct());
        await SyncService.EndAsync(http, keyed[0]);
        var list = await http.GetFromJsonAsync<JsonElement>(new Uri("/sync/v1/imports", UriKind.Relative), Ct);
        Assert.Equal(2, list.GetProperty("imports").GetArrayLength());
        using var other = sync.SignedInAs(Guid.NewGuid());
        Assert.Equal(first, await SyncService.StartAsync(other, $"{Apple}&import_id={id}", Samples.Export(Samples.Beats(1))));
        Assert.Equal(1, Counts(await SyncService.EndAsync(other, first)).Stored);
    }

    [Fact]
    public async Task Imports_are_listed_page_by_page_the_newest_first()
    {
        using var http = sync.SignedInAs(ada);
        var made = new List<string>();
        for (var i = 0; i < 5; i++) made.Add((await SyncService.StartAsync(http, Apple, "<HealthData></HealthData>")).ToString());
        var seen = new List<string>();
        for (var next = "/sync/v1/imports?limit=2"; next is not null;)
        {
            var page = await http.GetFromJsonAsync<JsonElement>(new Uri(next, UriKind.Relative), Ct);
            seen.AddRange(page.GetProperty("imports").EnumerateArray().Select(import => $"/sync/v1/imports/{import.GetProperty("import_id").GetString()}"));
            next = page.GetProperty("next").GetString() is { } cursor ? $"/sync/v1/imports?limit=2&after={cursor}" : null;
        }

        Assert.Equal(made.AsEnumerable().Reverse(), seen);
        using var bad = await http.GetAsync(new Uri("/sync/v1/imports?after=nonsense", UriKind.Relative), Ct);
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
    }

    [Fact]
    public async Task A_meter_that_was_written_down_with_commas_is_imported_into_its_source()
    {
        using var http = sync.SignedInAs(ada);
        var source = Guid.CreateVersion7();
        using (var readings = sync.Readings.SignedInAs(ada))
        {
            using var made = await readings.PutAsJsonAsync(new Uri($"/readings/v1/sources/{source}", UriKind.Relative),
                new { name = "Meter", kind = "meter", metrics = new { reading = new { unit = "Wh" } } }, Ct);
            Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        }

        var query = $"format=csv&source_id={source}&mapping={Uri.EscapeDataString(Samples.MeterMapping)}";
        var end = await SyncService.ImportAsync(http, query, Samples.Meter);
        Assert.Equal((3, 0, 0, 2), Counts(end));
        var examples = end.GetProperty("receipt").GetProperty("examples").EnumerateArray().Select(example => (example.GetProperty("line").GetInt32(), example.GetProperty("type").GetString()));
        Assert.Equal([(4, "not-a-number"), (5, "nonexistent-local-time")], examples);
        var rows = (await sync.ReadAsync(ada, $"sources/{source}/readings?from=2024-01-01T00:00:00Z&to=2025-01-01T00:00:00Z")).GetProperty("readings").EnumerateArray().ToList();
        Assert.Equal(["2024-03-30T21:03:00+01:00", "2024-03-31T21:03:00+02:00", "2024-04-01T21:03:00+02:00"], rows.Select(row => row.GetProperty("at").GetString()));
        // The source keeps watt hours, the file has kilowatt hours.
        Assert.Equal(18_231_400, rows[0].GetProperty("values").GetProperty("reading").GetDouble(), 6);
        Assert.Equal((0, 3, 0, 2), Counts(await SyncService.ImportAsync(http, query, Samples.Meter)));
        Assert.Equal((0, 2, 1, 2), Counts(await SyncService.ImportAsync(http, query, Samples.Meter.Replace("18238,9", "18240", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task A_dry_run_shows_the_first_rows_and_stores_nothing()
    {
        using var http = sync.SignedInAs(ada);
        var query = $"format=csv&dry_run=true&source_name=Meter&mapping={Uri.EscapeDataString(Samples.MeterMapping)}";
        using var response = await http.PostAsync(new Uri($"/sync/v1/imports?{query}", UriKind.Relative), new StringContent(Samples.Meter), Ct);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var shown = await response.Content.ReadFromJsonAsync<JsonElement>(Ct);
        Assert.Equal(18231.4, shown.GetProperty("rows")[0].GetProperty("values").GetProperty("reading").GetDouble());
        Assert.Equal("2024-03-30T21:03:00+01:00", shown.GetProperty("rows")[0].GetProperty("at").GetString());
        Assert.Equal(2, shown.GetProperty("problems").GetArrayLength());
        Assert.Equal("kW.h", shown.GetProperty("sources")[0].GetProperty("metrics").GetProperty("reading").GetProperty("unit").GetString());

        foreach (var packed in new[] { Encoding.UTF8.GetBytes(Samples.Export(Samples.Everything + Samples.Beats(90_000))), Samples.Zip(("x", Encoding.UTF8.GetBytes(Samples.Export(Samples.Everything)))) })
        {
            using var apple = await http.PostAsync(new Uri($"/sync/v1/imports?{Apple}&dry_run=true", UriKind.Relative), new ByteArrayContent(packed), Ct);
            var rows = (await apple.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("rows");
            Assert.Equal(61, rows[0].GetProperty("values").GetProperty("heart_rate").GetDouble());
            Assert.Contains(rows.EnumerateArray(), row => row.TryGetProperty("event", out var happening) && happening.ValueKind == JsonValueKind.Object);
        }

        using var wrong = await http.PostAsync(new Uri($"/sync/v1/imports?{Apple}&dry_run=true", UriKind.Relative), new StringContent("{}"), Ct);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, wrong.StatusCode);
        Assert.Empty((await http.GetFromJsonAsync<JsonElement>(new Uri("/sync/v1/imports", UriKind.Relative), Ct)).GetProperty("imports").EnumerateArray());
        Assert.Empty((await sync.ReadAsync(ada, "sources")).GetProperty("sources").EnumerateArray());
    }

    [Fact]
    public async Task Rejects_are_counted_all_and_kept_up_to_the_cap_as_lines_or_as_a_table()
    {
        using var http = sync.SignedInAs(ada);
        var bad = string.Concat(Enumerable.Range(0, 2_000).Select(i => $"""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W" unit="count/min" startDate="2024-03-01 08:00:00 +0100" value="=cmd{i}"/>""" + "\n"));
        var import = await SyncService.StartAsync(http, Apple, Samples.Export(bad));
        var end = await SyncService.EndAsync(http, import);
        Assert.Equal((0, 0, 0, 2_000), Counts(end));
        Assert.Equal(1_000, end.GetProperty("receipt").GetProperty("examples").GetArrayLength());
        Assert.Equal(1_500, end.GetProperty("receipt").GetProperty("examples_kept").GetInt32());
        var lines = (await http.GetStringAsync(new Uri($"{import}/rejects", UriKind.Relative), Ct)).Trim().Split('\n');
        Assert.Equal(1_500, lines.Length);
        Assert.Equal(5, JsonDocument.Parse(lines[0]).RootElement.GetProperty("line").GetInt32());
        http.DefaultRequestHeaders.Accept.ParseAdd("text/csv");
        var table = (await http.GetStringAsync(new Uri($"{import}/rejects", UriKind.Relative), Ct)).Trim().Split("\r\n");
        Assert.Equal("line,record,type,detail", table[0]);
        Assert.Equal(1_501, table.Length);
    }

    [Fact]
    public async Task What_readings_refuses_is_listed_with_its_line_in_the_file()
    {
        using var http = sync.SignedInAs(ada);
        var future = $"""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W" unit="count/min" startDate="{DateTime.UtcNow.Year + 2}-03-01 08:00:00 +0100" value="61"/>""";
        var end = await SyncService.ImportAsync(http, Apple, Samples.Export(Samples.Beats(10) + future + "\n" + Samples.Beats(0)));
        Assert.Equal((10, 0, 0, 1), Counts(end));
        var example = end.GetProperty("receipt").GetProperty("examples")[0];
        Assert.Equal((15, "heart_rate", "impossible-date"), (example.GetProperty("line").GetInt32(), example.GetProperty("record").GetString(), example.GetProperty("type").GetString()));
    }

    [Fact]
    public async Task The_end_of_an_import_is_announced_and_its_file_is_gone()
    {
        using var http = sync.SignedInAs(ada);
        var import = await SyncService.StartAsync(http, Apple, Samples.Export(Samples.Beats(7)));
        await SyncService.EndAsync(http, import);
        var id = Guid.Parse(import.ToString().Split('/')[^1]);
        await using var connection = new NpgsqlConnection(sync.Database.Superuser);
        for (var waited = System.Diagnostics.Stopwatch.StartNew(); Directory.EnumerateFiles(sync.Folder, $"*{id:N}*").Any(); await Task.Delay(20, Ct))
            Assert.True(waited.Elapsed.TotalSeconds < 60);
        // The row leaves the outbox when the relay has sent it: what is left to see is that the state and the event were one transaction.
        Assert.Equal("completed", await connection.ExecuteScalarAsync<string>("select state from imports where import_id = @id", new { id }));
    }

    private static (int Stored, int Unchanged, int Replaced, int Rejected) Counts(JsonElement view)
    {
        int Of(string name) => view.GetProperty("receipt").GetProperty(name).GetInt32();
        return (Of("stored"), Of("unchanged"), Of("replaced"), Of("rejected"));
    }

    /// <summary>A body whose length nobody knows: it travels in chunks.</summary>
    private sealed class Unseekable(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
