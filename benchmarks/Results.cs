using System.Globalization;
using System.Text;

namespace OpenReadings.Benchmarks;

/// <summary>benchmarks/RESULTS.md: what was measured, on what and how.</summary>
internal static class Results
{
    public static async Task WriteAsync(IReadOnlyList<Figure> figures, string load)
    {
        var commit = await Shell.RunAsync("git", ["describe", "--always", "--dirty", "--abbrev=12"]);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            # Benchmarks

            Written by `./dev bench` on {DateTime.UtcNow:yyyy-MM-dd}, commit {commit}. {Machine()}
            Load of the machine (1, 5, 15 minutes) before: {load}; after: {Load()}.

            Everything runs on this one machine: the clients, the services, PostgreSQL (fsync and synchronous commit on) and RabbitMQ. A figure and
            the limit it is held against are measured in turns in the same run, and a ratio is taken round by round: ratios travel
            between machines, absolute numbers do not. Value = median of the rounds.

            | figure | value | goal | | min–median–max | rounds |
            |---|---|---|---|---|---|

            """);
        foreach (var figure in figures)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"| `{figure.Name}` | {Figure.Text(figure.Value)} | {figure.Operator} {Figure.Text(figure.Goal)} | {(figure.IsReached ? "ok" : "**short**")} | "
                + $"{Figure.Text(figure.Least)}–{Figure.Text(figure.Value)}–{Figure.Text(figure.Most)} | {figure.Rounds.Length} |\n");
        }
        text.Append("\n## How each was measured\n\n");
        foreach (var figure in figures)
            text.Append(CultureInfo.InvariantCulture, $"- `{figure.Name}`: {figure.How}. *{figure.Detail}.*\n");
        await File.WriteAllTextAsync(Path.Combine(Platform.Root, "benchmarks", "RESULTS.md"), text.ToString());
    }

    public static string Load() => string.Join(' ', File.ReadAllText("/proc/loadavg").Split(' ')[..3]);

    private static string Machine()
    {
        string Of(string file, string key) => File.ReadLines(file).FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal))?
            .Split(':')[1].Trim() ?? "unknown";
        var memory = double.Parse(Of("/proc/meminfo", "MemTotal").Split(' ')[0], CultureInfo.InvariantCulture) / (1 << 20);
        return string.Create(CultureInfo.InvariantCulture,
            $"Machine: {Environment.ProcessorCount} cores ({Of("/proc/cpuinfo", "model name")}), {memory:F0} GB of memory, huge pages {HugePages()}, .NET {Environment.Version}.");
    }

    // For hashing and the database they are the difference between one machine and another three times as quick.
    private static string HugePages()
    {
        const string setting = "/sys/kernel/mm/transparent_hugepage/enabled";
        return File.Exists(setting) && File.ReadAllText(setting).Split('[', ']') is [_, var chosen, ..] ? chosen : "unknown";
    }
}
