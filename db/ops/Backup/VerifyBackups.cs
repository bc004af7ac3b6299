using System.CommandLine;

namespace OpenReadings.Ops.Backup;

/// <summary>
/// Reads the newest set of each place byte by byte, and says whether they keep the 3-2-1 rule: so many copies (the database
/// itself is one), on so many media, so many of them off-site, and none older than it may be. With the key it also decrypts.
/// </summary>
internal static class VerifyBackups
{
    public sealed record Policy(int Copies, int Media, int OffSite, TimeSpan MaxAge);

    public sealed record Answer(IReadOnlyList<Copy> Checked, IReadOnlyList<string> Violations)
    {
        public override string ToString() => string.Join('\n',
            Checked.Select(copy => $"{copy.Place}: {(copy.Fault is null ? $"{copy.Set} is whole, {copy.AgeHours:F1} h old" : copy.Fault)}")
                .Concat(Violations.Select(violation => $"violated: {violation}"))
                .Append(Violations.Count == 0 ? "The policy holds." : "The policy does not hold."));
    }

    public sealed record Copy(string Place, string? Set, double? AgeHours, string? Fault);

    public static Command Verb()
    {
        var (places, key) = (BackupOptions.Places("--from", "Where sets are kept"), BackupOptions.Key());
        Option<int> copies = new("--copies") { Description = "Copies in all, the database itself included", DefaultValueFactory = _ => 3 };
        Option<int> media = new("--media") { Description = "Different media, that of the database not counted as one more", DefaultValueFactory = _ => 2 };
        Option<int> offSite = new("--off-site") { Description = "Copies that are elsewhere", DefaultValueFactory = _ => 1 };
        Option<int> maxAge = new("--max-age-hours") { Description = "How old the newest set may be", DefaultValueFactory = _ => 26 };
        return new Command("verify", "Read the newest sets back; exit 3 when the 3-2-1 policy is violated") { places, key, copies, media, offSite, maxAge }
            .Runs(async (line, log, ct) =>
            {
                var answer = await RunAsync(line.StoresOf(places), line.FindVault(key), new Policy(line.GetValue(copies), line.GetValue(media),
                    line.GetValue(offSite), TimeSpan.FromHours(line.GetValue(maxAge))), DateTimeOffset.UtcNow, ct);
                return (answer.Violations.Count == 0 ? Exit.Ok : Exit.Findings, answer);
            });
    }

    public static async Task<Answer> RunAsync(IReadOnlyList<IStore> stores, Vault? vault, Policy policy, DateTimeOffset now, CancellationToken ct)
    {
        var (copies, whole, violations) = (new List<Copy>(), new List<IStore>(), new List<string>());
        foreach (var store in stores)
        {
            string? set = null;
            try
            {
                set = await Sets.NewestAsync(store, ct);
                var manifest = await Sets.ReadAsync(store, set, ct);
                await Sets.CheckStoredAsync(store, manifest, ct);
                if (vault is not null) await DecryptAsync(store, manifest.Checked(vault), vault, ct);
                var age = now - manifest.TakenAt;
                copies.Add(new Copy(store.Description, set, age.TotalHours, null));
                if (age <= policy.MaxAge) whole.Add(store);
                else violations.Add($"the newest set in {store.Description} is {age.TotalHours:F0} h old, more than {policy.MaxAge.TotalHours:F0}");
            }
            catch (Exception e) when (e is OpsException || Stores.IsTrouble(e))
            {
                // A place that is away is one copy less; the others are looked at all the same.
                var fault = e is OpsException ? e.Message : $"{store.Description} cannot be read: {e.Message}";
                copies.Add(new Copy(store.Description, set, null, fault));
                violations.Add(fault);
            }
        }
        Require(whole.Count + 1, policy.Copies, "copies");
        Require(whole.Select(store => store.Medium).Distinct().Count() + 1, policy.Media, "media");
        Require(whole.Count(store => store.IsOffSite), policy.OffSite, "copies off-site");
        return new Answer(copies, violations);

        void Require(int there, int wanted, string what)
        {
            if (there < wanted) violations.Add($"{there} {what}, not {wanted}");
        }
    }

    private static async Task DecryptAsync(IStore store, Manifest manifest, Vault vault, CancellationToken ct)
    {
        foreach (var file in manifest.Files())
        {
            await using var stored = await store.OpenAsync($"{manifest.Set}/{file.Name}", ct);
            await vault.DecryptAsync($"{manifest.Set}/{file.Name}", stored, Stream.Null, ct);
        }
    }
}
