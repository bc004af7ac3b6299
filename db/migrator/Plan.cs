namespace OpenReadings.Migrator;

/// <summary>What is to be said of one script: files and journal joined.</summary>
internal enum ScriptState
{
    Applied,
    Pending,
    Partial,    // begun outside of a transaction and not finished
    Late,       // not applied, though a later one of its folder is
    Changed,    // applied with another content
    Renamed,    // applied under another name, whose file is gone
    Missing,    // applied, and its file is gone
    Newer,      // applied by a newer release than this one
    Skipped,    // for another environment
}

internal sealed record Planned(string Name, ScriptState State, Script? Script, Entry? Entry)
{
    public bool IsToApply => State is ScriptState.Pending or ScriptState.Partial or ScriptState.Late;
    public bool HashUnknown => Entry is { Applied: not null, Sha256: null };
    public string? RenamedFrom => State == ScriptState.Renamed ? Entry!.Name : null;
}

internal static class Plan
{
    /// <summary>The scripts in the order in which they are applied, then those without a file by name.</summary>
    public static IReadOnlyList<Planned> Of(
        IReadOnlyList<Script> scripts, Dictionary<string, Entry> journal, string environment)
    {
        var newestApplied = scripts.Where(IsApplied).GroupBy(script => script.Folder)
            .ToDictionary(folder => folder.Key, folder => Newest(folder));
        var newest = Newest(scripts.Where(script => !script.IsRepeatable));
        var names = scripts.Select(script => script.Name).ToHashSet();
        var orphans = journal.Values.Where(entry => entry.Applied is not null && !names.Contains(entry.Name))
            .OrderBy(entry => entry.Name, StringComparer.Ordinal).ToList();

        List<Planned> plan = [.. scripts.Select(Join)];
        var gone = orphans.Select(entry => new Planned(entry.Name, StateWithoutFile(entry.Name), null, entry));
        return [.. plan, .. gone];

        bool IsApplied(Script script) => journal.GetValueOrDefault(script.Name)?.Applied is not null;

        ScriptState StateWithoutFile(string name) => IsLater(name, newest) ? ScriptState.Newer : ScriptState.Missing;

        Planned Join(Script script)
        {
            var entry = journal.GetValueOrDefault(script.Name);
            if (!script.IsRepeatable && entry?.Applied is null
                && orphans.FirstOrDefault(o => o.Sha256 == script.Sha256) is { } same)
            {
                orphans.Remove(same);
                return new(script.Name, ScriptState.Renamed, script, same);
            }
            var state = script.IsRepeatable ? StateOfRepeatable(script, entry) : StateOf(script, entry);
            return new(script.Name, state, script, entry);
        }

        ScriptState StateOf(Script script, Entry? entry) => entry switch
        {
            { Applied: not null, Sha256: { } hash } when hash != script.Sha256 => ScriptState.Changed,
            { Applied: not null } => ScriptState.Applied,
            _ when !script.Header.RunsIn(environment) => ScriptState.Skipped,
            { State: "running" or "partial" } => ScriptState.Partial,
            // Scripts of later phases are left out at first, on purpose.
            _ when script.Header.Phase == Phase.Expand
                && IsLater(newestApplied.GetValueOrDefault(script.Folder), script.Name) => ScriptState.Late,
            _ => ScriptState.Pending,
        };

        ScriptState StateOfRepeatable(Script script, Entry? entry) =>
            !script.Header.RunsIn(environment) ? ScriptState.Skipped
            : entry is { State: "applied" or "stamped" } && entry.Sha256 == script.Sha256 ? ScriptState.Applied
            : ScriptState.Pending;
    }

    private static string? Newest(IEnumerable<Script> scripts) =>
        scripts.Select(script => script.Name).Max(StringComparer.Ordinal);

    private static bool IsLater(string? one, string? other) => string.CompareOrdinal(one, other) > 0;

    /// <summary>The script so named, with or without .sql.</summary>
    /// <exception cref="MigrationException">There is none: a wrong name never means "all" or "nothing".</exception>
    public static int IndexOf(IReadOnlyList<Planned> plan, string name)
    {
        for (var at = 0; at < plan.Count; at++)
            if (plan[at].Name == name || plan[at].Name == name + ".sql") return at;
        throw MigrationException.Invalid($"There is no script named {name}.");
    }

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
            ScriptState.Renamed => $"{item.Name} was applied as {item.RenamedFrom}. "
                + "Give it that name again, or say: migrate repair --renamed.",
            ScriptState.Late when !allowLate =>
                $"{item.Name} is late: a later script was applied already. Give it a new time, or say --allow-late.",
            _ => null,
        }).OfType<string>();

    /// <summary>A script that names others runs after them, and not without them.</summary>
    public static void RequireOrder(IReadOnlyList<Planned> plan, IEnumerable<Planned> chosen)
    {
        var there = plan.Where(item => item.Entry?.Applied is not null).Select(item => item.Name).ToHashSet();
        foreach (var item in chosen)
        {
            if (item.Script!.Header.Requires.FirstOrDefault(name => !there.Contains(name)) is { } lacking)
                throw MigrationException.Invalid($"{item.Name} requires {lacking}, which would not be applied before it.");
            there.Add(item.Name);
        }
    }
}
