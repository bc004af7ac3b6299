using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>A gadget or command line without a browser asks to be let in (RFC 8628 §3.1): its person types the user code on a page of ours.</summary>
public static class AuthorizeDevice
{
    private const int GoodForSeconds = 600, IntervalSeconds = 5;
    // No vowels, so that it makes no words, and nothing that looks like something else: 20^8 codes, of which few live.
    private const string Letters = "BCDFGHJKLMNPQRSTVWXZ";

    public sealed record Response(string DeviceCode, string UserCode, string VerificationUri, string VerificationUriComplete, int ExpiresIn, int Interval);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/device-authorizations", HandleAsync)
        .RequireRateLimiting(RateLimits.Clients)
        .Accepts<IFormCollection>("application/x-www-form-urlencoded")
        .WithName("AuthorizeDevice").WithSummary("For gadgets and command lines: a code for the person to type at verification_uri, and one to ask for tokens with (RFC 8628).")
        .WithExample(
            request: "client_id=01a1fabf-c5d8-7a3e-a22a-8c90e9a54227&scope=readings%3Awrite%20offline_access",
            response:
            """
            {"device_code": "od_7Jm0nU3f…", "user_code": "BCDF-GHJK", "verification_uri": "https://readings.example/identity/device",
             "verification_uri_complete": "https://readings.example/identity/device?user_code=BCDF-GHJK", "expires_in": 600, "interval": 5}
            """,
            requestType: "application/x-www-form-urlencoded");

    public static string NewUserCode(int length = 8) => RandomNumberGenerator.GetString(Letters, length);

    public static string Shown(string code) => string.Join('-', code.Chunk(4).Select(part => new string(part)));

    /// <summary>A user code as it is kept: people type it in small letters, without the hyphen, with spaces.</summary>
    public static string Plain(string? code) => new([.. (code ?? "").ToUpperInvariant().Where(char.IsAsciiLetter)]);

    private static async Task<Results<Ok<Response>, JsonHttpResult<Refusal>>> HandleAsync(
        HttpContext http, ClientAuthentication clients, Database database, TokenIssuer tokens, CancellationToken ct)
    {
        http.Response.Headers.CacheControl = "no-store";
        try
        {
            var form = await Form.OfAsync(http.Request, ct);
            if (await clients.OfAsync(http.Request, form, ct) is not { Application: { } application }) return Refusal.InvalidClient(http);
            var wanted = Scope.Split(form["scope"]);
            if (wanted.Length == 0 || !Scope.Covers(application.Scope, wanted)) throw new RefusedException("invalid_scope", "The application may not ask for this scope.");
            var (device, user) = ($"od_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32))}", NewUserCode());
            await using var db = await database.BeginUnownedAsync(ct);
            await db.ExecuteAsync("call ask_for_device(@hash, @user, @ClientId, @scope, @place::cidr)",
                new { hash = Application.HashOf(device), user, application.ClientId, scope = string.Join(' ', wanted), place = RateLimits.NetworkOf(http).ToString() });
            await db.CommitAsync();
            var (shown, page) = (Shown(user), $"{tokens.Issuer}/device");
            return TypedResults.Ok(new Response(device, shown, page, $"{page}?user_code={shown}", GoodForSeconds, IntervalSeconds));
        }
        catch (RefusedException e)
        {
            return Refusal.Of(e.Error, e.Message);
        }
    }
}
