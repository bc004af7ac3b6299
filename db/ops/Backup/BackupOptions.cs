using System.CommandLine;

namespace OpenReadings.Ops.Backup;

/// <summary>Where sets are, with which key, and of which services.</summary>
internal static class BackupOptions
{
    public static Option<string[]> Places(string name, string what) => new(name)
    {
        Description = $"{what}: a folder, or s3://bucket/prefix [default: OPENREADINGS_BACKUP_TARGET, several parted by spaces]",
        HelpName = "PLACE",
    };

    public static Option<string> Key() => new("--key")
    {
        Description = "The file with the key: 32 bytes in base64 (openssl rand -base64 32) [default: OPENREADINGS_BACKUP_KEY]",
        HelpName = "FILE",
    };

    public static Option<string[]> Services() => new("--service", "-s")
    {
        Description = "The services [default: all]",
        HelpName = "NAME",
    };

    public static Option<string> Set() => new("--set")
    {
        Description = "The set [default: the newest]",
        HelpName = "NAME",
    };

    public static IReadOnlyList<IStore> StoresOf(this ParseResult line, Option<string[]> places)
    {
        var given = line.GetValue(places) is { Length: > 0 } named
            ? named
            : Settings.Find("OPENREADINGS_BACKUP_TARGET")?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
        return given.Length > 0
            ? [.. given.Select(Stores.Open)]
            : throw new OpsException(Exit.Usage, $"Say where: {places.Name} PLACE, or OPENREADINGS_BACKUP_TARGET.");
    }

    public static Vault VaultOf(this ParseResult line, Option<string> key) => line.FindVault(key)
        ?? throw new OpsException(Exit.Usage, $"Say which key: {key.Name} FILE, or OPENREADINGS_BACKUP_KEY.");

    public static Vault? FindVault(this ParseResult line, Option<string> key) =>
        (line.GetValue(key) ?? Settings.Find("OPENREADINGS_BACKUP_KEY")) is { } file ? Vault.FromFile(file) : null;

    public static IReadOnlyList<string> ServicesOf(this ParseResult line, Option<string[]> services) =>
        line.GetValue(services) is { Length: > 0 } named ? named : Settings.Services;
}
