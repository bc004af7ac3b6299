using System.Buffers.Text;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.WebUtilities;

namespace OpenReadings.Identity.Tests.OAuth;

/// <summary>An application that somebody made.</summary>
public sealed record App(IdentityService Service, string ClientId, string? Secret, string RedirectUri)
{
    public const string Callback = "https://lab.example/callback";
    public static readonly string[] Scopes = ["openid", "profile", "email", "readings:read", "readings:write", "offline_access"];
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static async Task<App> MadeAsync(IdentityService service, Person? maker = null, bool isPublic = false, string redirectUri = Callback, string[]? scopes = null)
    {
        maker ??= await Person.SignedInAsync(service);
        using var made = await maker.Http.PostAsJsonAsync("/identity/v1/me/applications",
            new { name = "Sleep lab", is_public = isPublic, redirect_uris = new[] { redirectUri }, post_logout_redirect_uris = new[] { "https://lab.example/bye" }, scopes = scopes ?? Scopes }, Ct);
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        var said = await made.JsonAsync();
        var secret = said.GetProperty("client_secret").GetString();
        Assert.Equal(isPublic, secret is null);
        return new(service, said.GetProperty("client_id").GetString()!, secret, redirectUri);
    }

    public Dictionary<string, string> Request(string? verifier = null, params (string Name, string? Value)[] changes)
    {
        var request = new Dictionary<string, string>
        {
            ["response_type"] = "code", ["client_id"] = ClientId, ["redirect_uri"] = RedirectUri, ["scope"] = "openid readings:read offline_access", ["state"] = "s-1", ["nonce"] = "n-1",
            ["code_challenge"] = Pkce.ChallengeOf(verifier ?? Pkce.Verifier), ["code_challenge_method"] = "S256",
        };
        foreach (var (name, value) in changes)
            if (value is null) request.Remove(name);
            else request[name] = value;
        return request;
    }

    public Task<HttpResponseMessage> TokensAsync(string code, params (string Name, string? Value)[] changes) => PostAsync("tokens",
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", RedirectUri), ("code_verifier", Pkce.Verifier), .. changes]);

    public Task<HttpResponseMessage> RefreshAsync(string refreshToken, params (string Name, string? Value)[] changes) =>
        PostAsync("tokens", [("grant_type", "refresh_token"), ("refresh_token", refreshToken), .. changes]);

    /// <summary>A form to one of the endpoints for programs, by Basic where there is a secret and by its id alone where there is none.</summary>
    public async Task<HttpResponseMessage> PostAsync(string endpoint, params (string Name, string? Value)[] fields)
    {
        using var http = Service.Anonymous();
        if (Secret is not null) http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{ClientId}:{Secret}")));
        else fields = [("client_id", ClientId), .. fields];
        var form = new Dictionary<string, string>();
        foreach (var (name, value) in fields)
            if (value is null) form.Remove(name);
            else form[name] = value;
        return await http.PostAsync($"/identity/v1/{endpoint}", new FormUrlEncodedContent(form), Ct);
    }
}

public static class Pkce
{
    public const string Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    public static string ChallengeOf(string verifier) => Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(verifier)));
}

/// <summary>A browser without scripts: keeps cookies, follows redirects to our own pages only, fills in forms.</summary>
public sealed partial class Browser : IDisposable
{
    private readonly CookieContainer cookies = new();
    private readonly HttpClient http;

    public Browser(IdentityService service) => http = new HttpClient(new SocketsHttpHandler { CookieContainer = cookies, AllowAutoRedirect = false }) { BaseAddress = service.Address };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public string Html { get; private set; } = "";
    public HttpStatusCode Status { get; private set; }
    public HttpResponseHeaders Headers { get; private set; } = null!;

    /// <summary>Where the last answer leads outside of our own pages; null where it does not.</summary>
    public string? Left { get; private set; }

