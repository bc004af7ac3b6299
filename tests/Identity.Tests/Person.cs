using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Routing;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Tests;

public sealed record Tokens(string AccessToken, string RefreshToken, string TokenType, int ExpiresIn, string Scope);

public sealed record Problem(string Type, int Status, string Detail, IReadOnlyList<ProblemItem>? Errors);

/// <summary>A new person of one test, and what they do.</summary>
public sealed class Person(IdentityService service)
{
    public const string FirstPassword = "Not-for-any-log-1";

    public string Email { get; } = $"{Guid.NewGuid():N}@example.org";
    public string Password { get; set; } = FirstPassword;
    public Guid AccountId { get; private set; }
    public Tokens Tokens { get; private set; } = null!;
    public HttpClient Http => service.WithToken(Tokens.AccessToken);

    public static async Task<Person> SignedUpAsync(IdentityService service)
    {
        var person = new Person(service);
        using var response = await service.PostAsync("accounts",
            new { email = person.Email, password = person.Password });
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        person.AccountId = (await response.JsonAsync()).GetProperty("account_id").GetGuid();
        return person;
    }

    public static async Task<Person> SignedInAsync(IdentityService service)
    {
        var person = await SignedUpAsync(service);
        person.Tokens = await person.SignInAsync();
        return person;
    }

    public async Task<Tokens> SignInAsync()
    {
        using var response = await TrySignInAsync(Password);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return Tokens = (await response.Content.ReadFromJsonAsync<Tokens>(
            Json.Options, TestContext.Current.CancellationToken))!;
    }

    public async Task<HttpResponseMessage> TrySignInAsync(string password, string from = "127.0.0.1")
    {
        using var http = service.Anonymous();
        http.DefaultRequestHeaders.Add("X-Forwarded-For", from);
        return await http.PostAsJsonAsync(
            "/identity/v1/logins", new { email = Email, password }, TestContext.Current.CancellationToken);
    }

    public Task<HttpResponseMessage> DeleteAccountAsync(string password) => Http.SendAsync(
        new HttpRequestMessage(HttpMethod.Delete, "/identity/v1/me") { Content = JsonContent.Create(new { password }) },
        TestContext.Current.CancellationToken);

    public Task<HttpResponseMessage> ChangePasswordAsync(string current, string next) => Http.PutAsJsonAsync(
        "/identity/v1/me/password", new { current_password = current, new_password = next },
        TestContext.Current.CancellationToken);
}

public static partial class Requests
{
    /// <summary>The path of a route, with the given values in the places for them and with made-up ones in the others.</summary>
    public static string PathTo(this RouteEndpoint route, params (string Place, object Value)[] values) => "/" + Places().Replace(
        route.RoutePattern.RawText!.TrimStart('/'), place => $"{values.FirstOrDefault(value => value.Place == place.Groups[1].Value, ("", Guid.NewGuid())).Value}");

    [GeneratedRegex(@"\{(\w+)(?::\w+)?\}")]
    private static partial Regex Places();

    public static Task<HttpResponseMessage> PostAsync(this IdentityService service, string route, object body) =>
        service.Anonymous().PostAsJsonAsync($"/identity/v1/{route}", body, TestContext.Current.CancellationToken);

    public static Task<HttpResponseMessage> RefreshAsync(this IdentityService service, string refreshToken) =>
        service.PostAsync("logins/refresh", new { refresh_token = refreshToken });

    public static async Task<Tokens> TokensAsync(this HttpResponseMessage response)
    {
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return (await response.Content.ReadFromJsonAsync<Tokens>(Json.Options, TestContext.Current.CancellationToken))!;
    }

    public static async Task<JsonElement> JsonAsync(this HttpResponseMessage response) =>
        JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;

    /// <summary>The token has ended, which this replica hears of within half a second. How soon it does is measured in benchmarks (revocation).</summary>
    public static async Task SoonRefusedAsync(this HttpClient http, string path)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var answer = await http.GetAsync(path, TestContext.Current.CancellationToken);
            if (answer.StatusCode == HttpStatusCode.Unauthorized || TimeProvider.System.GetElapsedTime(since) > TimeSpan.FromSeconds(10))
            {
                await Task.FromResult(answer).RefusedAsync(HttpStatusCode.Unauthorized, "invalid-token");
                return;
            }
            answer.Dispose();
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Tokens of the two seconds after an end are refused as well, as the clocks of replicas are not one: asks with new ones until one is not.</summary>
    public static async Task SoonAcceptedAsync(string path, Func<Task<HttpClient>> withNewToken)
    {
        for (var since = TimeProvider.System.GetTimestamp(); ; await Task.Delay(250, TestContext.Current.CancellationToken))
        {
            using var answer = await (await withNewToken()).GetAsync(path, TestContext.Current.CancellationToken);
            if (answer.StatusCode == HttpStatusCode.OK) return;
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(10), $"{(int)answer.StatusCode}");
        }
    }

    /// <summary>The problem, whose status and type are as expected.</summary>
    public static async Task<Problem> RefusedAsync(
        this Task<HttpResponseMessage> answer, HttpStatusCode status, string type)
    {
        using var response = await answer;
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(status == response.StatusCode, $"{(int)response.StatusCode} {text}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = JsonSerializer.Deserialize<Problem>(text, Json.Options)!;
        Assert.Equal(type, problem.Type);
        return problem;
    }
}
