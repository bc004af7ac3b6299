using System.CommandLine;

namespace OpenReadings.Ops.Queues;

/// <summary>Queues and what is parked beside them: look, send again, drop.</summary>
internal static class QueueVerb
{
    internal sealed record Listing(IReadOnlyList<QueueDepth> Queues)
    {
        public override string ToString() => string.Join('\n', Queues.Select(queue =>
            $"{queue.Name,-32} {queue.Messages,8} ready {queue.Consumers,4} consumers {queue.Parked,6} parked"));
    }

    internal sealed record Walked(string Queue, Fate Fate, IReadOnlyList<Parked> Messages)
    {
        public override string ToString() => string.Join('\n', Messages
            .Select(message => $"{message.Id}  {message.At:yyyy-MM-dd HH:mm:ss}  {message.Type}  {Words.Bytes(message.Bytes)}  {message.Reason}"
                + (message.Data is null ? "" : $"\n    {message.Data}"))
            .Append($"{Messages.Count} of {Queue} {Fate switch { Fate.Resend => "sent again", Fate.Drop => "dropped", _ => "parked" }}."));
    }

    private static readonly Argument<string> Name = new("queue")
    {
        Description = "readings.departures, …; or readings.outbox for what the broker refused",
    };
    private static readonly Option<string[]> Ids = new("--id")
    {
        Description = "This message; may be said more than once", AllowMultipleArgumentsPerToken = true,
    };
    private static readonly Option<bool> All = new("--all") { Description = "All of them" };
    private static readonly Option<bool> WithData = new("--data") { Description = "Show what is in them: a person's values" };

    public static Command Verb() => new("queue", "Queues, and the messages that were given up: look, send again, drop")
    {
        new Command("list", "All queues, and how much is parked beside each").Runs(async (_, _, ct) =>
        {
            await using var broker = await Broker.ConnectAsync(ct);
            return (Exit.Ok, new Listing(await broker.ListAsync(ct)));
        }),
        new Command("show", "What is parked there, and why") { Name, WithData }.Runs((line, _, ct) => WalkAsync(line, Fate.Keep, ct)),
        new Command("resend", "Send it again: consumers begin anew") { Name, Ids, All }.Runs((line, _, ct) => WalkAsync(line, Fate.Resend, ct)),
        new Command("drop", "Forget it for good") { Name, Ids, All }.Runs((line, _, ct) => WalkAsync(line, Fate.Drop, ct)),
    };

    private static async Task<(Exit, Walked)> WalkAsync(ParseResult line, Fate fate, CancellationToken ct)
    {
        var name = line.GetRequiredValue(Name);
        string[] ids = fate == Fate.Keep ? [] : line.GetValue(Ids) ?? [];
        var all = fate == Fate.Keep || line.GetValue(All);
        if (all == ids.Length > 0) throw new OpsException(Exit.Usage, "Say which: --id ID, or --all.");
        await using var place = await OpenAsync(name, ct);
        return (Exit.Ok, await WalkAsync(place, name, fate, ids, line.GetValue(WithData), ct));
    }

    public static async Task<Walked> WalkAsync(
        IParkingPlace place, string name, Fate fate, IReadOnlyCollection<string> ids, bool withData, CancellationToken ct)
    {
        var walked = await place.WalkAsync(message => ids.Count == 0 || ids.Contains(message.Id) ? fate : Fate.Keep, ct);
        var done = walked.Where(item => item.Fate == fate).Select(item => withData ? item.Message : item.Message with { Data = null }).ToList();
        var unknown = ids.Except(done.Select(message => message.Id)).ToList();
        return unknown.Count == 0
            ? new(name, fate, done)
            : throw new OpsException(Exit.Failed, $"{done.Count} done; {name} has no {string.Join(", ", unknown)}.");
    }

    private static async Task<IParkingPlace> OpenAsync(string name, CancellationToken ct)
    {
        const string outbox = ".outbox";
        if (name.EndsWith(outbox, StringComparison.Ordinal) && Settings.Services.Contains(name[..^outbox.Length]))
            return new ParkedEvents(await Place.Of(name[..^outbox.Length]).OpenAsync(ct));
        return new ParkedMessages(await Broker.ConnectAsync(ct), name);
    }
}
