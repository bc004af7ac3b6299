using System.Security.Cryptography;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Keys;

/// <summary>
/// The signing keys in memory, read again every minute. There is always the key that signs now and, published from the
/// beginning, the one that signs after it; keys that signed before stay until their last token has expired.
/// </summary>
public sealed class KeyRing(Database database, KeySealer sealer, TimeProvider clock, ILogger<KeyRing> log)
    : PeriodicService(Again, clock, log, "The signing keys were not read again")
{
    private static readonly TimeSpan Signs = TimeSpan.FromDays(30), Again = TimeSpan.FromMinutes(1);
    // Longer than any access token lives, with every clock and cache in between.
    private static readonly TimeSpan Lingers = TimeSpan.FromHours(1);
    private volatile IReadOnlyList<SigningKey> keys = [];

    /// <summary>The keys to publish.</summary>
    public IReadOnlyList<SealedKey> Published =>
        [.. keys.Where(key => key.Row.GoneAt > Clock.GetUtcNow()).Select(key => key.Row)];

    /// <summary>A key that is known here; null for any other.</summary>
    public SigningKey? Find(string kid) => keys.FirstOrDefault(key => key.Row.Kid == kid);

    /// <summary>The key whose time it is to sign.</summary>
    public SigningKey Current()
    {
        var now = Clock.GetUtcNow();
        // Should rotation have failed for long, an old key is better than nobody signing in.
        return keys.LastOrDefault(key => key.Row.SignsFrom <= now)
            ?? throw new InvalidOperationException("There is no signing key.");
    }

    /// <summary>Nothing is served before there is a key to sign with.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await RunOnceAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    /// <summary>Reads the keys, and first makes or removes what the time asks for.</summary>
    public override async Task RunOnceAsync(CancellationToken ct)
    {
        await using var db = await database.BeginUnownedAsync(ct);
        var rows = await ReadAsync(db);
        if (IsDue(rows))
        {
            // Several replicas notice at the same time. The second one finds nothing left to do.
            await db.ExecuteAsync("select pg_advisory_xact_lock(hashtextextended('identity.signing-keys', 0))");
            if (IsDue(await ReadAsync(db))) await RotateAsync(db);
            rows = await ReadAsync(db);
            await db.CommitAsync();
        }
        var known = keys.ToDictionary(key => key.Row.Kid);
        keys =
            [.. rows.Select(row => new SigningKey(row, known.GetValueOrDefault(row.Kid)?.Private ?? sealer.Open(row)))];
    }

    private bool IsDue(IReadOnlyList<SealedKey> rows)
    {
        var now = Clock.GetUtcNow();
        return !rows.Any(row => row.SignsFrom <= now && now < row.SignsUntil) || !rows.Any(row => row.SignsFrom > now)
            || rows.Any(row => row.GoneAt <= now);
    }

    private async Task RotateAsync(UserTransaction db)
    {
        var now = Clock.GetUtcNow();
        await db.ExecuteAsync("delete from signing_keys where gone_at <= @now", new { now });
        var rows = await ReadAsync(db);
        var current = rows.LastOrDefault(row => row.SignsFrom <= now && now < row.SignsUntil);
        current ??= await AddAsync(db, now);
        if (!rows.Any(row => row.SignsFrom > now)) await AddAsync(db, current.SignsUntil);
    }

    private async Task<SealedKey> AddAsync(UserTransaction db, DateTimeOffset signsFrom)
    {
        var key = sealer.Make(signsFrom, signsFrom + Signs, signsFrom + Signs + Lingers);
        await db.ExecuteAsync(
            """
            insert into signing_keys (kid, x, y, private_key, sealed_with, signs_from, signs_until, gone_at)
            values (@Kid, @X, @Y, @PrivateKey, @SealedWith, @SignsFrom, @SignsUntil, @GoneAt)
            """, key);
        Log.LogInformation(
            "Signing key {Kid} was made; it signs from {From:u} until {Until:u}",
            key.Kid, key.SignsFrom, key.SignsUntil);
        return key;
    }

    internal const string Select =
        """
        select kid, x, y, private_key, sealed_with, signs_from, signs_until, gone_at
        from signing_keys
        """;

    private static Task<IReadOnlyList<SealedKey>> ReadAsync(UserTransaction db) => db.QueryAsync<SealedKey>($"{Select} order by signs_from, kid");
}

/// <summary>A key that is open in memory.</summary>
public sealed record SigningKey(SealedKey Row, ECDsa Private)
{
    public bool IsSignature(byte[] content, byte[] signature)
    {
        lock (Private) return Private.VerifyData(content, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    public byte[] Sign(byte[] content)
    {
        // ECDsa is not made for several threads; a signature takes 40 µs.
        lock (Private)
            return Private.SignData(
                content, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }
}
