using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Tokens;

/// <summary>
/// What ended access tokens before their time, for whoever verifies them without asking us. It names hashes: one who does not know a login's
/// id learns nothing.
/// </summary>
public static class ShowRevocations
{
    private const int LongestWait = 20;

    private sealed record Row(byte[]? Mark, DateTimeOffset? IssuedUntil, string Next);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/revocations", HandleAsync)
        .WithName("ShowRevocations")
        .WithSummary("What was revoked in the last hour and after the answer that said this 'next': a mark is the first 16 bytes of the SHA-256 of 'login {sid}' or 'person {sub}', in base64.")
        .WithDescription(
            "Where nothing is new, the answer waits for it, as many seconds as 'wait' says, 20 at most; an empty list says that nothing was so far. Ask again with "
            + "the answer's 'next', and not before half a second after the last question. What was said may be said again.")
        .DisableHttpMetrics()                               // how long it waited says nothing of how fast we are
        .WithExample(response: """{"revocations": [{"mark": "3q2+7wAAAAAAAAAAAAAAAA==", "issued_until": null}], "next": "48213"}""");

    private static async Task<Results<Ok<Revocations.Answer>, ProblemHttpResult>> HandleAsync(
        Database database, RevocationWatch watch, TimeProvider clock, HttpResponse response, CancellationToken ct, string after = "0", int wait = 0)
    {
        if (!ulong.TryParse(after, out var asked)) return Problems.Of(400, "invalid-after", "'after' is what an earlier answer said as 'next'.");
        if (wait is < 0 or > LongestWait) return Problems.Of(400, "invalid-wait", $"'wait' is a number of seconds, {LongestWait} at most.");
        response.Headers.CacheControl = "no-store";
        var (begun, limit) = (clock.GetTimestamp(), TimeSpan.FromSeconds(wait));
        while (true)
        {
            var next = wait > 0 ? watch.NextAsync() : Task.CompletedTask;      // before the look: nothing falls between the two
            var answer = await LookAsync(database, after, ct);
            // From before a restore, or a failover that lost transactions: what it says is missing could be anything.
            if (ulong.Parse(answer.Next, CultureInfo.InvariantCulture) < asked) return TypedResults.Ok(await LookAsync(database, "0", ct));
            if (answer.Revocations.Count > 0 || !await watch.WaitAsync(next, limit - clock.GetElapsedTime(begun), ct)) return TypedResults.Ok(answer);
        }
    }

    private static async Task<Revocations.Answer> LookAsync(Database database, string after, CancellationToken ct)
    {
        var rows = await database.ReadUnownedAsync<Row>(
            """
            select mark, issued_until, pg_snapshot_xmin(pg_current_snapshot())::text as next
            from (values (true)) one
            left join revocations on added_by >= @after::xid8
            """, new { after }, ct);
        return new([.. rows.Where(row => row.Mark is not null).Select(row => new Revocations.Revocation(Convert.ToBase64String(row.Mark!), row.IssuedUntil))], rows[0].Next);
    }
}
