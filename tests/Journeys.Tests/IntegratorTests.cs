using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Dapper;
using Npgsql;
using OpenReadings.Support;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace OpenReadings.Journeys;

/// <summary>What reaches the queue of an application, and what its user at the broker can do: on a real broker, with a bare client.</summary>
public sealed class IntegratorTests(RunningPlatform platform)
{
    private static readonly string[] Reads = ["readings:read", "offline_access"];
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    // For what takes half a second when nothing else runs.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task An_application_hears_of_whoever_let_it_in_for_as_long_as_they_do_and_of_nobody_else()
    {
        var (lab, other) = (await Integrator.ReadyAsync(platform), await Integrator.ReadyAsync(platform));
        var (ada, bob, eve, carol) = (await platform.SignUpAsync(), await platform.SignUpAsync(), await platform.SignUpAsync(), await platform.SignUpAsync());
        await lab.LetInAsync(ada, Reads);
        await lab.LetInAsync(carol, Reads);
        await other.LetInAsync(bob, Reads);
        // Not for readings, and not while she is not there.
        await lab.LetInAsync(eve, "sync:read", "offline_access");
        await other.LetInAsync(eve, "readings:read");
        await using var outsider = await Outsider.ConnectAsync(platform.Broker, "readings.events");
        await using var reader = await lab.ReadAsync();
        await using var others = await other.ReadAsync();

        foreach (var person in new[] { bob, eve, lab.Owner, ada }) await Integrator.WeighAsync(person.Http);
        var first = await reader.UntilAsync(message => message.Type == "readings.recorded.v1");
        Assert.All(first, message => Assert.Equal(ada.Id, message.Person));
        Assert.Equal(["source.created.v1", "readings.recorded.v1"], first.Select(message => message.Type));
        // As it came: the same body and id, and nothing added.
        var original = await outsider.NextAsync(message => message.Properties.MessageId == first[^1].Id);
        Assert.Equal(original.Body, first[^1].Body);
        Assert.Equal((original.Properties.ContentType, original.Properties.Type, DeliveryModes.Persistent), (first[^1].Properties.ContentType, first[^1].Type, first[^1].Properties.DeliveryMode));
        Assert.Equal(original.Properties.Headers!.Keys, first[^1].Properties.Headers!.Keys);
        Assert.All(await others.UntilAsync(message => message.Type == "readings.recorded.v1"), message => Assert.Equal(bob.Id, message.Person));

        // From the very next event on.
        (await ada.Http.DeleteAsync($"/identity/v1/me/consents/{lab.ClientId}", Ct)).EnsureSuccessStatusCode();
        await Integrator.WeighAsync(ada.Http, times: 5);
        await Integrator.WeighAsync(carol.Http);
        Assert.All(await reader.UntilAsync(message => message.Type == "readings.recorded.v1"), message => Assert.Equal(carol.Id, message.Person));

        // Whoever shuts its account, or is shut out, is heard of no more; that somebody left is told to whom they had let in.
        await SqlAsync("update accounts set disabled_at = now() where user_id = @Id", new { carol.Id });
        await PublishAsync("readings.events", "source.deleted.v1", carol.Id);
        using var left = await bob.Http.SendAsync(new HttpRequestMessage(HttpMethod.Delete, "/identity/v1/me") { Content = JsonContent.Create(new { password = bob.Password }) }, Ct);
        Assert.Equal(HttpStatusCode.NoContent, left.StatusCode);
        Assert.Equal([bob.Id], (await others.UntilAsync(message => message.Type == "account.deleted.v1")).Select(message => message.Person));
        await PublishAsync("readings.events", "source.deleted.v1", bob.Id);
        await lab.LetInAsync(ada, Reads);
        await other.LetInAsync(ada, Reads);
        await PublishAsync("readings.events", "source.deleted.v1", ada.Id);
        foreach (var one in new[] { reader, others }) Assert.Equal([ada.Id], (await one.UntilAsync(message => message.Type == "source.deleted.v1")).Select(message => message.Person));
    }

