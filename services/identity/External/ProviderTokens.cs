using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.Extensions.Options;
using OpenReadings.Chassis;
using OpenReadings.Identity.Keys;

namespace OpenReadings.Identity.External;

/// <summary>
/// The tokens that a provider gave us for a person: sealed at rest, bound to person and issuer, and taken back at the provider (RFC 7009) when
/// the person disconnects or leaves.
/// </summary>
public sealed class ProviderTokens(Providers providers, IOptionsMonitor<OpenIdConnectOptions> options, Database database, Sealer sealer, ILogger<ProviderTokens> log)
{
    public sealed record Row(string Provider, string Issuer, byte[]? Tokens, string? SealedWith);

    public const string Select = "select provider, issuer, tokens, sealed_with from external_identities";

    /// <summary>What the sealed tokens are bound to.</summary>
    public static string About(Guid person, string issuer) => $"provider {person} {issuer}";

    public (byte[]? Tokens, string? SealedWith) Seal(ExternalProof proof, Guid person) =>
        proof.Tokens is { } tokens ? (sealer.Seal(Encoding.UTF8.GetBytes(tokens), About(person, proof.Issuer)), sealer.Name) : (null, null);

    /// <summary>Of a later sign-in. Google gives a refresh token at the first one only: it is kept until there is another, or nobody could take it back.</summary>
    public async Task<(byte[]? Tokens, string? SealedWith)> SealAsync(UserTransaction db, ExternalProof proof, Guid person)
    {
        if (proof.Tokens is null || JsonNode.Parse(proof.Tokens)!.AsObject() is not { } given || given.ContainsKey("refresh_token")
            || await db.FindAsync<Row>($"{Select} where issuer = @Issuer and subject = @Subject and tokens is not null for update", proof) is not { } was) return Seal(proof, person);
        try { given["refresh_token"] = JsonNode.Parse(sealer.Open(was.Tokens!, was.SealedWith!, About(person, was.Issuer)))!["refresh_token"]?.DeepClone(); }
        // What nobody can open any more keeps nobody out.
        catch (Exception e) when (e is StartRefusedException or CryptographicException) { return Seal(proof, person); }
        if (given["refresh_token"] is null) given.Remove("refresh_token");
        return Seal(proof with { Tokens = given.ToJsonString() }, person);
    }

    /// <summary>What is to be taken back once the rows are gone: read before, in the transaction that deletes them.</summary>
    public static async Task<IReadOnlyList<Row>> ReadAsync(UserTransaction db, string? provider = null) =>
        await db.QueryAsync<Row>($"{Select} where tokens is not null and (@provider::text is null or provider = @provider)", new { provider });

    /// <summary>Once the answer is out: nobody waits for the provider, and one that is away keeps nobody from leaving.</summary>
    public void RevokeAfterwards(HttpContext http, Guid person, IReadOnlyList<Row> rows) => http.Response.OnCompleted(async () =>
    {
        foreach (var row in rows)
            try { await RevokeAsync(row, person); }
            catch (Exception e)
            {
                log.LogWarning("{Provider} was not told that its tokens are needed no more, and will not be again: {Reason}", row.Provider, e.Message);
            }
    });

    private async Task RevokeAsync(Row row, Guid person)
    {
        if (providers.Find(row.Provider) is not { } provider || provider.Issuer != row.Issuer) return;
        var client = options.Get(provider.Scheme);
        var known = await client.ConfigurationManager!.GetConfigurationAsync(CancellationToken.None);
        if (known.RevocationEndpoint is not { Length: > 0 } endpoint) return;
        using var tokens = JsonDocument.Parse(sealer.Open(row.Tokens!, row.SealedWith!, About(person, row.Issuer)));
        // The refresh token takes its access tokens with it.
        var token = tokens.RootElement.TryGetProperty("refresh_token", out var refresh) ? refresh.GetString() : tokens.RootElement.GetProperty("access_token").GetString();
        using var form = new FormUrlEncodedContent([new("token", token), new("client_id", provider.ClientId), new("client_secret", provider.ClientSecret)]);
        using var answer = await client.Backchannel.PostAsync(new Uri(endpoint), form);
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>Seals with the key of now what an older one sealed: how many.</summary>
    public async Task<int> SealAnewAsync(Guid person, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(person, ct);
        var done = 0;
        foreach (var was in await db.QueryAsync<Row>($"{Select} where sealed_with <> @Name", new { sealer.Name }))
        {
            var box = sealer.Seal(sealer.Open(was.Tokens!, was.SealedWith!, About(person, was.Issuer)), About(person, was.Issuer));
            done += await db.ExecuteAsync("update external_identities set tokens = @box, sealed_with = @Name where issuer = @Issuer and tokens = @was", new { box, sealer.Name, was.Issuer, was = was.Tokens });
        }
        await db.CommitAsync();
        return done;
    }
}
