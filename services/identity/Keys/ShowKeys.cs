using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Keys;

/// <summary>The public keys that access tokens are verified with (RFC 7517).</summary>
public static class ShowKeys
{
    public sealed record Key(string Kty, string Crv, string X, string Y, string Use, string Alg, string Kid);

    public sealed record Response(IReadOnlyList<Key> Keys);

    private sealed record Half(string Kid, string X, string Y);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/jwks.json", Handle)
        .WithName("ShowKeys")
        .WithSummary("The public keys of access tokens: of now, of next month, and of tokens that still live.")
        .WithExample(response:
            """
            {"keys": [{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
              "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "use": "sig", "alg": "ES256",
              "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}]}
            """);
        routes.MapGet("/keys/{kid}", HandleOneAsync)
            .WithName("ShowKey").WithSummary("Any public key that ever signed here: for receipts, which are kept longer than keys sign.")
            .WithExample(response:
                """
                {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
                 "use": "sig", "alg": "ES256", "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}
                """);
    }

    private static async Task<Results<Ok<Key>, ProblemHttpResult>> HandleOneAsync(string kid, Database database, CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        return await db.FindAsync<Half>("select kid, x, y from signing_keys where kid = @kid union all select kid, x, y from retired_keys where kid = @kid", new { kid }) is { } half
            ? TypedResults.Ok(new Key("EC", "P-256", half.X, half.Y, "sig", "ES256", half.Kid))
            : Problems.Of(404, "key-not-found", "No key of this id has signed here.");
    }

    private static Ok<Response> Handle(KeyRing ring, HttpResponse response)
    {
        // Much shorter than a new key waits before it signs, so that nobody ever meets a key they cannot know.
        response.Headers.CacheControl = "public, max-age=300";
        return TypedResults.Ok(new Response(
            [.. ring.Published.Select(key => new Key("EC", "P-256", key.X, key.Y, "sig", "ES256", key.Kid))]));
    }
}