    [Fact]
    public async Task What_is_its_own_what_its_person_imports_and_what_is_for_everybody_comes_too_and_what_is_nobodys_business_does_not()
    {
        var (lab, ada) = (await Integrator.ReadyAsync(platform), await platform.SignUpAsync());
        await lab.LetInAsync(ada, "sync:read", "offline_access");
        await using var reader = await lab.ReadAsync();
        using var itself = await lab.AsItselfAsync();
        await Integrator.WeighAsync(itself);
        Assert.All(await reader.UntilAsync(message => message.Type == "readings.recorded.v1"), message => Assert.Equal(lab.ClientId, message.Person));
        foreach (var (exchange, type) in new[] { ("readings.events", "readings.recorded.v1"), ("readings.events", "grant.accepted.v1"), ("identity.events", "account.created.v1"), ("sync.events", "unheard.of.v1"), ("sync.events", "import.completed.v1") })
            await PublishAsync(exchange, type, ada.Id);
        Assert.Equal(["import.completed.v1"], (await reader.UntilAsync(message => message.Person == ada.Id)).Select(message => message.Type));
        // Of a version that changes nothing for whoever knows a later one.
        var announced = Guid.CreateVersion7();
        await PublishAsync("catalog.events", "series-type.defined.v1", null, id: announced, data: new { code = "heart_rate", category = "heart", unit = "/min", aggregation = "average", version = 0 });
        Assert.Equal("series-type.defined.v1", (await reader.UntilAsync(message => message.Id == announced.ToString()))[^1].Type);
    }

    [Fact]
    public async Task Its_user_reads_its_own_queue_and_can_do_nothing_else()
    {
        var (lab, other) = (await Integrator.ReadyAsync(platform), await Integrator.ReadyAsync(platform));
        await using var connection = await lab.EnterAsync();
        async Task MayNotAsync(Func<IChannel, Task> what, int code = 403)
        {
            await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Ct);
            await Assert.ThrowsAnyAsync<Exception>(() => what(channel));
            Assert.Equal(code, (int?)channel.CloseReason?.ReplyCode);
        }
        await using (var channel = await connection.CreateChannelAsync(cancellationToken: Ct)) await channel.BasicGetAsync(lab.Name, autoAck: true, Ct);
        await MayNotAsync(channel => channel.BasicGetAsync(other.Name, autoAck: true, Ct));
        await MayNotAsync(channel => channel.BasicConsumeAsync(other.Name, autoAck: true, new AsyncDefaultBasicConsumerOf(channel), Ct));
        await MayNotAsync(channel => channel.QueuePurgeAsync(other.Name, Ct));
        await MayNotAsync(channel => channel.QueueDeleteAsync(lab.Name, cancellationToken: Ct));
        await MayNotAsync(channel => channel.QueueDeleteAsync(other.Name, cancellationToken: Ct));
        await MayNotAsync(channel => channel.QueueDeclareAsync("mine", durable: false, exclusive: false, autoDelete: true, cancellationToken: Ct));
        await MayNotAsync(channel => channel.QueueDeclareAsync("", durable: false, exclusive: true, autoDelete: true, cancellationToken: Ct));
        await MayNotAsync(channel => channel.ExchangeDeclareAsync("mine", ExchangeType.Fanout, cancellationToken: Ct));
        await MayNotAsync(channel => channel.ExchangeDeleteAsync("amq.topic", cancellationToken: Ct));
        await MayNotAsync(channel => channel.QueueBindAsync(lab.Name, "amq.topic", "#", cancellationToken: Ct));
        foreach (var (exchange, key) in new[] { ("", lab.Name), ("", other.Name), ("amq.topic", "readings.recorded.v1"), ("amq.fanout", "") })
            await MayNotAsync(async channel => await channel.BasicPublishAsync(exchange, key, "{}"u8.ToArray(), Ct));
        // How much waits in a queue the broker tells whoever knows its name. The application is known; the name is not.
        await MayNotAsync(channel => channel.QueueDeclarePassiveAsync(other.Name[..other.Name.LastIndexOf('.')], Ct), code: 404);

