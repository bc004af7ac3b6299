using System.Diagnostics;
using System.IO.Compression;
using System.Net;
using System.Text.Json;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Sync.Importing;

namespace OpenReadings.SyncTests;

/// <summary>What one person may take of what all share.</summary>
public sealed class LimitTests(SyncService sync)
{
    private const string Apple = "/sync/v1/imports?format=apple-health";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Somebody_sends_five_files_at_once_and_no_sixth_and_somebody_else_does()
    {
        var ada = Guid.NewGuid();
        using var http = sync.SignedInAs(ada);
        Stalled[] files = [new(), new(), new(), new(), new()];
        var sending = files.Select(file => http.PostAsync(Apple, file, Ct)).ToArray();
        var uploads = sync.Services.GetRequiredService<Uploads>();
        for (var waited = Stopwatch.StartNew(); uploads.By(ada) < 5 && waited.Elapsed.TotalSeconds < 20; await Task.Delay(10, Ct)) { }
        await IsProblemAsync(await http.PostAsync(Apple, new StringContent("<HealthData/>"), Ct), HttpStatusCode.TooManyRequests, "too-many-uploads");

        using var other = sync.SignedInAs(Guid.NewGuid());
        using var theirs = await other.PostAsync(Apple, new StringContent("<HealthData/>"), Ct);
        Assert.Equal(HttpStatusCode.Accepted, theirs.StatusCode);
        foreach (var file in files) file.GoOn.SetResult();
        foreach (var sent in sending) Assert.Equal(HttpStatusCode.Accepted, (await sent).StatusCode);
    }

    [Fact]
    public async Task The_files_of_one_person_that_wait_have_so_many_bytes_and_no_more()
    {
        var ada = Guid.NewGuid();
        sync.Line.Disturb(ada, (_, _) => Task.FromResult<int?>(503));
        using var http = sync.SignedInAs(ada);
        await SyncService.StartAsync(http, "format=apple-health", Samples.Export(Samples.Beats(3)));
        await using var connection = new NpgsqlConnection(sync.Database.Superuser);
        await connection.ExecuteAsync("update imports set total_bytes = 32::bigint << 30 where user_id = @ada", new { ada });
        await IsProblemAsync(await http.PostAsync(Apple, new StringContent("<HealthData/>"), Ct), HttpStatusCode.TooManyRequests, "too-many-bytes");
    }

    [Fact]
    public async Task A_gzip_that_grows_beyond_reason_is_not_written_to_the_disk()
    {
        var ada = Guid.NewGuid();
        using var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true)) await gzip.WriteAsync(new byte[40_000_000], Ct);
        var body = new ByteArrayContent(packed.ToArray());
        body.Headers.ContentEncoding.Add("gzip");
        using var http = sync.SignedInAs(ada);
        await IsProblemAsync(await http.PostAsync(Apple, body, Ct), HttpStatusCode.UnprocessableEntity, "zip-bomb");
        Assert.Empty(Directory.EnumerateFiles(sync.Folder, $"{ada:N}-*"));
    }

    [Fact]
    public async Task Whoever_downloads_rejects_slowly_holds_no_connection_to_the_database()
    {
        var ada = Guid.NewGuid();
        using var http = sync.SignedInAs(ada);
        var import = await SyncService.StartAsync(http, "format=apple-health", Samples.Export(Samples.Beats(1)));
        await SyncService.EndAsync(http, import);
        var id = Guid.Parse(import.ToString().Split('/')[^1]);
        await using var connection = new NpgsqlConnection(sync.Database.Superuser);
        await connection.ExecuteAsync(
            """
            insert into import_rejects (user_id, import_id, number, line, type, detail)
            select @ada, @id, n, n, 'made-up', repeat('x', 2000) from generate_series(1, 20000) n
            """, new { ada, id });
        using var slow = await http.GetAsync(new Uri($"{import}/rejects", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, Ct);
        var held = 1;
        for (var waited = Stopwatch.StartNew(); held > 0 && waited.Elapsed.TotalSeconds < 10; await Task.Delay(50, Ct))
            held = await connection.ExecuteScalarAsync<int>(
                "select count(*)::int from pg_stat_activity where usename = 'sync_app' and datname = current_database() and state <> 'idle' and query like '%from import_rejects%'");
        Assert.Equal(0, held);

        using var lines = new StreamReader(await slow.Content.ReadAsStreamAsync(Ct));
        for (var line = 1; line <= 20_000; line++)
            Assert.Equal(line, JsonDocument.Parse((await lines.ReadLineAsync(Ct))!).RootElement.GetProperty("line").GetInt32());
        Assert.Null(await lines.ReadLineAsync(Ct));
    }

    [Fact]
    public async Task An_account_is_erased_only_when_an_import_that_is_just_being_added_is_in_sight()
    {
        var ada = Guid.NewGuid();
        await using var adding = new NpgsqlConnection(sync.Database.App);
        await adding.OpenAsync(Ct);
        await using var transaction = await adding.BeginTransactionAsync(Ct);
        await adding.ExecuteAsync("select set_config('app.user_id', @ada::text, true)", new { ada }, transaction);
        await adding.ExecuteAsync("insert into imports (import_id, format, total_bytes) values (gen_random_uuid(), 'csv', 1)", null, transaction);

        var forget = ActivatorUtilities.CreateInstance<ForgetPerson>(sync.Services);
        var received = new Received(Guid.CreateVersion7(), AccountDeleted.Type, $"{ada}", DateTimeOffset.UtcNow, null);
        var erasing = forget.HandleAsync(new AccountDeleted(ada, DateTimeOffset.UtcNow), received, Ct);
        await using var connection = new NpgsqlConnection(sync.Database.Superuser);
        for (var waited = Stopwatch.StartNew(); !erasing.IsCompleted && waited.Elapsed.TotalSeconds < 20; await Task.Delay(20, Ct))
            if (await connection.ExecuteScalarAsync<bool>("select exists (select from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database()))")) break;
        await transaction.CommitAsync(Ct);
        await erasing;
        Assert.Equal(0, await connection.ExecuteScalarAsync<int>("select count(*)::int from imports where user_id = @ada", new { ada }));
    }

    private static async Task IsProblemAsync(HttpResponseMessage response, HttpStatusCode status, string type)
    {
        var said = await response.Content.ReadAsStringAsync(Ct);
        Assert.True(status == response.StatusCode, $"{response.StatusCode} {said}");
        Assert.Equal(type, JsonDocument.Parse(said).RootElement.GetProperty("type").GetString());
    }

    /// <summary>A file that stops before its end until it may go on.</summary>
    private sealed class Stalled : HttpContent
    {
        private static readonly byte[] Beginning = [.. "<HealthData>"u8, .. Enumerable.Repeat((byte)' ', 100_000)], Rest = [.. "</HealthData>"u8];

        public TaskCompletionSource GoOn { get; } = new();

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(Beginning, Ct);
            await stream.FlushAsync(Ct);
            await GoOn.Task;
            await stream.WriteAsync(Rest, Ct);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = Beginning.Length + Rest.Length;
            return true;
        }
    }
}
