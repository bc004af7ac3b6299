using System.Text.Json;

namespace OpenReadings.Ops.Backup;

/// <summary>
/// What a set holds. It is written last, so a set is complete when its <c>manifest.json</c> is there; the set's folder is
/// the UTC time of its beginning (<c>20261126T210000Z</c>), so the newest is the last by name. Counts but no person's values
/// stand in it, and it can be read without the key; the seal, made with the key, shows that nobody else wrote it.
/// </summary>
internal sealed record Manifest(
    int Format, string Set, DateTimeOffset TakenAt, DateTimeOffset FinishedAt, string KeyId, IReadOnlyList<ServiceBackup> Services,
    string Seal)
{
    public static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true, RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
    };

    public Manifest Sealed(Vault vault) => this with { Seal = vault.Seal(Unsealed()) };

    /// <summary>Fails unless the owner of the key wrote exactly this.</summary>
    public Manifest Checked(Vault vault)
    {
        if (KeyId != vault.KeyId) throw new OpsException(Exit.Failed, $"{Set} was encrypted with the key {KeyId}, not with {vault.KeyId}.");
        return vault.Seal(Unsealed()) == Seal
            ? this
            : throw new OpsException(Exit.Failed, $"The manifest of {Set} is not as it was written: its seal is broken.");
    }

    private byte[] Unsealed() => JsonSerializer.SerializeToUtf8Bytes(this with { Seal = "" }, Json);

    public IEnumerable<StoredFile> Files() => Services.SelectMany(service => new[] { service.Dump, service.Globals });

    public static string NameOf(DateTimeOffset time) => $"{time.UtcDateTime:yyyyMMdd'T'HHmmss'Z'}";
}

/// <summary>One service's database as it was in one snapshot. Sizes and hashes are those of the encrypted files.</summary>
internal sealed record ServiceBackup(
    string Service, DatabaseFacts Facts, IReadOnlyList<TableFacts> Tables, StoredFile Dump, StoredFile Globals);

internal sealed record StoredFile(string Name, long Size, string Sha256);

/// <summary>What a dump does not carry into a database of another name, and which schema it is.</summary>
internal sealed record DatabaseFacts(
    string Database, string Owner, string Encoding, string Collate, string Ctype, IReadOnlyList<string> MayConnect,
    IReadOnlyList<string> Settings, string ServerVersion, string SchemaVersion);

/// <summary>The checksum is the sum of a hash of every row: the order of rows does not matter.</summary>
internal sealed record TableFacts(string Name, long Rows, string Checksum);