        foreach (var vhost in new[] { platform.Broker.AbsolutePath.Trim('/'), "/", "nowhere" }) await Assert.ThrowsAsync<BrokerUnreachableException>(() => lab.EnterAsync(vhost));
        await Assert.ThrowsAsync<BrokerUnreachableException>(() => other.EnterAsync(password: lab.Password));
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{lab.Name}:{lab.Password}")));
        foreach (var path in new[] { "overview", "users", "queues", "connections", $"queues/{platform.Integrators.AbsolutePath.Trim('/')}/{lab.Name}" })
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(new Uri(new UriBuilder(TestBroker.Management) { UserName = "", Password = "" }.Uri, $"/api/{path}"), Ct)).StatusCode);

        // Five connections, of which this is one; the broker counts a moment behind.
        var more = new List<IConnection>();
        await PersonTests.UntilAsync(async () =>
        {
            await Task.Delay(200, Ct);
            try { more.Add(await lab.EnterAsync()); }
            catch (BrokerUnreachableException) { return true; }
            return false;
        });
        Assert.Equal(4, more.Count);
        foreach (var one in more) await one.DisposeAsync();
    }

    [Fact]
    public async Task A_new_password_refuses_the_old_one_and_throws_out_who_came_in_with_it()
    {
        var (lab, old) = (await Integrator.ReadyAsync(platform), "");
        await using var reader = await lab.ReadAsync();
        using var rotated = await lab.Owner.Http.PostAsync($"{lab.Route}/passwords", null, Ct);
        (old, lab.Password) = (lab.Password, (await rotated.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("password").GetString()!);
        await reader.Closed.WaitAsync(Patience, Ct);
        await Assert.ThrowsAsync<BrokerUnreachableException>(() => lab.EnterAsync(password: old));
        await using var again = await lab.ReadAsync();
        var ada = await platform.SignUpAsync();
        await lab.LetInAsync(ada, Reads);
        await Integrator.WeighAsync(ada.Http);
        await again.UntilAsync(message => message.Person == ada.Id && message.Type == "readings.recorded.v1");
    }

    [Theory]
    [InlineData("queue")]
    [InlineData("application")]
    [InlineData("account")]
    public async Task What_is_ended_is_gone_from_the_broker_with_its_connections(string what)
    {
        var lab = await Integrator.ReadyAsync(platform);
        await using var reader = await lab.ReadAsync();
        using var ended = what switch
        {
            "queue" => await lab.Owner.Http.DeleteAsync(lab.Route, Ct),
            "application" => await lab.Owner.Http.DeleteAsync($"/identity/v1/me/applications/{lab.ClientId}", Ct),
            _ => await lab.Owner.Http.SendAsync(new HttpRequestMessage(HttpMethod.Delete, "/identity/v1/me") { Content = JsonContent.Create(new { password = lab.Owner.Password }) }, Ct),
        };
        Assert.Equal(HttpStatusCode.NoContent, ended.StatusCode);
        await reader.Closed.WaitAsync(Patience, Ct);
        await Assert.ThrowsAsync<BrokerUnreachableException>(() => lab.EnterAsync());
        await PersonTests.UntilAsync(async () => await Integrator.AskBrokerAsync($"queues/{platform.Integrators.AbsolutePath.Trim('/')}/{lab.Name}") == HttpStatusCode.NotFound);
        Assert.Equal(HttpStatusCode.NotFound, await Integrator.AskBrokerAsync($"users/{lab.Name}"));
        if (what != "queue") return;
        using (var shown = await lab.Owner.Http.GetAsync(lab.Route, Ct)) Assert.Equal(HttpStatusCode.NotFound, shown.StatusCode);
        // Another one is another one.
        using var again = await lab.Owner.Http.PutAsync(lab.Route, null, Ct);
        Assert.Equal(HttpStatusCode.Created, again.StatusCode);
        Assert.NotEqual(lab.Name, (await again.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("queue").GetString());
    }

    [Fact]
    public async Task While_the_account_of_its_maker_is_disabled_nobody_comes_in_and_nothing_is_delivered_and_then_it_goes_on()
    {
        var (lab, ada) = (await Integrator.ReadyAsync(platform), await platform.SignUpAsync());
        await lab.LetInAsync(ada, Reads);
        await using (var reader = await lab.ReadAsync())
        {
            await SqlAsync("update accounts set disabled_at = now() where user_id = @Id", new { lab.Owner.Id });
            await reader.Closed.WaitAsync(Patience, Ct);
        }
        await Assert.ThrowsAsync<BrokerUnreachableException>(() => lab.EnterAsync());
        await PublishAsync("readings.events", "source.deleted.v1", ada.Id);
        // Another application hears of it: it was passed on, and not to this one.
        var witness = await Integrator.ReadyAsync(platform);
        await witness.LetInAsync(ada, Reads);
        await using (var seen = await witness.ReadAsync())
        {
            await PublishAsync("readings.events", "source.updated.v1", ada.Id);
            await seen.UntilAsync(message => message.Type == "source.updated.v1");
        }
        await SqlAsync("update accounts set disabled_at = null where user_id = @Id", new { lab.Owner.Id });
        await PersonTests.UntilAsync(async () =>
        {
            try
            {
                await using var connection = await lab.EnterAsync();
                return true;
            }
            catch (BrokerUnreachableException) { return false; }
        }, 5);
        await using var again = await lab.ReadAsync();
        await PublishAsync("readings.events", "source.created.v1", ada.Id);
        Assert.Equal(["source.created.v1"], (await again.UntilAsync(message => message.Person == ada.Id)).Select(message => message.Type));
    }

    [Fact]
    public async Task Two_replicas_of_which_one_dies_deliver_everything_and_in_order()
    {
        var (lab, ada) = (await Integrator.ReadyAsync(platform), await platform.SignUpAsync());
        await lab.LetInAsync(ada, Reads);
        await using var reader = await lab.ReadAsync();
        await using var second = platform.Replica("identity");
        await second.StartAsync();
        await PersonTests.UntilAsync(async () => await ConsumersAsync() == 2);
        Guid[] ids = [.. Enumerable.Range(0, 600).Select(_ => Guid.CreateVersion7())];
        for (var i = 0; i < ids.Length; i++)
        {
            if (i == 200) await platform.Services["identity"].KillAsync();      // it was the first, so it was the one
            await PublishAsync("readings.events", "source.updated.v1", ada.Id, id: ids[i]);
        }
        try
        {
            var seen = await reader.UntilAsync(message => message.Id == ids[^1].ToString());
            // At least once: what was under way comes again, in the same order.
            Assert.Equal(ids.Select(id => id.ToString()), seen.Select(message => message.Id).Distinct());
        }
        finally
        {
            await platform.Services["identity"].StartAsync();
        }

        // Of those that wait for their turn a passive declare says nothing.
        async Task<int> ConsumersAsync() => (await Integrator.AskBrokerAsync<JsonElement>($"consumers/{platform.Broker.AbsolutePath.Trim('/')}")).EnumerateArray()
            .Count(consumer => consumer.GetProperty("queue").GetProperty("name").GetString() == "identity.integrators");
    }

    [Fact]
    public async Task The_consumer_of_the_page_for_programs_reads_as_it_stands_there()
    {
        var (lab, ada) = (await Integrator.ReadyAsync(platform), await platform.SignUpAsync());
        await lab.LetInAsync(ada, Reads);
        var page = await File.ReadAllTextAsync(Path.Combine(TestServers.Root, "docs", "programs.md"), Ct);
        var start = new ProcessStartInfo("/usr/bin/python3", ["-c", page.Split("```python\n")[1].Split("```")[0]]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in new[] { ("QUEUE_ADDRESS", lab.Queue.GetProperty("address").GetString()!), ("QUEUE", lab.Name), ("QUEUE_PASSWORD", lab.Password) }) start.Environment[name] = value;
        using var consumer = Process.Start(start)!;
        try
        {
            var source = await Integrator.WeighAsync(ada.Http);
            string? line;
            do line = await consumer.StandardOutput.ReadLineAsync(Ct).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Ct);
            while (line?.Contains("readings.recorded.v1", StringComparison.Ordinal) == false);
            if (line is null) Assert.Fail(await consumer.StandardError.ReadToEndAsync(Ct));
            Assert.Contains(source.ToString(), line, StringComparison.Ordinal);
        }
        finally
        {
            consumer.Kill();
        }
    }

    [Fact]
    public async Task What_is_no_event_is_parked_and_holds_nothing_up()
    {
        var (lab, ada) = (await Integrator.ReadyAsync(platform), await platform.SignUpAsync());
        await lab.LetInAsync(ada, Reads);
        await using var reader = await lab.ReadAsync();
        await using var outsider = await Outsider.ConnectAsync(platform.Broker);
        string[] broken = ["not JSON", "{}", "[]", """{"type": "readings.recorded.v1", "data": 1}""", """{"type": "readings.recorded.v1", "data": {"user_id": "nobody"}}"""];
        foreach (var body in broken) await outsider.SendToAsync("identity.integrators", body, "broken");
        await PublishAsync("readings.events", "source.updated.v1", ada.Id);
        await reader.UntilAsync(message => message.Type == "source.updated.v1");
        var parked = new List<string>();
        await PersonTests.UntilAsync(async () =>
        {
            while (await outsider.GetAsync("identity.integrators.parked") is { } message) parked.Add(Encoding.UTF8.GetString(message.Body.Span));
            return parked.Count == broken.Length;
        });
        Assert.Equal(broken.Order(StringComparer.Ordinal), parked.Order(StringComparer.Ordinal));
    }

    private async Task SqlAsync(string sql, object args)
    {
        await using var connection = new NpgsqlConnection(platform.Databases["identity"].Superuser);
        await connection.ExecuteAsync(sql, args);
    }

    // An event as a service would send it, of which nothing but type and person matters here.
    private async Task PublishAsync(string exchange, string type, Guid? person, Guid? id = null, object? data = null)
    {
        connection ??= await new ConnectionFactory { Uri = platform.Broker }.CreateConnectionAsync(Ct);
        channel ??= await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Ct);
        var messageId = id ?? Guid.CreateVersion7();
        var body = JsonSerializer.SerializeToUtf8Bytes(new { specversion = "1.0", id = messageId, type, data = data ?? new { user_id = person } });
        await channel.BasicPublishAsync(exchange, type, mandatory: false, new BasicProperties { MessageId = $"{messageId}", Type = type, Persistent = true }, body, Ct);
    }
    private IConnection? connection;
    private IChannel? channel;

    private sealed class AsyncDefaultBasicConsumerOf(IChannel channel) : AsyncDefaultBasicConsumer(channel);
}
