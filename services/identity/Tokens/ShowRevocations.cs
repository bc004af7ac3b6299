using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Tokens;

/// <summary>
/// What ended access tokens before their time, for whoever verifies them without asking us. It names hashes: one who does not know a login's
/// id learns nothing.
/// </summary>
public static class ShowRevocations
{
    private sealed record Row(byte[]? Mark, DateTimeOffset? IssuedUntil, string Next);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/revocations", HandleAsync)
        .WithName("ShowRevocations")
        .WithSummary("What was revoked in the last hour and after the answer that said this 'next': a mark is the first 16 bytes of the SHA-256 of 'login {sid}' or 'person {sub}', in base64.")
        .WithExample(response: """{"revocations": [{"mark": "3q2+7wAAAAAAAAAAAAAAAA==", "issued_until": null}], "next": "48213"}""");

    private static async Task<Results<Ok<Revocations.Answer>, ProblemHttpResult>> HandleAsync(
        Database database, HttpResponse response, CancellationToken ct, string after = "0")
    {
        if (!ulong.TryParse(after, out _)) return Problems.Of(400, "invalid-after", "'after' is what an earlier answer said as 'next'.");
        response.Headers.CacheControl = "no-store";
        var rows = await database.ReadUnownedAsync<Row>(
            """
            select mark, issued_until, pg_snapshot_xmin(pg_current_snapshot())::text as next
            from (values (true)) one
            left join revocations on added_by >= @after::xid8
            """, new { after }, ct);
        return TypedResults.Ok(new Revocations.Answer(
            [.. rows.Where(row => row.Mark is not null).Select(row => new Revocations.Revocation(Convert.ToBase64String(row.Mark!), row.IssuedUntil))], rows[0].Next));
    }
}
