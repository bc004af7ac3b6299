using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using OpenReadings.Events;
using OpenReadings.Identity.Queues;
using OpenReadings.Identity.Tests.OAuth;
using OpenReadings.Support;
using RabbitMQ.Client;
using static System.Net.HttpStatusCode;
using static OpenReadings.Identity.Tests.Waiting;

namespace OpenReadings.Identity.Tests.Queues;

/// <summary>A service whose way to the management of the broker can be cut.</summary>
public sealed class WiredService : IdentityService
{
    public TcpProxy Wire { get; } = new(TestBroker.Management.Host, TestBroker.Management.Port);
    public Uri Integrators { get; private set; } = null!;

    protected override IEnumerable<KeyValuePair<string, string?>> Settings =>
    [
        .. base.Settings,
        new("BrokerManagement", new UriBuilder(TestBroker.Management) { Port = Wire.Port }.Uri.ToString()),
        new("Integrators:Address", new UriBuilder(Integrators) { UserName = "", Password = "" }.Uri.ToString()),
    ];

    public override async ValueTask InitializeAsync()
    {
        Integrators = await TestBroker.CreateVhostAsync();
        await base.InitializeAsync();
        // Those of the services that are not here.
        await using var connection = await new ConnectionFactory { Uri = Broker }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        foreach (var exchange in Audience.Of.Values.Select(from => from.Exchange).Distinct()) await channel.ExchangeDeclareAsync(exchange, ExchangeType.Topic, durable: true);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await Wire.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}

/// <summary>Queues of applications as their owners ask for them, and the broker that is made to have them. What arrives in them: Journeys.</summary>
public sealed class DeliveryTests(WiredService service, IdentityService without) : IClassFixture<WiredService>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_queue_is_asked_for_once_and_its_password_is_shown_once_and_kept_nowhere()
    {
        var (maker, app) = await MadeAsync();
        using var asked = await maker.Http.PutAsync(RouteOf(app), null, Ct);
        Assert.Equal((Created, true, RouteOf(app)), (asked.StatusCode, asked.Headers.CacheControl?.NoStore, asked.Headers.Location?.OriginalString));
        var (made, password) = (await asked.JsonAsync(), (await asked.JsonAsync()).Text("password"));
        Assert.StartsWith($"app.{app.ClientId}.", made.Text("queue"), StringComparison.Ordinal);
        Assert.Equal((made.Text("queue"), service.Integrators.AbsolutePath.Trim('/'), TestServers.Broker.Port), (made.Text("username"), made.Text("vhost"), made.GetProperty("port").GetInt32()));
        Assert.DoesNotContain("@", made.Text("address"), StringComparison.Ordinal);
        using (var again = await maker.Http.PutAsync(RouteOf(app), null, Ct))
            Assert.Equal((OK, made.Text("queue"), null), (again.StatusCode, (await again.JsonAsync()).Text("queue"), (await again.JsonAsync()).GetProperty("password").GetString()));
        await ReadyAsync(maker, app);
        await using (var connection = await EnterAsync(made.Text("queue"), password))
        await using (var channel = await connection.CreateChannelAsync(cancellationToken: Ct)) await channel.BasicGetAsync(made.Text("queue"), autoAck: true, Ct);

        using (var shown = await maker.Http.GetAsync(RouteOf(app), Ct)) Assert.Null((await shown.JsonAsync()).GetProperty("password").GetString());
        var rows = await service.SqlAsync<string>("select q::text from application_queues q union all select a::text from audit a");
        Assert.DoesNotContain(rows, row => row.Contains(password, StringComparison.Ordinal) || row.Contains(Convert.ToHexStringLower(Encoding.ASCII.GetBytes(password)), StringComparison.Ordinal));
        var provisioner = Uri.UnescapeDataString(TestBroker.Management.UserInfo);
        string[] secrets = [password, provisioner.Split(':')[1], Convert.ToBase64String(Encoding.UTF8.GetBytes(provisioner))];
        Assert.DoesNotContain(service.Log.Lines, line => secrets.Any(secret => line.Contains(secret, StringComparison.Ordinal)));
        Assert.Equal(["application-queue-made"], await service.SqlAsync<string>("select action from audit where user_id = @AccountId and action like '%queue%'", new { maker.AccountId }));
    }

