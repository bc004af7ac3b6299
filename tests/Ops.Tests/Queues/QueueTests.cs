using System.Text;
using System.Text.RegularExpressions;
using OpenReadings.Ops.Health;
using OpenReadings.Ops.Queues;
using OpenReadings.Ops.Tests.Health;
using OpenReadings.Support;
using RabbitMQ.Client;

namespace OpenReadings.Ops.Tests.Queues;

public sealed class QueueTests
{
    private const string Queue = "readings.departures";

    [Fact]
    public async Task Looking_at_dead_letters_leaves_them_as_they_were_however_often()
    {
        var address = await BrokerWithAsync("one", "two", "three");
        for (var turn = 0; turn < 25; turn++)
        {
            var shown = await WalkAsync(address, Fate.Keep);
            Assert.Equal(["one", "two", "three"], shown.Messages.Select(message => message.Id));
            Assert.All(shown.Messages, message => Assert.Equal(("JsonException", "account.deleted.v1", null), (message.Reason, message.Type, message.Data)));
        }
        await using var broker = await Broker.ConnectAsync(address, Given.Ct);
        Assert.Equal(3u, (await broker.ListAsync(Given.Ct)).Single(queue => queue.Name == Queue).Parked);
    }

    [Fact]
    public async Task A_dead_letter_is_sent_again_as_if_for_the_first_time_and_the_others_stay_in_order()
    {
        var address = await BrokerWithAsync("one", "two", "three");
        Assert.Equal("two", Assert.Single((await WalkAsync(address, Fate.Resend, "two")).Messages).Id);
        Assert.Equal(["one", "three"], (await WalkAsync(address, Fate.Keep)).Messages.Select(message => message.Id));

        await using var outsider = await Outsider.ConnectAsync(address);
        var again = await outsider.GetAsync(Queue);
        Assert.Equal("two", again!.BasicProperties.MessageId);
        Assert.Equal("body of two", Encoding.UTF8.GetString(again.Body.Span));
        Assert.Contains("traceparent", again.BasicProperties.Headers!.Keys);
        Assert.DoesNotContain(again.BasicProperties.Headers!.Keys, header => header is "x-round" or "x-error");
        Assert.Null(await outsider.GetAsync(Queue));
    }

