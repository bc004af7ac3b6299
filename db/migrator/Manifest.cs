using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace OpenReadings.Migrator;

/// <summary>
/// db/manifest.json: the names and hashes of all scripts, committed. A script that is edited shows in the review, and
/// two branches that both add one meet in a conflict of this file.
/// </summary>
internal static class Manifest
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };

    public static string PathOf(string scriptsRoot) => Path.GetFullPath(Path.Combine(scriptsRoot, "..", "manifest.json"));

    /// <summary>One digest for all that a service's job would apply; another set has another.</summary>
    public static string DigestOf(IEnumerable<Script> scripts)
    {
        var text = string.Concat(scripts.Select(script => $"{script.Name} {script.Sha256}\n"));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }

    public static void Write(string scriptsRoot) =>
        File.WriteAllText(PathOf(scriptsRoot), JsonSerializer.Serialize(Of(scriptsRoot), Json) + "\n");

    /// <summary>What of a service's scripts is not as committed.</summary>
    public static IEnumerable<string> Differences(string scriptsRoot, IReadOnlyList<Script> scripts)
    {
        var file = PathOf(scriptsRoot);
        if (!File.Exists(file)) return [$"{file} is missing: migrate manifest --write"];
        var folders = JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, string>>>(File.ReadAllText(file))!;
        var there = scripts.GroupBy(FolderOf).ToDictionary(folder => folder.Key, folder => folder.ToList());
        return there.SelectMany(folder =>
        {
            var committed = folders.GetValueOrDefault(folder.Key) ?? [];
            return folder.Value.Where(script => committed.GetValueOrDefault(script.Name) != script.Sha256)
                .Select(script => committed.ContainsKey(script.Name) && !script.IsRepeatable
                    ? $"{script.File} differs from {Path.GetFileName(file)}: a script that has landed is never edited"
                    : $"{script.File} is not as in {Path.GetFileName(file)}: migrate manifest --write")
                .Concat(committed.Keys.Except(folder.Value.Select(script => script.Name))
                    .Select(name => $"{folder.Key}/{name} is in {Path.GetFileName(file)}, and its file is gone"));
        });
    }

    private static SortedDictionary<string, SortedDictionary<string, string>> Of(string scriptsRoot)
    {
        var folders = new SortedDictionary<string, SortedDictionary<string, string>>(StringComparer.Ordinal);
        foreach (var script in Targets.Services(scriptsRoot).SelectMany(
            service => new Target(service, scriptsRoot, "").LoadScripts()))
        {
            if (!folders.TryGetValue(FolderOf(script), out var names))
                folders[FolderOf(script)] = names = new(StringComparer.Ordinal);
            names[script.Name] = script.Sha256;
        }
        return folders;
    }

    private static string FolderOf(Script script) => Path.GetFileName(Path.GetDirectoryName(script.Path)!);
}
