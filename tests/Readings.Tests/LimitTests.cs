using System.Net;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Readings;

namespace OpenReadings.ReadingsTests;

/// <summary>What one person may take of what all share.</summary>
public sealed class LimitTests(ReadingsService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Large_bodies_of_one_person_share_a_bounded_memory_and_others_are_not_held_up()
    {
        var (ada, bob) = (service.NewPerson(), service.NewPerson());
        var (hers, his) = (await ada.SourceAsync(Person.Watch), await bob.SourceAsync(Person.Watch));
        var (memory, large) = (service.Services.GetRequiredService<BodyMemory>(), new Stalled(40_000_000));
        var stalled = ada.Http.PostAsync($"/readings/v1/sources/{hers}/readings", large, Ct);
        for (var limit = System.Diagnostics.Stopwatch.StartNew(); memory.TakenBy(ada.Id) < 40_000_000 && limit.Elapsed.TotalSeconds < 30; await Task.Delay(10, Ct)) { }

        var lines = Given.Row(Given.Minute(1), ("steps", 1)) + new string('\n', 1_000_000);
        using var refused = await ada.RawAsync(HttpMethod.Post, $"sources/{hers}/readings", lines, "application/x-ndjson");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal("busy", (await Person.JsonAsync(refused)).GetProperty("type").GetString());
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.Equal((1, 0, 0, 0), await bob.CountsAsync(his, lines, "application/x-ndjson"));
        Assert.Equal((1, 0, 0, 0), await ada.CountsAsync(hers, Given.Rows(Given.Row(Given.Minute(2), ("steps", 1)))));

        large.GoOn.SetResult();
        Assert.Equal(HttpStatusCode.OK, (await stalled).StatusCode);
        Assert.Equal((1, 0, 0, 0), await ada.CountsAsync(hers, lines, "application/x-ndjson"));
    }

    [Fact]
    public async Task A_person_has_a_thousand_sources_and_not_one_more()
    {
        var ada = service.NewPerson();
        var first = await ada.SourceAsync(Person.Watch);
        await service.TruthAsync<int>(
            "insert into sources (user_id, source_id, name, kind) select @Id, gen_random_uuid(), 'x', 'x' from generate_series(1, 999)", new { ada.Id });
        var (status, answer) = await ada.SendAsync(HttpMethod.Post, "sources", Person.Watch);
        Assert.Equal((HttpStatusCode.Forbidden, "too-many-sources"), (status, answer.GetProperty("type").GetString()));
        Assert.Equal(HttpStatusCode.OK, (await ada.SendAsync(HttpMethod.Put, $"sources/{first}", Person.Watch)).Status);
        Assert.Equal([1000], await service.TruthAsync<int>("select count(*)::int from sources where user_id = @Id", new { ada.Id }));
    }

    [Fact]
    public async Task Metrics_are_counted_for_good_and_one_too_many_uses_up_no_number()
    {
        var ada = service.NewPerson();
        await ada.SendAsync(HttpMethod.Delete, $"sources/{await ada.SourceAsync(Person.Watch)}");
        Assert.Equal([2], await service.TruthAsync<int>("select declared from declared_metrics where user_id = @Id", new { ada.Id }));
        await service.TruthAsync<int>("update declared_metrics set declared = 99999 where user_id = @Id", new { ada.Id });
        var (status, answer) = await ada.SendAsync(HttpMethod.Post, "sources", Person.Watch);
        Assert.Equal((HttpStatusCode.Forbidden, "too-many-metrics-declared"), (status, answer.GetProperty("type").GetString()));
        var one = await ada.SourceAsync("""{"name": "Meter", "kind": "meter", "metrics": {"reading": "kWh"}}""");
        Assert.Equal(HttpStatusCode.Forbidden, (await ada.SendAsync(HttpMethod.Put, $"sources/{one}/metrics/other", """{"unit": "kWh"}""")).Status);
        Assert.Equal(HttpStatusCode.OK, (await ada.SendAsync(HttpMethod.Put, $"sources/{one}/metrics/reading", """{"unit": "kWh"}""")).Status);
        Assert.Equal([1], await service.TruthAsync<int>("select count(*)::int from series where user_id = @Id", new { ada.Id }));
    }

    [Fact]
    public async Task A_person_is_erased_month_by_month_and_what_is_erased_stays_so_when_it_breaks_off()
    {
        var ada = service.NewPerson();
        var watch = await ada.SourceAsync(Person.Watch);
        await ada.RecordAsync(watch, Given.Rows(Enumerable.Range(1, 9).Select(month => Given.Row($"2026-0{month}-15T12:00:00Z", ("steps", 5)))));
        var series = Assert.Single(await service.TruthAsync<int>("select series_id from metrics where user_id = @Id and metric = 'steps'", new { ada.Id }));
        await service.TruthAsync<int>(
            $"""
            create function break_{series}() returns trigger language plpgsql as $$ begin raise exception 'broken off'; end $$;
            create trigger break_{series} before delete on readings for each row
            when (old.series_id = {series} and old.at >= '2026-06-01Z') execute function break_{series}();
            """);
        var forget = ActivatorUtilities.CreateInstance<ForgetAccount>(service.Services);
        var departed = new AccountDeleted(ada.Id, DateTimeOffset.UtcNow);
        var received = new Received(Guid.CreateVersion7(), AccountDeleted.Type, $"{ada.Id}", DateTimeOffset.UtcNow, null);
        await Assert.ThrowsAsync<PostgresException>(() => forget.HandleAsync(departed, received, Ct));
        Assert.Equal([4], await service.TruthAsync<int>("select count(*)::int from readings where series_id = @series", new { series }));

        // Not dropped: that would lock readings and its partitions against the other tests, in another order than theirs.
        await service.TruthAsync<int>($"create or replace function break_{series}() returns trigger language plpgsql as $$ begin return old; end $$");
        await forget.HandleAsync(departed, received, Ct);
        foreach (var table in new[] { "readings", "readings_hour", "readings_day" })
            Assert.Empty(await service.TruthAsync<int>($"select 1 from {table} where series_id = @series", new { series }));
        foreach (var table in new[] { "sources", "metrics", "declared_metrics" })
            Assert.Empty(await service.TruthAsync<int>($"select 1 from {table} where user_id = @Id", new { ada.Id }));
    }

    /// <summary>A body of blank lines that stops before its end until it may go on.</summary>
    private sealed class Stalled : HttpContent
    {
        private readonly int length;

        public Stalled(int length)
        {
            this.length = length;
            Headers.ContentType = new("application/x-ndjson");
        }

        public TaskCompletionSource GoOn { get; } = new();

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            var blank = Encoding.ASCII.GetBytes(new string('\n', length - 1));
            await stream.WriteAsync(blank, Ct);
            await stream.FlushAsync(Ct);
            await GoOn.Task;
            await stream.WriteAsync(blank.AsMemory(0, 1), Ct);
        }

        protected override bool TryComputeLength(out long size)
        {
            size = length;
            return true;
        }
    }
}
