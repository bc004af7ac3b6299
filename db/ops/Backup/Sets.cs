using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OpenReadings.Ops.Backup;

/// <summary>The complete sets of one store.</summary>
internal static partial class Sets
{
    private const string Manifests = "/manifest.json";

    /// <summary>Oldest first. A set without a manifest is not one.</summary>
    public static async Task<IReadOnlyList<string>> ListAsync(IStore store, CancellationToken ct) =>
        [.. (await store.ListAsync(ct)).Where(name => name.EndsWith(Manifests, StringComparison.Ordinal))
            .Select(name => name[..^Manifests.Length]).Where(name => SetName().IsMatch(name)).Order(StringComparer.Ordinal)];

    public static async Task<string> NewestAsync(IStore store, CancellationToken ct) => await ListAsync(store, ct) is [.., var newest]
        ? newest
        : throw new OpsException(Exit.Failed, $"{store.Description} holds no complete set.");

    public static async Task<Manifest> ReadAsync(IStore store, string set, CancellationToken ct)
    {
        await using var stream = await store.OpenAsync(set + Manifests, ct);
        try
        {
            return await JsonSerializer.DeserializeAsync<Manifest>(stream, Manifest.Json, ct) is { Format: 1 } manifest && manifest.Set == set
                ? manifest
                : throw new OpsException(Exit.Failed, $"The manifest of {set} is of another format or another set.");
        }
        catch (JsonException e)
        {
            throw new OpsException(Exit.Failed, $"The manifest of {set} cannot be read.", e);
        }
    }

    /// <summary>Fails unless every file of the set is stored byte for byte as it was written. Needs no key.</summary>
    public static async Task CheckStoredAsync(IStore store, Manifest manifest, CancellationToken ct)
    {
        foreach (var file in manifest.Files())
        {
            await using var stream = await store.OpenAsync($"{manifest.Set}/{file.Name}", ct);
            var found = Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, ct));
            if (found != file.Sha256)
                throw new OpsException(Exit.Failed, $"{manifest.Set}/{file.Name} in {store.Description} is not what was written: its SHA-256 is another.");
        }
    }

    /// <summary>Deletes the manifest first: from then on the set is not listed.</summary>
    public static async Task DeleteAsync(IStore store, string set, CancellationToken ct)
    {
        var names = (await store.ListAsync(ct)).Where(name => name.StartsWith(set + "/", StringComparison.Ordinal));
        foreach (var name in names.OrderBy(name => !name.EndsWith(Manifests, StringComparison.Ordinal)))
            await store.DeleteAsync(name, ct);
    }

    public static bool IsName(string text) => SetName().IsMatch(text);

    [GeneratedRegex("^[0-9]{8}T[0-9]{6}Z$")]
    private static partial Regex SetName();
}
