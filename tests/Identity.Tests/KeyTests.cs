using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OpenReadings.Identity.Keys;
using OpenReadings.Support;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class KeyTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_discovery_document_names_the_issuer_exactly_as_the_tokens_do()
    {
        using var response = await service.Anonymous().GetAsync("/identity/.well-known/openid-configuration", Ct);
        var document = await response.JsonAsync();
        Assert.Equal(TestIdentity.Issuer, document.GetProperty("issuer").GetString());
        Assert.Equal($"{TestIdentity.Issuer}/.well-known/jwks.json", document.GetProperty("jwks_uri").GetString());
        var person = await Person.SignedInAsync(service);
        Assert.Equal(TestIdentity.Issuer, Part(person.Tokens, 1).GetProperty("iss").GetString());
    }

    [Fact]
    public async Task Private_keys_are_sealed_with_the_secret_and_bound_to_their_id()
    {
        var rows = await service.SqlAsync<SealedKey>(
            """
            select kid, x, y, private_key, sealed_with, signs_from, signs_until, gone_at
            from signing_keys order by signs_from limit 1
            """);
        var row = Assert.Single(rows);
        var sealer = Sealer(IdentityService.KeyEncryptionKey);
        using var opened = sealer.Open(row);
        Assert.Equal(row.X, Base64Url.EncodeToString(opened.ExportParameters(true).Q.X));
        Assert.ThrowsAny<CryptographicException>(() => sealer.Open(row with { Kid = "another" }));
        Assert.ThrowsAny<CryptographicException>(() =>
            sealer.Open(row with { PrivateKey = [.. row.PrivateKey[..^1], (byte)(row.PrivateKey[^1] ^ 1)] }));
        Assert.ThrowsAny<CryptographicException>(() => sealer.Open(row with { X = row.Y }));
        var other = Assert.ThrowsAny<Exception>(() => Sealer(Convert.ToBase64String(new byte[32])).Open(row));
        Assert.Contains("KeyEncryptionKey", other.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null), InlineData(""), InlineData("c2hvcnQ="),
        InlineData("not base64 at all, and much too long for a key of 32 bytes")]
    public void Without_a_proper_secret_the_service_does_not_start(string? secret)
    {
        var refused = Assert.ThrowsAny<Exception>(() => Sealer(secret));
        Assert.Contains("openssl rand -base64 32", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tokens_that_are_not_ours_open_nothing()
    {
        var person = await Person.SignedInAsync(service);
        var parts = person.Tokens.AccessToken.Split('.');
        string Changed(string part, string from, string to) =>
            Base64Url.EncodeToString(Encoding.UTF8.GetBytes(
                Encoding.UTF8.GetString(Base64Url.DecodeFromChars(part)).Replace(from, to, StringComparison.Ordinal)));
        var none = Changed(parts[0], "ES256", "none");
        string[] forgeries =
        [
            $"{parts[0]}.{Changed(parts[1], person.AccountId.ToString(), Guid.NewGuid().ToString())}.{parts[2]}",
            $"{none}.{parts[1]}.", $"{none}.{parts[1]}.{parts[2]}",
            service.Identity.TokenFor(person.AccountId),    // another issuer's key
            $"{parts[0]}.{parts[1]}.{new string('A', 86)}", $"{parts[0]}.{parts[1]}", "", "x.y.z",
        ];
        Assert.Equal(OK, (await person.Http.GetAsync("/identity/v1/me", Ct)).StatusCode);
        foreach (var forgery in forgeries)
        {
            using var response = await service.WithToken(forgery).GetAsync("/identity/v1/me", Ct);
            Assert.Equal(Unauthorized, response.StatusCode);
        }
    }

    private static KeySealer Sealer(string? secret) =>
        new(new Sealer(new Microsoft.Extensions.Configuration.ConfigurationManager { ["KeyEncryptionKey"] = secret }));

    private static JsonElement Part(Tokens tokens, int part) =>
        JsonDocument.Parse(Base64Url.DecodeFromChars(tokens.AccessToken.Split('.')[part])).RootElement;
}
