using System.Text.Json;
using RabbitMQ.Client;

namespace OpenReadings.ReadingsTests;

/// <summary>Empties the outbox, in which other tests look for what is theirs.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

[Collection(nameof(Alone))]
public sealed class OutsiderTests(ReadingsService service)
{
    [Fact]
    public async Task An_outsider_with_a_bare_client_receives_what_was_recorded()
    {
        await using var connection = await new ConnectionFactory { Uri = service.Broker }.CreateConnectionAsync(ReadingsService.Ct);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: ReadingsService.Ct);
        await channel.ExchangeDeclareAsync("readings.events", "topic", durable: true, cancellationToken: ReadingsService.Ct);
        var queue = (await channel.QueueDeclareAsync(cancellationToken: ReadingsService.Ct)).QueueName;
        await channel.QueueBindAsync(queue, "readings.events", "readings.recorded.v1", cancellationToken: ReadingsService.Ct);

        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(watch, Given.Rows(Given.Row(Given.Minute(1), ("heart_rate", 60))));
        while (await service.Relay.SendBatchAsync(ReadingsService.Ct) > 0) { }

        // What other tests left is sent as well: everybody's go through one bag.
        JsonElement mine = default;
        while (await channel.BasicGetAsync(queue, autoAck: true, ReadingsService.Ct) is { } message)
        {
            var body = JsonDocument.Parse(message.Body).RootElement;
            if (body.GetProperty("data").GetProperty("source_id").GetGuid() != watch) continue;
            mine = body;
            Assert.Equal(("readings.recorded.v1", body.GetProperty("id").GetString()), (message.RoutingKey, message.BasicProperties.MessageId));
        }
        Assert.Equal(("1.0", "/readings", 1), (mine.GetProperty("specversion").GetString(), mine.GetProperty("source").GetString(), mine.GetProperty("data").GetProperty("count").GetInt32()));
    }
}
