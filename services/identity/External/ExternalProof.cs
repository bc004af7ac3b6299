using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using OpenReadings.Chassis;
using OpenReadings.Identity.Keys;
using OpenReadings.Identity.OAuth;
using OpenReadings.Identity.Pages;

namespace OpenReadings.Identity.External;

/// <summary>What a provider has just said of whoever sits at this browser. Kept sealed for ten minutes under a cookie, and used once.</summary>
/// <param name="Provider">Its name here.</param>
/// <param name="Issuer">As its ID tokens say it.</param>
/// <param name="Subject">Whom it means, for good: addresses change hands.</param>
/// <param name="Email">What it says of their address.</param>
/// <param name="IsEmailProven">It verified the address, and its word counts for that.</param>
/// <param name="Name">What it calls them, where we could.</param>
/// <param name="TimeZone">IANA, where it says one.</param>
/// <param name="At">When the person proved who they are to it.</param>
/// <param name="Return">Our page where the person goes on.</param>
/// <param name="Connects">It is to be connected with the account that is signed in, and signs nobody in.</param>
/// <param name="Tokens">What it gave us, as JSON; null where nothing is kept.</param>
public sealed record ExternalProof(
    string Provider, string Issuer, string Subject, string? Email, bool IsEmailProven, string? Name, string? TimeZone, DateTimeOffset At, string Return, bool Connects, string? Tokens)
{
    private const string About = "external proof";
    private sealed record Row(byte[] Content, string SealedWith);

    public static async Task KeepAsync(HttpContext http, Database database, BrowserSession sessions, Sealer sealer, ExternalProof proof)
    {
        var cookie = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        await using var db = await database.BeginUnownedAsync(http.RequestAborted);
        await db.ExecuteAsync("call keep_external_proof(@hash, @content, @Name)",
            new { hash = Application.HashOf(cookie), content = sealer.Seal(JsonSerializer.SerializeToUtf8Bytes(proof), About), sealer.Name });
        await db.CommitAsync();
        sessions.SetProof(http, cookie);
    }

    /// <summary>The proof that this browser has; null where it has none, or it was used or is too old.</summary>
    public static async Task<ExternalProof?> FindAsync(HttpContext http, Database database, BrowserSession sessions, Sealer sealer, Providers providers, CancellationToken ct)
    {
        if (sessions.ProofOf(http) is not { } cookie) return null;
        await using var db = await database.BeginUnownedAsync(ct);
        if (await db.FindAsync<Row>("select content, sealed_with from find_external_proof(@hash)", new { hash = Application.HashOf(cookie) }) is not { } row) return null;
        ExternalProof proof;
        try { proof = JsonSerializer.Deserialize<ExternalProof>(sealer.Open(row.Content, row.SealedWith, About))!; }
        // The key was thrown away meanwhile: the person starts again.
        catch (Exception e) when (e is StartRefusedException or CryptographicException) { return null; }
        // The word of a provider that the operator has taken away counts no more.
        return providers.Find(proof.Provider)?.Issuer == proof.Issuer ? proof : null;
    }

    /// <summary>Uses it up in the transaction that makes something of it; false where another request was quicker.</summary>
    public static async Task<bool> TakeAsync(UserTransaction db, HttpContext http, BrowserSession sessions) =>
        sessions.ProofOf(http) is { } cookie && await db.ScalarAsync<bool>("select take_external_proof(@hash)", new { hash = Application.HashOf(cookie) });

    // A record would print tokens into whatever log it meets.
    public override string ToString() => $"proof of {Provider}";
}