    public Dictionary<string, string> LeftWith => QueryHelpers.ParseQuery(new Uri(Left ?? throw new InvalidOperationException(Html)).Query).ToDictionary(one => one.Key, one => one.Value.ToString());

    public string? Cookie(string name) => cookies.GetAllCookies().FirstOrDefault(cookie => cookie.Name == name)?.Value;

    public IEnumerable<string> CookieNames => cookies.GetAllCookies().Select(cookie => cookie.Name);

    public void SetCookie(string name, string value) => cookies.Add(http.BaseAddress!, new Cookie(name, value, "/"));

    public Task AskAsync(Dictionary<string, string> request) => GoAsync(HttpMethod.Get, QueryHelpers.AddQueryString("/identity/v1/authorize", request!));

    public Task GetAsync(string path) => GoAsync(HttpMethod.Get, path);

    /// <summary>Sends the only form of the page as it is, with some fields filled in; null leaves one out.</summary>
    public Task SendAsync(params (string Name, string? Value)[] filled)
    {
        var fields = Inputs().Matches(Html).Select(match => match.Value).Where(input => !input.Contains("type=\"checkbox\"", StringComparison.Ordinal) || input.Contains(" checked", StringComparison.Ordinal))
            .ToDictionary(input => Of(input, "name")!, input => Of(input, "value") ?? (input.Contains("checkbox", StringComparison.Ordinal) ? "on" : ""));
        foreach (var (name, value) in filled)
            if (value is null) fields.Remove(name);
            else fields[name] = value;
        return PostAsync(Actions().Match(Html).Groups[1].Value, fields);
    }

    public Task PostAsync(string path, Dictionary<string, string> fields, params (string Name, string Value)[] headers) => GoAsync(HttpMethod.Post, path, new FormUrlEncodedContent(fields), headers);

    public Task SignInAsync(Person person) => SendAsync(("email", person.Email), ("password", person.Password));

    private async Task GoAsync(HttpMethod method, string path, HttpContent? content = null, params (string Name, string Value)[] headers)
    {
        Left = null;
        for (var hops = 0; hops < 10; hops++)
        {
            using var request = new HttpRequestMessage(method, path) { Content = content };
            foreach (var (name, value) in headers) request.Headers.Add(name, value);
            using var answer = await http.SendAsync(request, Ct);
            (Status, Headers, Html) = (answer.StatusCode, answer.Headers, await answer.Content.ReadAsStringAsync(Ct));
            if (answer.Headers.Location is not { } location) return;
            if (location.IsAbsoluteUri)
            {
                Left = location.OriginalString;
                return;
            }
            (method, path, content) = (HttpMethod.Get, location.OriginalString, null);
        }
        throw new InvalidOperationException("Redirected in a circle.");
    }

    private static string? Of(string input, string attribute) =>
        Regex.Match(input, $" {attribute}=\"([^\"]*)\"") is { Success: true } match ? WebUtility.HtmlDecode(match.Groups[1].Value) : null;

    [GeneratedRegex("<input [^>]*>")]
    private static partial Regex Inputs();

    [GeneratedRegex("<form method=\"post\" action=\"([^\"]*)\"")]
    private static partial Regex Actions();

    public void Dispose() => http.Dispose();
}

public static class Answers
{
    /// <summary>The error of RFC 6749 with its status.</summary>
    public static async Task ErrorAsync(this Task<HttpResponseMessage> answer, HttpStatusCode status, string error)
    {
        using var response = await answer;
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == status, $"{(int)response.StatusCode} {text}");
        Assert.Equal(error, JsonDocument.Parse(text).RootElement.GetProperty("error").GetString());
        Assert.True(response.Headers.CacheControl?.NoStore);
    }

    public static JsonElement Claims(this string token) => JsonDocument.Parse(Base64Url.DecodeFromChars(token.Split('.')[1])).RootElement;

    public static string Text(this JsonElement json, string name) => json.GetProperty(name).GetString()!;
}
