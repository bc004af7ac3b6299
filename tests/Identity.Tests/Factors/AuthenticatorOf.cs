using System.Net.Http.Json;
using System.Text.Json;
using OpenReadings.Identity.Factors;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.Factors;

/// <summary>The authenticator of one person, which shows a new code whenever it is asked, as if half a minute had passed.</summary>
public sealed class AuthenticatorOf(IdentityService service, Person person)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    public byte[] Secret { get; private set; } = [];
    public string[] RecoveryCodes { get; private set; } = [];
    public Person Person => person;

    /// <summary>One that is turned on.</summary>
    public static async Task<AuthenticatorOf> AddedAsync(IdentityService service)
    {
        var authenticator = new AuthenticatorOf(service, await Person.SignedInAsync(service));
        await authenticator.MakeAsync();
        using var confirmed = await authenticator.ConfirmAsync(await authenticator.NextAsync());
        authenticator.RecoveryCodes = CodesOf(await confirmed.JsonAsync());
        return authenticator;
    }

    public async Task<string> MakeAsync()
    {
        using var made = await person.Http.PostAsync("/identity/v1/me/totp", null, Ct);
        Assert.Equal(OK, made.StatusCode);
        var said = await made.JsonAsync();
        Secret = Decode(said.GetProperty("secret").GetString()!);
        return said.GetProperty("otpauth_uri").GetString()!;
    }

    /// <summary>The code of now. What was used before is forgotten, as if it had been of half a minute ago.</summary>
    public async Task<string> NextAsync()
    {
        await service.SqlAsync("update totp set last_step = least(last_step, @step) where user_id = @AccountId", new { step = Now - 3, person.AccountId });
        return At(0);
    }

    public string At(long steps) => Totp.CodeAt(Secret, Now + steps);

    /// <summary>A code that no authenticator of this secret shows now.</summary>
    public string Wrong() => Enumerable.Range(0, 1_000_000).Select(n => $"{n:D6}").First(code => Enumerable.Range(-3, 7).All(steps => At(steps) != code));

    public Task<HttpResponseMessage> ConfirmAsync(string code, string? password = null) =>
        person.Http.PostAsJsonAsync("/identity/v1/me/totp/confirm", new { code, password = password ?? person.Password }, Ct);

    public Task<HttpResponseMessage> RemoveAsync(string code, string? password = null) => person.Http.SendAsync(
        new HttpRequestMessage(HttpMethod.Delete, "/identity/v1/me/totp") { Content = JsonContent.Create(new { code, password = password ?? person.Password }) }, Ct);

    public Task<HttpResponseMessage> SignInAsync(string? code, string? password = null) =>
        service.PostAsync("logins", new { email = person.Email, password = password ?? person.Password, code });

    public static string[] CodesOf(JsonElement said) => [.. said.GetProperty("recovery_codes").EnumerateArray().Select(code => code.GetString()!)];

    private static long Now => Totp.StepAt(DateTimeOffset.UtcNow);

    // Written apart from the product's encoder.
    private static byte[] Decode(string text)
    {
        var bits = string.Concat(text.Select(sign => Convert.ToString("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".IndexOf(sign, StringComparison.Ordinal), 2).PadLeft(5, '0')));
        return [.. Enumerable.Range(0, bits.Length / 8).Select(i => Convert.ToByte(bits.Substring(i * 8, 8), 2))];
    }
}
