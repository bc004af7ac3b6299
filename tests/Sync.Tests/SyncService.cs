extern alias readings;

using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Npgsql;
using OpenReadings.Support;
using OpenReadings.SyncTests;
using OpenReadings.Units;

[assembly: AssemblyFixture(typeof(SyncService))]

namespace OpenReadings.SyncTests;

/// <summary>The readings service, as it runs in production, for sync to write to.</summary>
public sealed class ReadingsService() : ServiceUnderTest<readings::Program>("readings")
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using var connection = new NpgsqlConnection(Database.Superuser);
        await connection.ExecuteAsync(
            "insert into series_types (code, category, unit, aggregation, minimum, maximum, panel, version) values (@Code, @Category, @Unit, @Aggregation, @Minimum, @Maximum, @Panel, 1)",
            SeriesTypes.All);
    }
}

/// <summary>
/// The sync service as it runs in production, writing to the real readings service. Only the issuer of tokens is the
/// suite's own; it refuses people who are in <see cref="Gone"/> and is out of order for those in <see cref="Unlucky"/>.
/// </summary>
public sealed class SyncService() : ServiceUnderTest<Program>("sync")
{
    public const string ClientSecret = "a secret & more %";
    private WebApplication tokens = null!;

    public ReadingsService Readings { get; } = new();

    /// <summary>The line between the two services, to be cut and mended.</summary>
    public Line Line { get; private set; } = null!;
    public HashSet<Guid> Gone { get; } = [];
    public HashSet<Guid> Unlucky { get; } = [];
    public List<Guid> Exchanges { get; } = [];
    public string Folder { get; } = Directory.CreateTempSubdirectory("imports-").FullName;

    protected override IEnumerable<KeyValuePair<string, string?>> Settings =>
    [
        new("Identity:Tokens", $"{tokens.Urls.First()}/tokens"), new("Identity:ClientSecret", ClientSecret), new("Readings:Url", Line.Address.ToString()),
        new("Imports:Directory", Folder), new("Imports:LeaseSeconds", "3"), new("Imports:Parallel", "4"), new("Imports:MaxBytes", "200000000"),
        new("Imports:MaxRejects", "1500"), new("Imports:CheckpointRecords", "1000"),
    ];

    public override async ValueTask InitializeAsync()
    {
        await Readings.InitializeAsync();
        Line = await Line.ToAsync(Readings.Address);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        tokens = builder.Build();
        tokens.MapPost("/tokens", ExchangeAsync);
        await tokens.StartAsync();
        await base.InitializeAsync();
    }

    /// <summary>Sends a file and answers the import's address.</summary>
    public static async Task<Uri> StartAsync(HttpClient http, string query, byte[] file)
    {
        using var response = await http.PostAsync(new Uri($"/sync/v1/imports?{query}", UriKind.Relative), new ByteArrayContent(file), Ct);
        Assert.True(response.StatusCode == HttpStatusCode.Accepted, $"{response.StatusCode} {await response.Content.ReadAsStringAsync(Ct)}");
        return response.Headers.Location!;
    }

    public static Task<Uri> StartAsync(HttpClient http, string query, string file) => StartAsync(http, query, Encoding.UTF8.GetBytes(file));

    /// <summary>Waits for the end of an import.</summary>
    public static async Task<JsonElement> EndAsync(HttpClient http, Uri import) => await UntilAsync(http, import, state => state is "completed" or "failed" or "cancelled");

    public static async Task<JsonElement> UntilAsync(HttpClient http, Uri import, Func<string, bool> holds)
    {
        for (var waited = System.Diagnostics.Stopwatch.StartNew(); waited.Elapsed.TotalSeconds < 90; await Task.Delay(20, Ct))
        {
            var view = await http.GetFromJsonAsync<JsonElement>(import, Ct);
            if (holds(view.GetProperty("state").GetString()!)) return view;
        }

        throw new TimeoutException((await http.GetFromJsonAsync<JsonElement>(import, Ct)).ToString());
    }

    /// <summary>Imports a file and waits for its end.</summary>
    public static async Task<JsonElement> ImportAsync(HttpClient http, string query, string file) => await EndAsync(http, await StartAsync(http, query, file));

    /// <summary>Asks readings as the person.</summary>
    public async Task<JsonElement> ReadAsync(Guid user, string path)
    {
        using var http = Readings.SignedInAs(user);
        return await http.GetFromJsonAsync<JsonElement>(new Uri($"/readings/v1/{path}", UriKind.Relative), Ct);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await tokens.DisposeAsync();
        await Line.DisposeAsync();
        await Readings.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private async Task<IResult> ExchangeAsync(HttpRequest request)
    {
        var form = await request.ReadFormAsync();
        var basic = Encoding.UTF8.GetString(Convert.FromBase64String(request.Headers.Authorization.ToString()["Basic ".Length..]));
        if (basic != $"sync:{Uri.EscapeDataString(ClientSecret)}") return Results.Json(new { error = "invalid_client" }, statusCode: 401);
        var user = Guid.Parse(form["subject_token"].ToString());
        lock (Exchanges) Exchanges.Add(user);
        if (Unlucky.Contains(user)) return Results.StatusCode(503);
        if (Gone.Contains(user)) return Results.Json(new { error = "invalid_grant" }, statusCode: 400);
        return Results.Json(new { access_token = Readings.Identity.TokenFor(user, "readings", "readings:read readings:write", "sync"), token_type = "Bearer", expires_in = 600 });
    }
}
