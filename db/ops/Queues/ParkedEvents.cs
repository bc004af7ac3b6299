namespace OpenReadings.Ops.Queues;

/// <summary>The events of one service's outbox that the broker refused. Sent again, they go back into the outbox.</summary>
internal sealed class ParkedEvents(ServiceDatabase database) : IParkingPlace
{
    private sealed record Row(Guid Id, string EventType, DateTime ParkedAt, string Reason, string Data);

    public async Task<IReadOnlyList<(Parked Message, Fate Fate)>> WalkAsync(Func<Parked, Fate> decide, CancellationToken ct)
    {
        await using var transaction = await database.Connection.BeginTransactionAsync(ct);
        var rows = await database.QueryAsync<Row>(
            "select id, event_type, parked_at, reason, data::text as data from outbox_parked order by id for update", ct);
        List<(Parked Message, Fate Fate)> walked =
        [
            .. rows.Select(row => new Parked(
                    row.Id.ToString(), row.EventType, new DateTimeOffset(row.ParkedAt, TimeSpan.Zero), row.Reason, row.Data.Length, row.Data))
                .Select(parked => (parked, decide(parked))),
        ];
        await database.ExecuteAsync(
            """
            insert into outbox (id, event_type, subject, data, traceparent, occurred_at)
            select id, event_type, subject, data, traceparent, occurred_at from outbox_parked where id = any (@ids)
            on conflict do nothing
            """, ct, new { ids = Ids(Fate.Resend) });
        Guid[] gone = [.. Ids(Fate.Resend), .. Ids(Fate.Drop)];
        await database.ExecuteAsync("delete from outbox_parked where id = any (@gone)", ct, new { gone });
        await transaction.CommitAsync(ct);
        return walked;

        Guid[] Ids(Fate fate) => [.. walked.Where(item => item.Fate == fate).Select(item => Guid.Parse(item.Message.Id))];
    }

    public ValueTask DisposeAsync() => database.DisposeAsync();
}
