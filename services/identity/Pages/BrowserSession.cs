using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using OpenReadings.Chassis;
using OpenReadings.Identity.OAuth;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Pages;

/// <summary>A person who has signed in on our pages with this browser.</summary>
public sealed record SignedIn(Guid UserId, Guid LoginId, DateTimeOffset AuthenticatedAt, string Email);

/// <summary>
/// The cookies of our pages: one that stands for the login, made anew by every sign-in, one that forms are bound to, and one for what a provider
/// has just said. All only over TLS where the issuer is https, never for scripts, and not with requests that other sites make.
/// </summary>
public sealed class BrowserSession(Database database, TokenIssuer tokens)
{
    /// <summary>The client under which a browser stands among a person's logins.</summary>
    public const string Client = "browser";
    private bool IsHttps => tokens.Issuer.StartsWith("https://", StringComparison.Ordinal);
    // With __Host- no other host of the domain and no page over http can set it.
    private string SessionCookie => IsHttps ? "__Host-or_session" : "or_session";
    private string FormCookie => IsHttps ? "__Host-or_form" : "or_form";
    private string ProofCookie => IsHttps ? "__Host-or_proof" : "or_proof";

    /// <summary>Null where nobody has, or the login has ended.</summary>
    public async Task<SignedIn?> FindAsync(HttpContext http, CancellationToken ct)
    {
        if (http.Request.Cookies[SessionCookie] is not { Length: 43 } cookie) return null;
        await using var db = await database.BeginUnownedAsync(ct);
        return await db.FindAsync<SignedIn>("select user_id, login_id, authenticated_at, email from find_browser_session(@hash)", new { hash = Application.HashOf(cookie) });
    }

    /// <summary>Makes the cookie of a login that has just begun; the one before, if there was one, stands for nothing any more.</summary>
    public async Task BeginAsync(UserTransaction db, HttpContext http, Guid loginId)
    {
        var cookie = NewValue();
        await db.ExecuteAsync("insert into browser_sessions (login_id, cookie_hash) values (@loginId, @hash)", new { loginId, hash = Application.HashOf(cookie) });
        http.Response.Cookies.Append(SessionCookie, cookie, Options);
    }

    /// <summary>Ends the login, and makes the browser forget its cookie.</summary>
    public async Task EndAsync(SignedIn who, HttpContext http, CancellationToken ct)
    {
        await EndAsync(who, ct);
        http.Response.Cookies.Delete(SessionCookie, Options);
    }

    /// <summary>Ends the login of a cookie that another has taken the place of.</summary>
    public async Task EndAsync(SignedIn who, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(who.UserId, ct);
        await db.ExecuteAsync("update logins set ended_at = now(), ended_because = 'signed-out' where login_id = @LoginId and ended_at is null", who);
        await db.CommitAsync();
    }

    /// <summary>What a form of ours must bring back: nobody can know it who cannot read this browser's cookies.</summary>
    public string FormTokenFor(HttpContext http)
    {
        if (http.Request.Cookies[FormCookie] is not { Length: 43 } cookie)
        {
            cookie = NewValue();
            http.Response.Cookies.Append(FormCookie, cookie, Options);
        }
        return TokenOf(cookie, http);
    }

    /// <summary>Whether a form comes from a page of ours that this browser was shown, for the login that it has now.</summary>
    public bool IsOurs(HttpContext http, Form form)
    {
        if (http.Request.Headers["Sec-Fetch-Site"] is [{ } site] && site != "same-origin") return false;
        return IsFormTokenOf(http, form["form_token"]);
    }

    /// <summary>Whether this browser was given it, for the login that it has now. Where it comes from is not asked: a provider sends people back.</summary>
    public bool IsFormTokenOf(HttpContext http, string? given) =>
        http.Request.Cookies[FormCookie] is { Length: 43 } cookie && given is not null
            && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(TokenOf(cookie, http)));

    /// <summary>What stands for the word of a provider; null where there is none.</summary>
    public string? ProofOf(HttpContext http) => http.Request.Cookies[ProofCookie] is { Length: 43 } cookie ? cookie : null;

    public void SetProof(HttpContext http, string value) => http.Response.Cookies.Append(ProofCookie, value, Options);

    public void ForgetProof(HttpContext http) => http.Response.Cookies.Delete(ProofCookie, Options);

    private string TokenOf(string cookie, HttpContext http) =>
        Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes($"form {cookie} {http.Request.Cookies[SessionCookie]}")));

    private CookieOptions Options => new() { HttpOnly = true, Secure = IsHttps, SameSite = SameSiteMode.Lax, Path = "/" };

    private static string NewValue() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
}
