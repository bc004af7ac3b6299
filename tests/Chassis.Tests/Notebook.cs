using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.ChassisTests;
using OpenReadings.Events;
using OpenReadings.Support;

[assembly: AssemblyFixture(typeof(Notebook))]

namespace OpenReadings.ChassisTests;

public sealed record NoteWritten(Guid UserId, Guid NoteId, string Text) : IEvent
{
    public static string Type => "note.written.v1";
    public string Subject => UserId.ToString();
}

/// <summary>Counts a note once. Some texts make it fail, so that the seam's way with failures can be seen.</summary>
public sealed class CountNote(Database database) : IHandle<NoteWritten>
{
    public static ConcurrentDictionary<Guid, int> Attempts { get; } = new();

    public async Task HandleAsync(NoteWritten happened, Received received, CancellationToken ct)
    {
        var attempt = Attempts.AddOrUpdate(happened.NoteId, 1, (_, before) => before + 1);
        if (happened.Text == "fails twice" && attempt < 3) throw new InvalidOperationException("not yet");
        await using var db = await database.BeginAsync(happened.UserId, ct);
        if (!await db.IsFirstTimeAsync(received.Id, nameof(CountNote))) return;
        await db.ExecuteAsync("insert into note_counts (n) values (1) on conflict (user_id) do update set n = note_counts.n + 1");
        await db.CommitAsync();
    }
}

/// <summary>The smallest service that stands on the chassis: notes, written with an event and counted by a consumer.</summary>
public sealed class Notebook : IAsyncLifetime
{
    public sealed record NewNote(Guid Id, [StringLength(40)] string Text);

    public TestDatabase Database { get; private set; } = null!;
    public TestIdentity Identity { get; private set; } = null!;
    public WebApplication App { get; private set; } = null!;
    public Subscription Counting { get; } = NewSubscription();
    public Uri Broker { get; private set; } = null!;
    public HttpClient Http { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Identity = await TestIdentity.StartAsync();
        Database = await NewDatabaseAsync();
        Broker = await TestBroker.CreateVhostAsync();
        App = await StartAsync(Database, Broker, Identity, Counting);
        Http = new HttpClient { BaseAddress = new Uri(App.Urls.First()) };
    }

    public static async Task<TestDatabase> NewDatabaseAsync()
    {
        var database = await TestDatabase.CreateAsync("notebook");
        await using var connection = new NpgsqlConnection(database.Migrator);
        await connection.ExecuteAsync(
            """
            create table notes (user_id uuid not null default app_user_id(), note_id uuid, text text, primary key (user_id, note_id));
            call own_rows('notes');
            create table note_counts (user_id uuid primary key default app_user_id(), n int not null);
            call own_rows('note_counts');
            """);
        return database;
    }

    public static Subscription NewSubscription() =>
        new Subscription("notebook.counts", "notebook.events").On<NoteWritten, CountNote>();

    public static async Task<WebApplication> StartAsync(
        TestDatabase database, Uri broker, TestIdentity identity, Subscription? counting, params (string Key, string Value)[] settings)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Configuration.AddInMemory(
        [
            ("ConnectionStrings:app", database.App), ("ConnectionStrings:relay", database.Relay), ("Broker", broker.ToString()),
            ("Identity:Issuer", TestIdentity.Issuer), ("Identity:Jwks", identity.Jwks.ToString()), ("Urls", "http://127.0.0.1:0"),
            ("Limits:RequestsPerMinute", "1000000"), ("Limits:AddressPerMinute", "1000000"), .. settings,
        ]);
        builder.AddChassis("notebook", counting is null ? [] : [counting]);
        builder.Services.AddValidation();
        builder.Logging.SetMinimumLevel(LogLevel.Critical);
        var app = builder.Build().UseChassis();
        app.MapGet("/boom", () => { throw new InvalidOperationException("a secret detail"); });
        var routes = app.MapGroup("/notebook/v1").RequireAuthorization();
        routes.MapPost("/notes", WriteAsync).WithName("WriteNote").WithExample("""{"id": "0", "text": "x"}""", "{}");
        routes.MapGet("/notes", (CurrentUser user, Database notes, CancellationToken ct) =>
            notes.ReadAsync<string>(user, "select text from notes where @like::text is null or text like @like order by text", new { like = (string?)null }, ct));
        routes.MapGet("/scoped", () => "in").RequireScopes("diary");
        await app.StartAsync();
        if (counting is not null) await TestBroker.UntilBoundAsync(broker, counting.Queue);
        return app;
    }

    private static async Task<IResult> WriteAsync(NewNote note, CurrentUser user, Database database, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        var inserted = await db.ExecuteAsync(
            "insert into notes (note_id, text) values (@Id, @Text) on conflict do nothing", note);
        if (inserted == 0) return TypedResults.NoContent();
        await db.PublishAsync(new NoteWritten(user.Id, note.Id, note.Text));
        if (note.Text == "rolled back") return TypedResults.Conflict();
        await db.CommitAsync();
        return TypedResults.Created();
    }

    public async Task<int> CountOfAsync(Guid user)
    {
        await using var db = await App.Services.GetRequiredService<Database>().BeginAsync(user, CancellationToken.None);
        return await db.ScalarAsync<int>("select coalesce(sum(n), 0)::int from note_counts");
    }

    public async ValueTask DisposeAsync()
    {
        await App.DisposeAsync();
        await Database.DisposeAsync();
        await Identity.DisposeAsync();
        Http.Dispose();
    }
}

internal static class Configuration
{
    public static void AddInMemory(this Microsoft.Extensions.Configuration.ConfigurationManager config, IEnumerable<(string Key, string Value)> settings) =>
        Microsoft.Extensions.Configuration.MemoryConfigurationBuilderExtensions.AddInMemoryCollection(
            config, settings.GroupBy(setting => setting.Key, (key, all) => KeyValuePair.Create<string, string?>(key, all.Last().Value)));
}
