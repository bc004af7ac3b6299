using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Support;
using RabbitMQ.Client;

namespace OpenReadings.ChassisTests;

public sealed class EventTests(Notebook notebook)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_outsider_with_a_bare_client_reads_a_plain_CloudEvent()
    {
        var user = Guid.NewGuid();
        await using var outsider = await Outsider.ConnectAsync(notebook.Broker, "notebook.events");
        var note = await WriteAsync(user, "hello");
        var message = await outsider.NextAsync(m => m.Body.Contains(note.ToString(), StringComparison.Ordinal));
        using var body = JsonDocument.Parse(message.Body);
        var root = body.RootElement;
        Assert.Equal("1.0", root.GetProperty("specversion").GetString());
        Assert.Equal("/notebook", root.GetProperty("source").GetString());
        Assert.Equal("note.written.v1", root.GetProperty("type").GetString());
        Assert.Equal(user.ToString(), root.GetProperty("subject").GetString());
        Assert.Equal(["user_id", "note_id", "text"], root.GetProperty("data").EnumerateObject().Select(property => property.Name));
        Assert.Equal(root.GetProperty("id").GetString(), message.Properties.MessageId);
        Assert.Equal("application/cloudevents+json", message.Properties.ContentType);
        Assert.Equal("note.written.v1", message.RoutingKey);
        Assert.Equal(DeliveryModes.Persistent, message.Properties.DeliveryMode);
        Assert.Equal(["traceparent"], message.Properties.Headers!.Keys);
    }

    [Fact]
    public async Task What_was_rolled_back_is_never_announced()
    {
        var user = Guid.NewGuid();
        using var response = await PostAsync(user, Guid.NewGuid(), "rolled back");
        Assert.Equal(HttpStatusCode.Conflict, response.StatusCode);
        Assert.Equal(0, await OutboxRowsAsync(user));
        Assert.Equal(0, await notebook.CountOfAsync(user));
    }

    [Fact]
    public async Task A_repeated_request_and_a_repeated_message_take_effect_once()
    {
        var user = Guid.NewGuid();
        var note = await WriteAsync(user, "once");
        using var again = await PostAsync(user, note, "once");
        Assert.Equal(HttpStatusCode.NoContent, again.StatusCode);
        await UntilAsync(async () => await notebook.CountOfAsync(user) == 1);

        await using var outsider = await Outsider.ConnectAsync(notebook.Broker, "notebook.events");
        var id = Guid.CreateVersion7();
        var handled = 0;
        var both = new TaskCompletionSource();
        notebook.Counting.Handled += received => { if (received.Id == id && Interlocked.Increment(ref handled) == 2) both.TrySetResult(); };
        for (var i = 0; i < 2; i++) await outsider.SendToAsync("notebook.counts", Envelope(id, user));
        await both.Task.WaitAsync(Patience, Ct);
        Assert.Equal(2, await notebook.CountOfAsync(user));
    }

    [Fact]
    public async Task A_relay_that_dies_between_publish_and_commit_sends_again_and_the_inbox_absorbs_it()
    {
        await using var database = await TestDatabase.CreateAsync("notebook");
        await using var migrator = new NpgsqlConnection(database.Migrator);
        await migrator.ExecuteAsync(
            """
            create table notes (user_id uuid not null default app_user_id(), note_id uuid, text text, primary key (user_id, note_id));
            call own_rows('notes');
            create table note_counts (user_id uuid primary key default app_user_id(), n int not null);
            call own_rows('note_counts');
            -- The first commit of the relay fails after all was published, as if the process had died there.
            create sequence deaths;
            grant usage on sequence deaths to notebook_relay;
            create function die_once() returns trigger language plpgsql as $$
            begin
                if nextval('deaths') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if;
                return null;
            end $$;
            create constraint trigger die_once after delete on outbox deferrable initially deferred for each row execute function die_once();
            """);
        var broker = await TestBroker.CreateVhostAsync();
        await using var outsider = await Outsider.ConnectAsync(broker, "notebook.events");
        var counting = Notebook.NewSubscription();
        await using var app = await Notebook.StartAsync(database, broker, notebook.Identity, counting);
        var user = Guid.NewGuid();
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        http.DefaultRequestHeaders.Authorization = new("Bearer", notebook.Identity.TokenFor(user));
        (await http.PostAsJsonAsync("/notebook/v1/notes", new { id = Guid.NewGuid(), text = "again" }, Ct)).EnsureSuccessStatusCode();

        var first = await outsider.NextAsync(_ => true);
        var second = await outsider.NextAsync(_ => true);
        Assert.Equal(first.Properties.MessageId, second.Properties.MessageId);
        await UntilAsync(async () => await CountAsync() == 1);
        await UntilAsync(async () => await migrator.ExecuteScalarAsync<int>("select count(*)::int from outbox") == 0);
        Assert.Equal(1, await CountAsync());

        async Task<int> CountAsync()
        {
            await using var db = await app.Services.GetRequiredService<Database>().BeginAsync(user, Ct);
            return await db.ScalarAsync<int>("select coalesce(sum(n), 0)::int from note_counts");
        }
    }

    [Fact]
    public async Task While_the_broker_is_away_writes_go_on_and_afterwards_every_event_arrives_in_order()
    {
        await using var proxy = new TcpProxy(notebook.Broker.Host, notebook.Broker.Port);
        var vhost = await TestBroker.CreateVhostAsync();
        var through = new UriBuilder(vhost) { Port = proxy.Port }.Uri;
        await using var database = await TestDatabase.CreateAsync("notebook");
        await using (var migrator = new NpgsqlConnection(database.Migrator))
            await migrator.ExecuteAsync(
                """
                create table notes (user_id uuid not null default app_user_id(), note_id uuid, text text, primary key (user_id, note_id));
                call own_rows('notes');
                """);
        await using var outsider = await Outsider.ConnectAsync(vhost, "notebook.events");
        await using var app = await Notebook.StartAsync(database, through, notebook.Identity, counting: null);
        var user = Guid.NewGuid();
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        http.DefaultRequestHeaders.Authorization = new("Bearer", notebook.Identity.TokenFor(user));
        async Task Write(string text) =>
            (await http.PostAsJsonAsync("/notebook/v1/notes", new { id = Guid.NewGuid(), text }, Ct)).EnsureSuccessStatusCode();

        await Write("n000");
        await outsider.NextAsync(_ => true);
        proxy.Cut();
        for (var i = 1; i <= 300; i++) await Write($"n{i:000}");
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync(new Uri("/readyz", UriKind.Relative), Ct)).StatusCode);
        proxy.Restore();

        var seen = new List<string>();
        while (seen.Distinct().Count() < 300)
            seen.Add(JsonDocument.Parse((await outsider.NextAsync(_ => true)).Body).RootElement.GetProperty("data").GetProperty("text").GetString()!);
        Assert.Equal(Enumerable.Range(1, 300).Select(i => $"n{i:000}"), seen.Distinct());
    }

    [Fact]
    public async Task A_handler_that_fails_twice_is_tried_again_in_place()
    {
        // On a broker of its own: other tests here stop services and cut wires, and what was not confirmed then comes once more.
        var (user, note) = (Guid.NewGuid(), Guid.NewGuid());
        await using var database = await Notebook.NewDatabaseAsync();
        await using var app = await Notebook.StartAsync(database, await TestBroker.CreateVhostAsync(), notebook.Identity, Notebook.NewSubscription());
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        using (var request = Request(user, note, "fails twice")) Assert.Equal(HttpStatusCode.Created, (await http.SendAsync(request, Ct)).StatusCode);
        await UntilAsync(async () =>
        {
            await using var db = await app.Services.GetRequiredService<Database>().BeginAsync(user, Ct);
            return await db.ScalarAsync<int>("select coalesce(sum(n), 0)::int from note_counts") == 1;
        });
        Assert.Equal(3, CountNote.Attempts[note]);
    }

    [Theory]
    [InlineData("not JSON at all")]
    [InlineData("""{"specversion":"1.0","id":"not a uuid","type":"note.written.v1","data":{}}""")]
    [InlineData("""{"specversion":"1.0","id":"01a1fabf-c5d8-7a3e-a22a-8c90e9a54227","type":"note.written.v1","data":{"user_id":7}}""")]
    public async Task What_is_no_event_of_ours_is_parked_at_once_with_the_kind_of_error_only(string body)
    {
        await using var outsider = await Outsider.ConnectAsync(notebook.Broker, "notebook.events");
        var mark = Guid.NewGuid().ToString();
        await outsider.SendToAsync("notebook.counts", body, mark);
        await UntilAsync(async () =>
        {
            while (await outsider.GetAsync("notebook.counts.parked") is { } parked)
                if (parked.BasicProperties.MessageId == mark)
                    return parked.BasicProperties.Headers!["x-error"] is byte[] error && System.Text.Encoding.ASCII.GetString(error).EndsWith("Exception", StringComparison.Ordinal);
            return false;
        });
    }

    [Fact]
    public async Task One_trace_leads_from_the_request_through_the_outbox_to_the_handler()
    {
        var spans = new ConcurrentBag<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is "Microsoft.AspNetCore" or "Npgsql" or EventSender.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Add,
        };
        ActivitySource.AddActivityListener(listener);
        var trace = ActivityTraceId.CreateRandom();
        var user = Guid.NewGuid();
        using var request = Request(user, Guid.NewGuid(), "traced");
        request.Headers.Add("traceparent", $"00-{trace}-b7ad6b7169203331-01");
        (await notebook.Http.SendAsync(request, Ct)).EnsureSuccessStatusCode();
        await UntilAsync(() => Task.FromResult(spans.Any(s => s.TraceId == trace && s.Kind == ActivityKind.Consumer)));
        var kinds = spans.Where(s => s.TraceId == trace).Select(s => (s.Source.Name, s.Kind)).ToHashSet();
        Assert.Contains(("Microsoft.AspNetCore", ActivityKind.Server), kinds);
        Assert.Contains(("Npgsql", ActivityKind.Client), kinds);
        Assert.Contains((EventSender.SourceName, ActivityKind.Producer), kinds);
        Assert.Contains((EventSender.SourceName, ActivityKind.Consumer), kinds);
    }

    [Fact]
    public void The_bus_reports_to_nobody() =>
        Assert.DoesNotContain(notebook.App.Services.GetServices<Microsoft.Extensions.Hosting.IHostedService>(), service =>
            service.GetType().FullName!.Contains("Telemetry", StringComparison.Ordinal) && service.GetType().Namespace!.StartsWith("MassTransit", StringComparison.Ordinal));

    [Fact]
    public void Event_ids_grow_strictly_even_within_a_millisecond()
    {
        var ids = Enumerable.Range(0, 10_000).Select(_ => OpenReadings.Chassis.OrderedId.Next().ToString()).ToList();
        Assert.Equal(ids.Order(StringComparer.Ordinal), ids);
        Assert.All(ids, id => Assert.Equal('7', id[14]));
        var milliseconds = Convert.ToInt64(ids[0][..13].Replace("-", "", StringComparison.Ordinal), 16);
        Assert.InRange(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() - milliseconds, 0, 60_000);
    }

    private async Task<Guid> WriteAsync(Guid user, string text)
    {
        var note = Guid.NewGuid();
        using var response = await PostAsync(user, note, text);
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        return note;
    }

    private async Task<HttpResponseMessage> PostAsync(Guid user, Guid note, string text)
    {
        using var request = Request(user, note, text);
        return await notebook.Http.SendAsync(request, Ct);
    }

    private HttpRequestMessage Request(Guid user, Guid note, string text) => new(HttpMethod.Post, "/notebook/v1/notes")
    {
        Content = JsonContent.Create(new { id = note, text }),
        Headers = { Authorization = new AuthenticationHeaderValue("Bearer", notebook.Identity.TokenFor(user)) },
    };

    private async Task<int> OutboxRowsAsync(Guid user)
    {
        await using var connection = new NpgsqlConnection(notebook.Database.Migrator);
        return await connection.ExecuteScalarAsync<int>("select count(*)::int from outbox where subject = @user", new { user = user.ToString() });
    }

    private static string Envelope(Guid id, Guid user) => JsonSerializer.Serialize(new
    {
        specversion = "1.0", id, source = "/notebook", type = "note.written.v1", subject = user, time = DateTimeOffset.UtcNow,
        data = new { user_id = user, note_id = Guid.NewGuid(), text = "sent by hand" },
    });

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        var limit = Stopwatch.StartNew();
        while (!await holds())
        {
            if (limit.Elapsed > Patience) Assert.Fail("It did not happen in time.");
            await Task.Delay(20, Ct);
        }
    }
}
