using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Accounts;

/// <summary>How far an erasure has come, for whoever was told its id; and once every service has confirmed, a signed receipt. Shown for a year.</summary>
public static class ShowErasure
{
    public static readonly string[] Services = ["identity", "readings", "sync"];

    /// <summary>Erased: when each service had nothing left; null while it has. Receipt: a JWS (ES256) of the same, null until all have.</summary>
    public sealed record Response(Guid AccountId, DateTimeOffset RequestedAt, IReadOnlyDictionary<string, DateTimeOffset?> Erased, string? Receipt);

    private sealed record Found(Guid AccountId, DateTimeOffset RequestedAt, string Erased);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/erasures/{erasureId:guid}", HandleAsync)
        .WithName("ShowErasure")
        .WithSummary("Which services have forgotten an account, and when all have, a receipt: a JWS with typ erasure-receipt+jwt, whose key stays at /identity/.well-known/keys/{kid}.")
        .WithExample(response:
            """
            {"account_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "requested_at": "2026-11-27T09:00:00Z",
             "erased": {"identity": "2026-11-27T09:00:00Z", "readings": "2026-11-27T09:00:02Z", "sync": "2026-11-27T09:00:01Z"}, "receipt": "eyJhbGciOiJFUzI1NiIs…"}
            """);

    private static async Task<Results<Ok<Response>, ProblemHttpResult>> HandleAsync(
        Guid erasureId, Database database, TokenIssuer tokens, HttpResponse response, CancellationToken ct)
    {
        response.Headers.CacheControl = "no-store";
        await using var db = await database.BeginUnownedAsync(ct);
        if (await db.FindAsync<Found>("select account_id, requested_at, erased from find_erasure(@erasureId)", new { erasureId }) is not { } found)
            return Problems.Of(404, "erasure-not-found", "There is no such erasure, or it is more than a year ago.");
        var said = JsonSerializer.Deserialize<Dictionary<string, DateTimeOffset>>(found.Erased)!;
        var erased = Services.ToDictionary(service => service, service => said.TryGetValue(service, out var at) ? at : (DateTimeOffset?)null);
        var receipt = erased.ContainsValue(null)
            ? null
            : tokens.SignStatement("erasure-receipt+jwt", new { Iss = tokens.Issuer, Sub = found.AccountId, Iat = said.Values.Max().ToUnixTimeSeconds(), found.RequestedAt, Erased = erased });
        return TypedResults.Ok(new Response(found.AccountId, found.RequestedAt, erased, receipt));
    }
}
