using System.Globalization;
using System.Text;

namespace OpenReadings.Ops.Tuning;

internal enum Disk { Hdd, Ssd, Nvme }

internal sealed record Machine(long Ram, int Cpu, int Connections, Disk Disk)
{
    public static long? Bytes(string text)
    {
        (string Unit, int Shift)[] units = [("GB", 30), ("MB", 20)];
        foreach (var (unit, shift) in units)
            if (text.EndsWith(unit, StringComparison.OrdinalIgnoreCase)
                && double.TryParse(text[..^2], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
                && number is > 0 and < 1e6) return (long)(number * (1L << shift));
        return null;
    }
}

internal sealed record ServerSetting(string Name, string Value, string Why);

/// <summary>
/// Settings whose sum cannot exceed the machine: everything else has its share first, and work_mem is what remains, divided
/// among all that can sort and hash at the same moment.
/// </summary>
internal sealed record ServerTuning(Machine Machine, IReadOnlyList<ServerSetting> Settings, long WorstCaseBytes)
{
    private const long Megabyte = 1 << 20;

    /// <summary>Megabytes that a backend takes by itself: caches of catalogs, plans, buffers for its client.</summary>
    private const long Backend = 8;

    /// <summary>A sort and a hash at once; a hash may take hash_mem_multiplier times as much.</summary>
    private const int SharesOfWorkMem = 1 + 2;

    private const int Workers = 3, WalBuffers = 16;

    public static ServerTuning For(Machine machine)
    {
        if (machine is { Cpu: < 1 } or { Connections: < 10 }) throw new OpsException(
            Exit.Usage, "A server has at least one core and ten connections.");
        var parallel = Math.Min(machine.Cpu, 8);
        var megabytes = machine.Ram / Megabyte;
        var system = Math.Max(256, megabytes / 10);
        var shared = megabytes / 4;
        var maintenance = Math.Clamp(megabytes / 16, 32, 1024);
        var rest = megabytes - system - shared - WalBuffers - (Workers + 1) * maintenance - parallel * Backend;
        var sorters = (machine.Connections + parallel) * SharesOfWorkMem;
        var workMem = Math.Min((rest - machine.Connections * Backend) * 1024 / sorters, 64 * 1024);      // kB
        if (workMem < 1024)
        {
            var possible = (rest - parallel * SharesOfWorkMem) / (Backend + SharesOfWorkMem);
            throw new OpsException(Exit.Refused,
                $"{machine.Connections} connections do not fit into {Words.Bytes(machine.Ram)}: "
                + $"at the worst each needs {Words.Bytes((Backend + SharesOfWorkMem) * Megabyte)}, "
                + (possible < 10 ? "and not even ten would fit."
                    : $"and there is room for {possible}. Take PgBouncer (`ops pgbouncer`) with --conns {possible}, or more memory."));
        }

        ServerSetting[] settings =
        [
            new("max_connections", $"{machine.Connections}", "PgBouncer brings many clients to few connections"),
            new("shared_buffers", $"{shared}MB", "a quarter; the rest caches files"),
            new("effective_cache_size", $"{megabytes * 5 / 8}MB", "what planner may expect to be cached; takes nothing"),
            new("work_mem", $"{workMem}kB", $"what remains, over {machine.Connections} connections and {parallel} workers, {SharesOfWorkMem} times each"),
            new("hash_mem_multiplier", "2", ""),
            new("maintenance_work_mem", $"{maintenance}MB", "one index build at a time: `ops maint reindex`"),
            new("autovacuum_work_mem", $"{maintenance}MB", $"times {Workers} workers"),
            new("autovacuum_max_workers", $"{Workers}", ""),
            new("autovacuum_vacuum_cost_limit", machine.Disk == Disk.Hdd ? "400" : "2000", "the default is made for disks of 2005"),
            new("wal_buffers", $"{WalBuffers}MB", ""),
            new("min_wal_size", "1GB", ""),
            new("max_wal_size", $"{Math.Clamp(megabytes / 4, 1024, 16_384)}MB", "checkpoints by time, not by size"),
            new("checkpoint_completion_target", "0.9", ""),
            new("wal_compression", "lz4", ""),
            new("random_page_cost", machine.Disk == Disk.Hdd ? "4" : "1.1", ""),
            new("effective_io_concurrency", machine.Disk switch { Disk.Hdd => "2", Disk.Ssd => "200", _ => "500" }, ""),
            new("max_worker_processes", $"{Math.Max(8, machine.Cpu)}", ""),
            new("max_parallel_workers", $"{parallel}", ""),
            new("max_parallel_workers_per_gather", $"{Math.Min(parallel / 2, 2)}", ""),
            new("max_parallel_maintenance_workers", $"{Math.Min(parallel / 2, 4)}", ""),
            new("jit", "off", "our statements are short: compiling takes longer than running"),
            new("default_statistics_target", "100", ""),
            new("idle_in_transaction_session_timeout", "10min", "a forgotten psql must not hold vacuum back"),
            new("log_min_duration_statement", "1000", ""),
            new("log_lock_waits", "on", ""),
            new("log_line_prefix", "'%m [%p] %u@%d %a '", ""),
            new("log_parameter_max_length", "0", "no person's values in the log"),
            new("log_parameter_max_length_on_error", "0", ""),
            new("shared_preload_libraries", "'pg_stat_statements'", "`ops slow`"),
            new("password_encryption", "scram-sha-256", ""),
        ];
        var worst = (megabytes - rest + machine.Connections * Backend) * Megabyte + sorters * workMem * 1024;
        return new(machine, settings, worst);
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var setting in Settings)
        {
            var line = $"{setting.Name} = {setting.Value}";
            text.AppendLine(setting.Why.Length == 0 ? line : $"{line,-47} # {setting.Why}");
        }
        return text.Append($"# At the worst, with all {Machine.Connections} connections sorting and hashing at once: "
            + $"{Words.Bytes(WorstCaseBytes)} of {Words.Bytes(Machine.Ram)}.\n"
            + "# Measure before and after: ./dev bench").ToString();
    }
}
