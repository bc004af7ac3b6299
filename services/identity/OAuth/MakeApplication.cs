using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Mail;

namespace OpenReadings.Identity.OAuth;

/// <summary>Makes an application, and later a new secret in place of one that stays good for a while.</summary>
public static class MakeApplication
{
    public const int Most = 50;
    private static readonly TimeSpan LongestOverlap = TimeSpan.FromDays(30);

    public sealed record Request(string? Name, bool IsPublic, string[]? RedirectUris, string[]? PostLogoutRedirectUris, string[]? Scopes);
    public sealed record Rotation(int? OverlapSeconds);

    /// <summary>ClientSecret: shown here and never again; none for a public application.</summary>
    public sealed record Response(Guid ClientId, string? ClientSecret, string Name, bool IsPublic, string[] RedirectUris, string[] PostLogoutRedirectUris, string[] Scopes);
    public sealed record Secret(string ClientSecret);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/me/applications", MakeAsync)
            .WithName("MakeApplication").WithSummary("An application that people can let in. With is_public it has no secret: it runs on a phone or in a browser. Takes a recent proof.")
            .WithExample(
                request: """{"name": "Sleep lab", "redirect_uris": ["https://lab.example/callback"], "scopes": ["openid", "readings:read", "offline_access"]}""",
                response:
                """
                {"client_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "client_secret": "os_7Jm0nU3f…", "name": "Sleep lab", "is_public": false,
                 "redirect_uris": ["https://lab.example/callback"], "post_logout_redirect_uris": [], "scopes": ["openid", "readings:read", "offline_access"]}
                """);
        routes.MapPost("/me/applications/{clientId:guid}/secrets", RotateAsync)
            .WithName("RotateApplicationSecret").WithSummary("A new secret; those there are stay good for a day, or as long as is said (at most 30 days; 0 for one that leaked). Takes a recent proof.")
            .WithExample(request: """{"overlap_seconds": 3600}""", response: """{"client_secret": "os_7Jm0nU3f…"}""");
    }

    private static async Task<Results<Created<Response>, ProblemHttpResult>> MakeAsync(Request wanted, CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        ProblemItem[] broken =
        [
            .. ApplicationRules.BrokenByName(wanted.Name), .. ApplicationRules.BrokenByScopes(wanted.Scopes),
            .. ApplicationRules.BrokenByUris(wanted.RedirectUris, "redirect_uris", wanted.IsPublic), .. ApplicationRules.BrokenByUris(wanted.PostLogoutRedirectUris, "post_logout_redirect_uris", wanted.IsPublic),
        ];
        if (broken.Length > 0) return Problems.Of(400, "validation-failed", "Some fields are not valid.", broken);

        var (clientId, scopes) = (OrderedId.Next(), wanted.Scopes!.Distinct().ToArray());
        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutRecentProofAsync(user, http) is { } refused) return refused;
        if (await db.ScalarAsync<int>("select count(*)::int from applications") >= Most) return Problems.Of(409, "too-many-applications", $"There are {Most} applications. End one of them first.");
        await db.ExecuteAsync(
            """
            insert into applications (client_id, name, is_public, redirect_uris, post_logout_redirect_uris, scope)
            values (@clientId, @Name, @IsPublic, @redirects::jsonb, @afterLogout::jsonb, @scope)
            """,
            new
            {
                clientId, wanted.Name, wanted.IsPublic, redirects = JsonSerializer.Serialize(wanted.RedirectUris ?? []),
                afterLogout = JsonSerializer.Serialize(wanted.PostLogoutRedirectUris ?? []), scope = string.Join(' ', scopes),
            });
        var secret = wanted.IsPublic ? null : await AddSecretAsync(db, clientId);
        await db.MailOfAccessAsync("An application");
        await db.NoteAsync(http, Entry.ApplicationMade, Entry.LoginOf(user), new { clientId, wanted.Name });
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Created($"/identity/v1/me/applications/{clientId}",
            new Response(clientId, secret, wanted.Name!, wanted.IsPublic, wanted.RedirectUris ?? [], wanted.PostLogoutRedirectUris ?? [], scopes));
    }

    private static async Task<Results<Ok<Secret>, ProblemHttpResult>> RotateAsync(
        Guid clientId, Rotation? rotation, CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        var overlap = TimeSpan.FromSeconds(rotation?.OverlapSeconds ?? 86_400);
        if (overlap < TimeSpan.Zero || overlap > LongestOverlap)
            return Problems.Of(400, "validation-failed", "Some fields are not valid.", new ProblemItem("/overlap_seconds", "invalid-overlap", $"The overlap is 0 to {LongestOverlap.TotalSeconds:F0} seconds."));
        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutRecentProofAsync(user, http) is { } refused) return refused;
        if (await db.FindAsync<bool?>("select is_public from applications where client_id = @clientId for update", new { clientId }) is not { } isPublic) return NotFound();
        if (isPublic) return Problems.Of(409, "application-is-public", "A public application has no secret.");
        await db.ExecuteAsync("update application_secrets set expires_at = least(expires_at, now() + @overlap) where client_id = @clientId", new { clientId, overlap });
        var secret = await AddSecretAsync(db, clientId);
        await db.MailOfAccessAsync("A secret of an application");
        await db.NoteAsync(http, Entry.ApplicationSecretRotated, Entry.LoginOf(user), new { clientId });
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new Secret(secret));
    }

    private static async Task<string> AddSecretAsync(UserTransaction db, Guid clientId)
    {
        var secret = $"os_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32))}";
        await db.ExecuteAsync("insert into application_secrets (client_id, secret_id, hash) values (@clientId, @id, @hash)",
            new { clientId, id = OrderedId.Next(), hash = Application.HashOf(secret) });
        return secret;
    }

    internal static ProblemHttpResult NotFound() => Problems.Of(404, "application-not-found", "You have no such application.");
}
