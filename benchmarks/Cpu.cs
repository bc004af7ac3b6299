using System.Globalization;

namespace OpenReadings.Benchmarks;

/// <summary>
/// Processor time by part of the platform. On a machine where something else runs, it says more than the clock does.
/// </summary>
internal sealed record Cpu(double Service, double Postgres, double Broker, double Client)
{
    private const double TicksPerSecond = 100;

    public static Cpu Of(Platform platform, string service) => new(
        SecondsOf(platform.Pid(service)), platform.Pid("postgres") is var server ? SecondsOf(server) + SecondsOfChildren(server) : 0,
        SecondsOf(platform.Pid("broker")), SecondsOf(Environment.ProcessId));

    public static Cpu operator -(Cpu a, Cpu b) =>
        new(a.Service - b.Service, a.Postgres - b.Postgres, a.Broker - b.Broker, a.Client - b.Client);

    public static Cpu operator +(Cpu a, Cpu b) =>
        new(a.Service + b.Service, a.Postgres + b.Postgres, a.Broker + b.Broker, a.Client + b.Client);

    public static Cpu None { get; } = new(0, 0, 0, 0);

    /// <summary>As microseconds for each of so many things.</summary>
    public string Per(double count, string thing)
    {
        string Each(double seconds) => Figure.Text(seconds * 1e6 / count);
        return $"CPU µs/{thing}: service {Each(Service)}, PostgreSQL {Each(Postgres)}, broker {Each(Broker)}, client {Each(Client)}";
    }

    // User and system time, those of ended children included.
    private static double SecondsOf(int pid) => Stat(pid) is { } fields
        ? fields[11..15].Sum(field => double.Parse(field, CultureInfo.InvariantCulture)) / TicksPerSecond
        : 0;

    private static double SecondsOfChildren(int pid) => Directory.EnumerateDirectories("/proc")
        .Select(path => int.TryParse(Path.GetFileName(path), out var child) ? child : 0)
        .Where(child => child != 0 && Stat(child) is { } fields && fields[1] == pid.ToString(CultureInfo.InvariantCulture))
        .Sum(SecondsOf);

    private static string[]? Stat(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;                                    // ended meanwhile
        }
    }
}
