using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Mail;

namespace OpenReadings.Identity.ApiKeys;

/// <summary>Makes a key, or one in place of another that stays good for a while, so that a gadget can be told without a gap.</summary>
public static class MakeKey
{
    public const int Most = 50;
    private static readonly string[] Scopes = ["readings:read", "readings:write", "sync:read", "sync:write"];
    private static readonly TimeSpan LongestOverlap = TimeSpan.FromDays(30);

    /// <summary>ActsAsItself: the key gets an id of its own and opens only what is shared with that.</summary>
    public sealed record Request(string? Name, string[]? Scopes, DateTimeOffset? ExpiresAt, bool ActsAsItself = false);
    public sealed record Rotation(int? OverlapSeconds);

    /// <summary>Key: shown here and never again.</summary>
    public sealed record Response(string KeyId, string Key, string Name, string[] Scopes, DateTimeOffset? ExpiresAt, Guid? OwnId);

    private const string Example =
        """
        {"key_id": "k3J9x0QmZ2aB", "key": "or_live_k3J9x0QmZ2aB_…", "name": "Bathroom scale", "scopes": ["readings:write"], "expires_at": null, "own_id": null}
        """;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/me/api-keys", MakeAsync)
            .WithName("MakeApiKey").WithSummary("A key for a gadget or a script, shown once. Send it as Bearer, as Token, as the password of Basic, or in X-API-Key. Takes a recent proof.")
            .WithExample(request: """{"name": "Bathroom scale", "scopes": ["readings:write"]}""", response: Example);
        routes.MapPost("/me/api-keys/{keyId}/rotate", RotateAsync)
            .WithName("RotateApiKey").WithSummary("A new key in place of one that stays good for a day, or as long as is said (at most 30 days). Takes a recent proof.")
            .WithExample(request: """{"overlap_seconds": 3600}""", response: Example);
    }

    private static async Task<Results<Created<Response>, ProblemHttpResult>> MakeAsync(
        Request wanted, CurrentUser user, Database database, IConfiguration config, TimeProvider clock, HttpContext http, CancellationToken ct)
    {
        ProblemItem[] broken =
        [
            .. wanted.Name is { Length: >= 1 and <= 100 } name && !name.Any(char.IsControl) ? Array.Empty<ProblemItem>() : [new("/name", "invalid-name", "The name has 1 to 100 characters, none of them a control character.")],
            .. wanted.Scopes is { Length: > 0 } && wanted.Scopes.All(Scopes.Contains) ? Array.Empty<ProblemItem>() : [new("/scopes", "invalid-scopes", $"Scopes are one or several of {string.Join(", ", Scopes)}.")],
            .. wanted.ExpiresAt is { } end && end <= clock.GetUtcNow() ? [new("/expires_at", "in-the-past", "The key would have expired already.")] : Array.Empty<ProblemItem>(),
        ];
        if (broken.Length > 0) return Problems.Of(400, "validation-failed", "Some fields are not valid.", broken);

        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutRecentProofAsync(user, http) is { } refused) return refused;
        var made = await InsertAsync(db, config, wanted.Name!, string.Join(' ', wanted.Scopes!.Distinct()), wanted.ExpiresAt, wanted.ActsAsItself ? OrderedId.Next() : null);
        if (made is null) return TooMany();
        await db.MailOfAccessAsync("An API key");
        await db.NoteAsync(http, Entry.ApiKeyMade, Entry.LoginOf(user), new { made.KeyId, made.Name, made.Scopes });
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Created($"/identity/v1/me/api-keys/{made.KeyId}", made);
    }

    private static async Task<Results<Created<Response>, ProblemHttpResult>> RotateAsync(
        string keyId, Rotation? rotation, CurrentUser user, Database database, IConfiguration config, HttpContext http, CancellationToken ct)
    {
        var overlap = TimeSpan.FromSeconds(rotation?.OverlapSeconds ?? 86_400);
        if (overlap < TimeSpan.Zero || overlap > LongestOverlap)
            return Problems.Of(400, "validation-failed", "Some fields are not valid.", new ProblemItem("/overlap_seconds", "invalid-overlap", $"The overlap is 0 to {LongestOverlap.TotalSeconds:F0} seconds."));

        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutRecentProofAsync(user, http) is { } refused) return refused;
        var old = await db.FindAsync<ApiKey>($"{ApiKey.Select} where key_id = @keyId and {ApiKey.Good} for update", new { keyId });
        if (old is null) return EndKey.NotFound();
        // It has one end, which a second rotation does not put off; and what takes its place has the end that it was made with.
        var until = await db.ScalarAsync<DateTimeOffset?>(
            """
            update api_keys
            set expires_at = least(expires_at, now() + @overlap), rotated_at = coalesce(rotated_at, now()), made_until = case when rotated_at is null then expires_at else made_until end
            where key_id = @keyId
            returning made_until
            """, new { keyId, overlap });
        var made = await InsertAsync(db, config, old.Name, old.Scope, until, old.OwnId);
        if (made is null) return TooMany();
        await db.MailOfAccessAsync("An API key");
        await db.NoteAsync(http, Entry.ApiKeyRotated, Entry.LoginOf(user), new { made.KeyId, inPlaceOf = keyId });
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Created($"/identity/v1/me/api-keys/{made.KeyId}", made);
    }

    private static async Task<Response?> InsertAsync(UserTransaction db, IConfiguration config, string name, string scope, DateTimeOffset? expiresAt, Guid? ownId)
    {
        if (await db.ScalarAsync<int>($"select count(*)::int from api_keys where {ApiKey.Good}") >= Most) return null;
        var key = NewKey.In(config["ApiKeys:Environment"] ?? "live");
        await db.ExecuteAsync("insert into api_keys (key_id, name, hash, scope, expires_at, own_id) values (@Id, @name, @Hash, @scope, @expiresAt, @ownId)",
            new { key.Id, name, key.Hash, scope, expiresAt, ownId });
        return new Response(key.Id, key.Value, name, scope.Split(' '), expiresAt, ownId);
    }

    private static ProblemHttpResult TooMany() => Problems.Of(409, "too-many-keys", $"There are {Most} keys that are good. End one of them first.");
}
