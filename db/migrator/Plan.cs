namespace OpenReadings.Migrator;

/// <summary>What is to be said of one script: files and journal joined.</summary>
internal enum ScriptState
{
    Applied,
    Pending,
    Partial,    // begun outside of a transaction and not finished
    Late,       // not applied, though a later one of its folder is
    Changed,    // applied with another content
    Missing,    // applied, and its file is gone
    Newer,      // applied by a newer release than this one
}

internal sealed record Planned(string Name, ScriptState State, Script? Script, Entry? Entry)
{
    public bool IsToApply => State is ScriptState.Pending or ScriptState.Partial or ScriptState.Late;
    public bool HashUnknown => Entry is { Applied: not null, Sha256: null };
}

internal static class Plan
{
    /// <summary>The scripts in the order in which they are applied, then those without a file by name.</summary>
    public static IReadOnlyList<Planned> Of(IReadOnlyList<Script> scripts, Dictionary<string, Entry> journal)
    {
        var newestApplied = scripts.Where(IsApplied).GroupBy(script => script.Folder)
            .ToDictionary(folder => folder.Key, folder => Newest(folder));
        var newest = Newest(scripts);
        var names = scripts.Select(script => script.Name).ToHashSet();

        var known =
            from script in scripts
            let entry = journal.GetValueOrDefault(script.Name)
            select new Planned(script.Name, StateOf(script, entry), script, entry);
        var others = journal.Values.Where(entry => entry.Applied is not null && !names.Contains(entry.Name))
            .OrderBy(entry => entry.Name, StringComparer.Ordinal)
            .Select(entry => new Planned(entry.Name, StateWithoutFile(entry.Name), null, entry));
        return [.. known, .. others];

        bool IsApplied(Script script) => journal.GetValueOrDefault(script.Name)?.Applied is not null;

        ScriptState StateWithoutFile(string name) => IsLater(name, newest) ? ScriptState.Newer : ScriptState.Missing;

        ScriptState StateOf(Script script, Entry? entry) => entry switch
        {
            { Applied: not null, Sha256: { } hash } when hash != script.Sha256 => ScriptState.Changed,
            { Applied: not null } => ScriptState.Applied,
            { State: "running" or "partial" } => ScriptState.Partial,
            _ when IsLater(newestApplied.GetValueOrDefault(script.Folder), script.Name) => ScriptState.Late,
            _ => ScriptState.Pending,
        };
    }

    private static string? Newest(IEnumerable<Script> scripts) =>
        scripts.Select(script => script.Name).Max(StringComparer.Ordinal);

    private static bool IsLater(string? one, string? other) => string.CompareOrdinal(one, other) > 0;

    /// <summary>What an operator should know, and what stops nothing.</summary>
    public static IEnumerable<string> Remarks(IEnumerable<Planned> plan) =>
        plan.Select(item => item switch
        {
            { HashUnknown: true } => $"{item.Name}: applied by DbUp, hash unknown",
            { State: ScriptState.Newer } => $"{item.Name}: of a newer release",
            _ => null,
        }).OfType<string>();

    /// <summary>What stands against applying anything at all, in sentences; empty if nothing does.</summary>
    public static IEnumerable<string> Objections(IEnumerable<Planned> plan, bool allowLate) =>
        plan.Select(item => item.State switch
        {
            ScriptState.Changed => $"{item.Name} was changed after it was applied. Write a new script instead.",
            ScriptState.Missing => $"{item.Name} was applied, and its file is gone. Bring it back.",
            ScriptState.Late when !allowLate =>
                $"{item.Name} is late: a later script was applied already. Give it a new time, or say --allow-late.",
            _ => null,
        }).OfType<string>();
}
