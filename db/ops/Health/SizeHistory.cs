using System.Text.Json;

namespace OpenReadings.Ops.Health;

/// <summary>
/// Sizes of databases and tables on former days, a line of JSON for each day, ninety of them. A file and no table: the doctor
/// writes to no database, and works on a standby and on a broken one (docs/decisions/0029-growth-in-a-file.md).
/// </summary>
internal sealed class SizeHistory(string file, TimeProvider clock)
{
    private const int Days = 90;

    public sealed record Day(DateTimeOffset At, Dictionary<string, long> Bytes);

    public static SizeHistory Default()
    {
        var folder = Settings.Find("OPENREADINGS_OPS_STATE") ?? Path.Combine(
            Settings.Find("XDG_STATE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state"),
            "openreadings");
        return new(Path.Combine(folder, "sizes.jsonl"), TimeProvider.System);
    }

    /// <summary>Bytes a day since the oldest line of the last month that knows it, or null while no day has passed.</summary>
    public double? PerDay(string what, long bytes)
    {
        var now = clock.GetUtcNow();
        var before = Read().FirstOrDefault(day => day.At > now.AddDays(-31) && day.Bytes.ContainsKey(what));
        var days = before is null ? 0 : (now - before.At).TotalDays;
        return days < 0.9 ? null : (bytes - before!.Bytes[what]) / days;
    }

    /// <summary>Adds a line if the newest is of another day. That it cannot be written stops nothing.</summary>
    public void Remember(Dictionary<string, long> bytes)
    {
        try
        {
            var (days, now) = (Read(), clock.GetUtcNow());
            if (days.Count > 0 && days[^1].At.UtcDateTime.Date == now.UtcDateTime.Date) return;
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            var kept = days.Append(new Day(now, bytes)).TakeLast(Days).Select(day => JsonSerializer.Serialize(day, Cli.Json));
            File.WriteAllLines(file + ".new", kept);
            File.Move(file + ".new", file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { }
    }

    private List<Day> Read()
    {
        try
        {
            return File.Exists(file) ? [.. File.ReadLines(file).Select(line => JsonSerializer.Deserialize<Day>(line, Cli.Json)!)] : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return [];
        }
    }
}