    [Fact]
    public async Task A_dead_letter_is_dropped_only_when_it_is_named()
    {
        var address = await BrokerWithAsync("one", "two");
        await WalkAsync(address, Fate.Drop, "one");
        Assert.Equal(["two"], (await WalkAsync(address, Fate.Keep)).Messages.Select(message => message.Id));
        var unknown = await Assert.ThrowsAsync<OpsException>(() => WalkAsync(address, Fate.Drop, "one"));
        Assert.Contains("has no one", unknown.Message, StringComparison.Ordinal);

        var (exit, _, errors) = await OpsProcess.RunAsync([("Broker", address.ToString())], "queue", "drop", Queue);
        Assert.Equal(((int)Exit.Usage, true), (exit, errors.Contains("--id", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_message_that_cannot_be_sent_again_stays()
    {
        var address = await BrokerWithAsync("one");
        await DeleteAsync(address, Queue);
        Assert.Equal(Exit.Failed, (await Assert.ThrowsAsync<OpsException>(() => WalkAsync(address, Fate.Resend, "one"))).Exit);
        Assert.Equal(["one"], (await WalkAsync(address, Fate.Keep)).Messages.Select(message => message.Id));
    }

    [Fact]
    public async Task A_refused_event_goes_back_into_the_outbox_or_is_dropped()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        var (first, second) = (Guid.NewGuid(), Guid.NewGuid());
        await given.DoAsync($"insert into outbox_parked (id, event_type, subject, data, reason, failures) values ('{first}', 'a.v1', 's', '{{\"n\": 1}}', 'too large', 5), ('{second}', 'b.v1', 's', '{{}}', 'too large', 5)");
        Assert.Equal(2, (await WalkAsync(Fate.Keep)).Messages.Count);
        await WalkAsync(Fate.Resend, $"{first}");
        await WalkAsync(Fate.Drop, $"{second}");
        Assert.Empty((await WalkAsync(Fate.Keep)).Messages);
        Assert.Equal($"{first} a.v1 {{\"n\": 1}} 0", await given.AskAsync<string>("select concat_ws(' ', id, event_type, data, failures) from outbox"));

        async Task<QueueVerb.Walked> WalkAsync(Fate fate, params string[] ids)
        {
            await using var place = new ParkedEvents(await given.OpenAsync());
            return await QueueVerb.WalkAsync(place, "catalog.outbox", fate, ids, withData: false, Given.Ct);
        }
    }

    [Fact]
    public async Task Dead_letters_and_messages_that_nobody_takes_are_findings_and_figures()
    {
        var address = await BrokerWithAsync("one", "two");
        await using var outsider = await Outsider.ConnectAsync(address);
        await outsider.SendToAsync(Queue, "waiting");
        var section = (await Examination.RunAsync(new Scope([]) { Broker = address }, Given.Ct)).Sections.Single(section => section.Name == "queues");
        section.AssertFound(Severity.Bad, $"{Queue} has 2 dead letter(s)");
        section.AssertFound(Severity.Bad, $"nobody takes the 1 message(s) of {Queue}");
        Assert.Equal([1, 0, 2], section.Samples.Where(sample => sample.Labels is [Queue]).Select(sample => sample.Value));
    }

    [Fact]
    public async Task Without_the_management_the_known_queues_are_looked_at()
    {
        var address = await BrokerWithAsync("one");
        await using var proxy = new TcpProxy(address.Host, address.Port);
        await using var broker = await Broker.ConnectAsync(new UriBuilder(address) { Port = proxy.Port }.Uri, Given.Ct);
        Assert.Equal(new QueueDepth(Queue, 0, 0, 1), Assert.Single(await broker.ListAsync(Given.Ct)));
    }

    [Fact]
    public void Every_queue_of_a_service_is_known()
    {
        var declared = Directory.EnumerateFiles(Path.Combine(TestServers.Root, "services"), "Program.cs", SearchOption.AllDirectories)
            .SelectMany(file => Regex.Matches(File.ReadAllText(file), "new Subscription\\(\"([a-z.-]+)\"").Select(match => match.Groups[1].Value));
        var forwarded = Regex.Match(File.ReadAllText(Path.Combine(TestServers.Root, "services", "identity", "Queues", "Forwarder.cs")), "const string Queue = \"([a-z.]+)\"").Groups[1].Value;
        Assert.Equal(declared.Append(forwarded).Order(StringComparer.Ordinal), Broker.Known);
    }

    private static async Task<Uri> BrokerWithAsync(params string[] parked)
    {
        var address = await TestBroker.CreateVhostAsync();
        await using var connection = await new ConnectionFactory { Uri = address }.CreateConnectionAsync(Given.Ct);
        await using var channel = await connection.CreateChannelAsync(new(true, true), Given.Ct);
        foreach (var queue in new[] { Queue, Queue + ".parked" })
            await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false,
                new Dictionary<string, object?> { ["x-queue-type"] = "quorum" }, cancellationToken: Given.Ct);
        foreach (var id in parked)
            await channel.BasicPublishAsync("", Queue + ".parked", mandatory: true, new BasicProperties
            {
                MessageId = id, Type = "account.deleted.v1", Persistent = true,
                Headers = new Dictionary<string, object?> { ["traceparent"] = "00-1-2-01", ["x-round"] = 6, ["x-error"] = "JsonException" },
            }, Encoding.UTF8.GetBytes($"body of {id}"), Given.Ct);
        return address;
    }

    private static async Task<QueueVerb.Walked> WalkAsync(Uri address, Fate fate, params string[] ids)
    {
        await using var place = new ParkedMessages(await Broker.ConnectAsync(address, Given.Ct), Queue);
        return await QueueVerb.WalkAsync(place, Queue, fate, ids, withData: false, Given.Ct);
    }

    private static async Task DeleteAsync(Uri address, string queue)
    {
        await using var connection = await new ConnectionFactory { Uri = address }.CreateConnectionAsync(Given.Ct);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Given.Ct);
        await channel.QueueDeleteAsync(queue, cancellationToken: Given.Ct);
    }
}
