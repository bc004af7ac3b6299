using System.CommandLine;
using System.Diagnostics;
using OpenReadings.Ops.Backup;

namespace OpenReadings.Ops.Restore;

/// <summary>
/// Restores the newest set into a scratch server that it starts, compares all of it, and says how long that took: the time
/// that a real restore would take, found before it is needed.
/// </summary>
internal static class Drill
{
    public sealed record Answer(string Set, string Place, double AgeHours, IReadOnlyList<Restored> Services, double Seconds)
    {
        public override string ToString() => string.Join('\n', Services.Select(service => $"{service.Service,-10} {service.Rows,14:N0} rows  {service.Seconds,8:F1} s"))
            + $"\n{Set} of {Place}, {AgeHours:F1} h old, can be restored: all rows are there, in {Seconds:F1} s.";
    }

    public sealed record Restored(string Service, long Rows, double Seconds);

    public static Command Verb()
    {
        var (from, key, set) = (BackupOptions.Places("--from", "Where sets are kept"), BackupOptions.Key(), BackupOptions.Set());
        return new Command("drill", "Restore the newest set into a scratch server, prove it, time it") { from, key, set }.Runs(async (line, log, ct) =>
            (Exit.Ok, await RunAsync(line.StoresOf(from), line.VaultOf(key), line.GetValue(set), log, ct)));
    }

    public static async Task<Answer> RunAsync(IReadOnlyList<IStore> stores, Vault vault, string? set, Action<string> log, CancellationToken ct)
    {
        var clock = Stopwatch.StartNew();
        var (store, manifest) = await RestoreDatabase.FindAsync(stores, vault, set, ct);
        await using var server = await ScratchServer.StartNewAsync(ct);
        var restored = new List<Restored>();
        foreach (var service in manifest.Services)
        {
            var from = clock.Elapsed;
            await MakeRolesAsync(server, store, manifest, service, vault, ct);
            await RestoreDatabase.RunAsync(server.ConnectionTo("postgres"), store, manifest, service, vault, service.Facts.Database, log, ct);
            restored.Add(new Restored(service.Service, service.Tables.Sum(table => table.Rows), (clock.Elapsed - from).TotalSeconds));
        }
        return new Answer(manifest.Set, store.Description, (DateTimeOffset.UtcNow - manifest.TakenAt).TotalHours, restored, clock.Elapsed.TotalSeconds);
    }

    // Each service's globals name the roles of the whole server: those that an earlier one brought are there already.
    private static async Task MakeRolesAsync(
        ScratchServer server, IStore store, Manifest manifest, ServiceBackup service, Vault vault, CancellationToken ct)
    {
        using var globals = new MemoryStream();
        await using (var stored = await store.OpenAsync($"{manifest.Set}/{service.Globals.Name}", ct))
            await vault.DecryptAsync($"{manifest.Set}/{service.Globals.Name}", stored, globals, ct);
        globals.Position = 0;
        await Tool.RunAsync(Tool.Client(server.ConnectionTo("postgres"), "psql", "--no-psqlrc", "--quiet"), input => globals.CopyToAsync(input, ct), null, ct);
    }
}
