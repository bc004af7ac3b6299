using System.ComponentModel.DataAnnotations;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.ApiKeys;

/// <summary>
/// Says whose a key is and what it opens, to whoever has it: our services, for each key at most once a second. Nothing that it says opens
/// anything, so there is nothing to outlive the key.
/// </summary>
public static class IntrospectKey
{
    public sealed record Request([property: Required] string? ApiKey);
    private sealed record Found(Guid UserId, string KeyId, string Scope, DateTimeOffset? ExpiresAt, bool IsGood);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/api-keys/introspect", HandleAsync)
        .WithName("IntrospectApiKey").WithSummary("Whose a key is and what it opens; active is false for one that is unknown, expired or ended.")
        .WithExample(request: """{"api_key": "or_live_k3J9x0QmZ2aB_…"}""",
            response: """{"active": true, "sub": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "key_id": "k3J9x0QmZ2aB", "scope": "readings:write", "expires_at": null, "acts_as_itself": false}""");

    private static async Task<Chassis.ApiKeys.Introspection> HandleAsync(Request request, Database database, HttpResponse response, CancellationToken ct)
    {
        response.Headers.CacheControl = "no-store";
        var nobody = new Chassis.ApiKeys.Introspection(false, null, null, null, null);
        if (!Chassis.ApiKeys.IsWellFormed(request.ApiKey!)) return nobody;
        Found? found;
        await using (var unowned = await database.BeginUnownedAsync(ct))
            found = await unowned.FindAsync<Found>("select user_id, key_id, scope, expires_at, is_good from find_api_key(@hash)", new { hash = NewKey.HashOf(request.ApiKey!) });
        if (found is not { IsGood: true }) return nobody;

        await using var db = await database.BeginAsync(found.UserId, ct);
        await db.ExecuteAsync(
            "update api_keys set last_used_at = now() where key_id = @KeyId and (last_used_at is null or last_used_at < now() - interval '1 minute')", new { found.KeyId });
        var ownId = await db.ScalarAsync<Guid?>("select own_id from api_keys where key_id = @KeyId", new { found.KeyId });
        await db.CommitAsync();
        return new(true, ownId ?? found.UserId, found.KeyId, found.Scope, found.ExpiresAt, ownId is not null);
    }
}