    [Fact]
    public async Task A_queue_outlives_a_login_so_it_takes_a_recent_proof_and_ends_for_whoever_takes_the_account_back()
    {
        var (maker, app) = await MadeAsync();
        var token = $"om_{Guid.NewGuid():N}";
        await service.SqlAsync(
            "insert into mail_tokens (user_id, token_hash, purpose, email, expires_at) values (@AccountId, sha256(convert_to(@token, 'UTF8')), 'undo', @Email, now() + interval '1 day')", new { maker.AccountId, token, maker.Email });
        await service.AgeAsync(maker);
        await maker.Http.PutAsync(RouteOf(app), null, Ct).RefusedAsync(Forbidden, "insufficient-user-authentication");
        await maker.SignInAsync();
        using var asked = await maker.Http.PutAsync(RouteOf(app), null, Ct);
        var (queue, password) = ((await asked.JsonAsync()).Text("queue"), (await asked.JsonAsync()).Text("password"));
        await service.AgeAsync(maker);
        await maker.Http.PostAsync($"{RouteOf(app)}/passwords", null, Ct).RefusedAsync(Forbidden, "insufficient-user-authentication");
        await ReadyAsync(maker, app);
        await using var reader = await EnterAsync(queue, password);

        // The application is of before, and stays. Whoever made its queue since may have been somebody else.
        using (var undone = await service.PostAsync("email-changes/undo", new { token })) Assert.Equal(NoContent, undone.StatusCode);
        Assert.Equal([app.ClientId], await service.SqlAsync<string>("select client_id::text from applications where user_id = @AccountId", new { maker.AccountId }));
        await UntilAsync(async () => await AskAsync($"users/{queue}") == NotFound && !reader.IsOpen);
    }

