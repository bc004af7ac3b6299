using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.OAuth;

/// <summary>What an application may know of the person who let it in (OpenID Connect Core §5.3): as much as its scope says.</summary>
public static class ShowUserInfo
{
    public sealed record Response(Guid Sub)
    {
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? Name { get; init; }
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? Zoneinfo { get; init; }
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? Email { get; init; }
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public bool? EmailVerified { get; init; }
    }

    private sealed record Profile(string? Name, string TimeZone, string Email, bool EmailVerified);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/userinfo", HandleAsync)
        .WithName("ShowUserInfo").WithSummary("What a token with the scope openid may know of its person: the id, and with profile and email the name, time zone and address.")
        .WithExample(response: """{"sub": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "name": "Ada", "zoneinfo": "Europe/Ljubljana", "email": "ada@example.org", "email_verified": true}""");
        routes.MapPost("/userinfo", HandleAsync).ExcludeFromDescription();      // OpenID Connect Core §5.3.1 asks for both
    }

    private static async Task<Results<Ok<Response>, ProblemHttpResult>> HandleAsync(CurrentUser user, Database database, HttpResponse response, CancellationToken ct)
    {
        if (!user.Has("openid") || user.Actor is not null)
        {
            response.Headers.WWWAuthenticate = "Bearer error=\"insufficient_scope\", scope=\"openid\"";
            return Problems.Of(403, "insufficient-scope", "The token lacks the scope openid.");
        }
        if (await database.ReadAsync<Profile>(user, "select name, time_zone, email, email_verified_at is not null as email_verified from accounts", null, ct) is not [var known]) return Accounts.Account.Gone();
        response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new Response(user.Id)
        {
            Name = user.Has("profile") ? known.Name : null, Zoneinfo = user.Has("profile") ? known.TimeZone : null,
            Email = user.Has("email") ? known.Email : null, EmailVerified = user.Has("email") ? known.EmailVerified : null,
        });
    }
}
