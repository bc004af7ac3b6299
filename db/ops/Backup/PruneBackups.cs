using System.CommandLine;

namespace OpenReadings.Ops.Backup;

/// <summary>
/// Deletes the sets that retention does not keep, and what broken runs left behind. Before it deletes anything, it reads the
/// sets it keeps, newest first, until one is whole; when none is, it keeps the newest whole one of the others too.
/// </summary>
internal static class PruneBackups
{
    public sealed record Answer(string Place, IReadOnlyList<string> Kept, IReadOnlyList<string> Deleted, bool DryRun)
    {
        public override string ToString() => string.Join('\n', Kept.Select(set => $"keep    {set}").Concat(Deleted.Select(set => $"delete  {set}"))
            .Append($"{Place}: {Kept.Count} kept, {Deleted.Count} {(DryRun ? "would be " : "")}deleted."));
    }

    public sealed record Answers(IReadOnlyList<Answer> Places)
    {
        public override string ToString() => string.Join('\n', Places);
    }

    public static Command Verb()
    {
        var places = BackupOptions.Places("--from", "Where sets are kept");
        Option<int> daily = Keep("--daily", 7), weekly = Keep("--weekly", 5), monthly = Keep("--monthly", 12), yearly = Keep("--yearly", 3);
        Option<bool> dryRun = new("--dry-run") { Description = "Say what would be deleted, and delete nothing" };
        return new Command("prune", "Delete old sets, never the last whole one") { places, daily, weekly, monthly, yearly, dryRun }
            .Runs(async (line, log, ct) =>
            {
                var retention = new Retention(line.GetValue(daily), line.GetValue(weekly), line.GetValue(monthly), line.GetValue(yearly));
                var answers = new List<Answer>();
                foreach (var store in line.StoresOf(places))
                    answers.Add(await RunAsync(store, retention, line.GetValue(dryRun), DateTimeOffset.UtcNow, log, ct));
                return (Exit.Ok, new Answers(answers));
            });

        static Option<int> Keep(string name, int count) => new(name)
        {
            Description = $"Keep the newest set of each of so many {name switch { "--daily" => "days", "--weekly" => "weeks", "--monthly" => "months", _ => "years" }}",
            DefaultValueFactory = _ => count,
        };
    }

    public static async Task<Answer> RunAsync(
        IStore store, Retention retention, bool dryRun, DateTimeOffset now, Action<string> log, CancellationToken ct)
    {
        var sets = await Sets.ListAsync(store, ct);
        var keep = retention.Keep(sets).ToHashSet();
        var delete = sets.Where(set => !keep.Contains(set)).ToList();
        if (delete.Count > 0 && await NewestWholeAsync(sets.Where(keep.Contains)) is null && await NewestWholeAsync(delete) is { } last)
        {
            log($"None of the sets to keep is whole: {last} is kept as well.");
            keep.Add(last);
            delete.Remove(last);
        }
        // A run in progress looks like a broken one: only what is older than any run is a remnant.
        var yesterday = Manifest.NameOf(now.AddDays(-1));
        delete.AddRange((await store.ListAsync(ct)).Select(name => name.Split('/')[0]).Distinct()
            .Where(folder => Sets.IsName(folder) && !sets.Contains(folder) && string.CompareOrdinal(folder, yesterday) < 0));
        if (!dryRun) foreach (var set in delete) await Sets.DeleteAsync(store, set, ct);
        return new Answer(store.Description, [.. keep.Order(StringComparer.Ordinal)], delete, dryRun);

        async Task<string?> NewestWholeAsync(IEnumerable<string> some)
        {
            foreach (var set in some.OrderDescending(StringComparer.Ordinal))
            {
                try
                {
                    await Sets.CheckStoredAsync(store, await Sets.ReadAsync(store, set, ct), ct);
                    return set;
                }
                catch (OpsException e)
                {
                    log(e.Message);
                }
            }
            return null;
        }
    }
}