    [Fact]
    public async Task Nobody_elses_application_has_a_queue_for_me_and_ten_are_enough()
    {
        var (maker, app) = await MadeAsync();
        var bob = await Person.SignedInAsync(service);
        using (var made = await maker.Http.PutAsync(RouteOf(app), null, Ct)) Assert.Equal(Created, made.StatusCode);
        await bob.Http.PutAsync(RouteOf(app), null, Ct).RefusedAsync(NotFound, "application-not-found");
        await bob.Http.GetAsync(RouteOf(app), Ct).RefusedAsync(NotFound, "queue-not-found");
        await bob.Http.PostAsync($"{RouteOf(app)}/passwords", null, Ct).RefusedAsync(NotFound, "queue-not-found");
        await bob.Http.DeleteAsync(RouteOf(app), Ct).RefusedAsync(NotFound, "queue-not-found");
        var more = new List<App>();
        for (var i = 0; i < Delivery.Most; i++) more.Add(await App.MadeAsync(service, maker));
        var answers = await Task.WhenAll(more.Select(one => maker.Http.PutAsync(RouteOf(one), null, Ct)));
        Assert.Equal([Conflict], answers.Select(answer => answer.StatusCode).Where(status => status != Created));
        // A key of the owner's, which opens readings, opens none of this.
        using var key = await maker.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "Key", scopes = new[] { "readings:read" } }, Ct);
        using var gadget = service.WithToken((await key.JsonAsync()).Text("key"));
        Assert.Equal(Forbidden, (await gadget.GetAsync(RouteOf(app), Ct)).StatusCode);
    }

    [Fact]
    public async Task Without_a_way_to_make_them_there_are_none_and_the_answer_says_why()
    {
        var maker = await Person.SignedInAsync(without);
        var app = await App.MadeAsync(without, maker);
        foreach (var answer in new[] { maker.Http.PutAsync(RouteOf(app), null, Ct), maker.Http.GetAsync(RouteOf(app), Ct), maker.Http.PostAsync($"{RouteOf(app)}/passwords", null, Ct), maker.Http.DeleteAsync(RouteOf(app), Ct) })
            Assert.Contains("BrokerManagement", (await answer.RefusedAsync(ServiceUnavailable, "queues-not-configured")).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_asked_for_while_the_broker_is_away_is_done_when_it_is_back()
    {
        var (maker, app) = await MadeAsync();
        var (leaving, left) = await MadeAsync();
        using var before = await leaving.Http.PutAsync(RouteOf(left), null, Ct);
        var (user, old) = ((await before.JsonAsync()).Text("queue"), (await before.JsonAsync()).Text("password"));
        await ReadyAsync(leaving, left);
        service.Wire.Cut();
        string queue, password;
        try
        {
            using var asked = await maker.Http.PutAsync(RouteOf(app), null, Ct);
            Assert.Equal(Created, asked.StatusCode);
            queue = (await asked.JsonAsync()).Text("queue");
            // The password of the last word counts, though the broker never heard of the first.
            using var rotated = await maker.Http.PostAsync($"{RouteOf(app)}/passwords", null, Ct);
            password = (await rotated.JsonAsync()).Text("password");
            using var ended = await leaving.Http.DeleteAsync($"/identity/v1/me/applications/{left.ClientId}", Ct);
            Assert.Equal(NoContent, ended.StatusCode);
            await UntilAsync(async () => (await service.SqlAsync<int>("select count(*)::int from application_queues where name in (@queue, @user) and attempts > 1", new { queue, user })).Single() == 2);
            using var shown = await maker.Http.GetAsync(RouteOf(app), Ct);
            Assert.False((await shown.JsonAsync()).GetProperty("is_ready").GetBoolean());
            await using (var still = await EnterAsync(user, old)) { }
        }
        finally
        {
            service.Wire.Restore();
        }
        await ReadyAsync(maker, app);
        await using (var connection = await EnterAsync(queue, password)) { }
        await UntilAsync(async () => await AskAsync($"users/{user}") == NotFound && await AskAsync($"queues/{service.Integrators.AbsolutePath.Trim('/')}/{user}") == NotFound);
    }

    [Fact]
    public async Task Several_replicas_keep_the_broker_together_and_what_came_too_late_is_mended()
    {
        var (maker, app) = await MadeAsync();
        using var asked = await maker.Http.PutAsync(RouteOf(app), null, Ct);
        var (queue, password) = ((await asked.JsonAsync()).Text("queue"), (await asked.JsonAsync()).Text("password"));
        await ReadyAsync(maker, app);
        var keeper = service.Services.GetRequiredService<QueueKeeper>();
        // Whatever the broker forgets is there again at the next look.
        Assert.Equal(NoContent, await AskAsync($"users/{queue}", HttpMethod.Delete));
        Assert.Equal(NoContent, await AskAsync($"queues/{service.Integrators.AbsolutePath.Trim('/')}/{queue}", HttpMethod.Delete));
        await service.SqlAsync("call miss_queue(@queue)", new { queue });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => keeper.RunOnceAsync(Ct)));
        await UntilAsync(async () => await AskAsync($"users/{queue}") == OK && await AskAsync($"queues/{service.Integrators.AbsolutePath.Trim('/')}/{queue}") == OK);
        await using (var connection = await EnterAsync(queue, password)) { }

        using (var ended = await maker.Http.DeleteAsync(RouteOf(app), Ct)) Assert.Equal(NoContent, ended.StatusCode);
        await UntilAsync(async () => (await service.SqlAsync<int>("select round(extract(epoch from due_at - settled_at) / 10)::int * 10 from application_queues where name = @queue and settled_at >= changed_at", new { queue })) is [60]);
        Assert.Equal(NotFound, await AskAsync($"users/{queue}"));
        // A replica that stood still since before says what was true then. Its word is taken back a minute later, and the row goes only then.
        await service.Services.GetRequiredService<BrokerManagement>().MakeAsync(queue, new byte[36], Ct);
        Assert.Equal(OK, await AskAsync($"users/{queue}"));
        await service.SqlAsync("update application_queues set ended_at = ended_at - interval '1 minute', due_at = now() where name = @queue", new { queue });
        await UntilAsync(async () => (await service.SqlAsync<string>("select name from application_queues where name = @queue", new { queue })).Count == 0);
        Assert.Equal((NotFound, NotFound), (await AskAsync($"users/{queue}"), await AskAsync($"queues/{service.Integrators.AbsolutePath.Trim('/')}/{queue}")));
    }

    [Fact]
    public async Task Events_come_to_the_forwarder_only_while_an_application_has_a_queue()
    {
        await service.SqlAsync("update application_queues set ended_at = now(), changed_at = clock_timestamp(), due_at = now() where ended_at is null");
        await UntilAsync(async () => await BoundAsync() == 0);
        var (maker, app) = await MadeAsync();
        using (var asked = await maker.Http.PutAsync(RouteOf(app), null, Ct)) Assert.Equal(Created, asked.StatusCode);
        await ReadyAsync(maker, app);
        Assert.Equal(Audience.Of.Count, await BoundAsync());
        using (var ended = await maker.Http.DeleteAsync(RouteOf(app), Ct)) Assert.Equal(NoContent, ended.StatusCode);
        await UntilAsync(async () => await BoundAsync() == 0);

        async Task<int> BoundAsync()
        {
            using var answer = await AskBrokerAsync($"queues/{service.Broker.AbsolutePath.Trim('/')}/{Forwarder.Queue}/bindings");
            return (await answer.JsonAsync()).EnumerateArray().Count(binding => binding.Text("source").Length > 0);
        }
    }

    [Fact]
    public async Task An_application_hears_who_wrote_where_it_was_itself_and_of_nobody_else()
    {
        var (maker, app) = await MadeAsync();
        using var asked = await maker.Http.PutAsync(RouteOf(app), null, Ct);
        var (queue, password) = ((await asked.JsonAsync()).Text("queue"), (await asked.JsonAsync()).Text("password"));
        await ReadyAsync(maker, app);
        await service.SqlAsync("insert into consents (user_id, client_id, scope) values (@AccountId, @ClientId::uuid, 'offline_access readings:read')", new { maker.AccountId, app.ClientId });
        var itself = Guid.Parse(app.ClientId);
        await using var platform = await new ConnectionFactory { Uri = service.Broker }.CreateConnectionAsync(Ct);
        await using var channel = await platform.CreateChannelAsync(new CreateChannelOptions(true, true), Ct);
        foreach (var writer in new Guid?[] { null, Guid.NewGuid(), itself })
        {
            var happened = new ReadingsRecorded(maker.AccountId, Guid.NewGuid(), "weight", ["weight"], null, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, 1, writer);
            var body = JsonSerializer.SerializeToUtf8Bytes(new { id = Guid.NewGuid(), source = "readings", type = ReadingsRecorded.Type, data = happened }, Chassis.Json.Options);
            await channel.BasicPublishAsync("readings.events", ReadingsRecorded.Type, mandatory: true, new BasicProperties { Type = ReadingsRecorded.Type, Persistent = true }, body, Ct);
        }

        await using var connection = await EnterAsync(queue, password);
        await using var reader = await connection.CreateChannelAsync(cancellationToken: Ct);
        var heard = new List<(Guid Person, string Metric, Guid? Writer)>();
        await UntilAsync(async () =>
        {
            while (await reader.BasicGetAsync(queue, autoAck: true, Ct) is { } message)
            {
                var data = JsonDocument.Parse(message.Body).RootElement.GetProperty("data");
                heard.Add((data.GetProperty("user_id").GetGuid(), data.Text("metric"), data.GetProperty("written_by") is { ValueKind: JsonValueKind.String } by ? by.GetGuid() : null));
            }
            return heard.Count >= 3;
        });
        Assert.Equal([(maker.AccountId, "weight", null), (maker.AccountId, "weight", null), (maker.AccountId, "weight", itself)], heard);
    }

    [Fact]
    public void Of_every_event_somebody_has_decided_whether_it_leaves()
    {
        string[] within = ["account.created.v1", "account.erased.v1", "account.recovered.v1", "archive.taken.v1", "grant.accepted.v1", "grant.revoked.v1"];
        var all = typeof(IEvent).Assembly.GetTypes().Where(type => type is { IsAbstract: false } && type.IsAssignableTo(typeof(IEvent))).Select(type => (string)type.GetProperty("Type")!.GetValue(null)!);
        Assert.Equal(all.Order(StringComparer.Ordinal), Audience.Of.Keys.Concat(within).Order(StringComparer.Ordinal));
        Assert.All(Audience.Of.Values, one => Assert.True(one.Scope is Audience.Everybody or Audience.Farewell || Identity.OAuth.Scope.IsKnown(one.Scope), one.Scope));
    }

    private async Task<(Person Maker, App App)> MadeAsync()
    {
        var maker = await Person.SignedInAsync(service);
        return (maker, await App.MadeAsync(service, maker));
    }

    private static string RouteOf(App app) => $"/identity/v1/me/applications/{app.ClientId}/queue";

    private static async Task ReadyAsync(Person maker, App app) => await UntilAsync(async () =>
    {
        using var shown = await maker.Http.GetAsync(RouteOf(app), Ct);
        return (await shown.JsonAsync()).GetProperty("is_ready").GetBoolean();
    });

    private Task<IConnection> EnterAsync(string user, string password) => new ConnectionFactory
    {
        HostName = TestServers.Broker.Host, Port = TestServers.Broker.Port, VirtualHost = service.Integrators.AbsolutePath.Trim('/'), UserName = user, Password = password,
    }.CreateConnectionAsync(Ct);

    private static async Task<HttpStatusCode> AskAsync(string path, HttpMethod? method = null)
    {
        using var answer = await AskBrokerAsync(path, method);
        return answer.StatusCode;
    }

    private static async Task<HttpResponseMessage> AskBrokerAsync(string path, HttpMethod? method = null)
    {
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(TestBroker.Management.UserInfo))));
        return await http.SendAsync(new HttpRequestMessage(method ?? HttpMethod.Get, new Uri(new UriBuilder(TestBroker.Management) { UserName = "", Password = "" }.Uri, $"/api/{path}")), Ct);
    }
}
