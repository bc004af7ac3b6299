using System.CommandLine;
using System.Diagnostics;
using Npgsql;

namespace OpenReadings.Ops.Pitr;

/// <summary>
/// Shows on scratch servers that recovery to a time works with these programs and this archive script: a row that is deleted
/// at T is there again in a server recovered to just before T, and a row written after T is not.
/// </summary>
internal static class PitrDrill
{
    public sealed record Answer(DateTimeOffset DeletedAt, DateTimeOffset RecoveredTo, long Rows, double Seconds)
    {
        public override string ToString() => $"Deleted at {DeletedAt:O}; recovered to {RecoveredTo:O}: {Rows} rows, all as they were. {Seconds:F1} s.";
    }

    public static Command Verb()
    {
        Option<string> script = new("--archive-script") { Description = "The archive_command's program", HelpName = "FILE", DefaultValueFactory = _ => FindScript() };
        return new Command("drill", "Delete rows on a scratch server and recover to the time before") { script }.Runs(async (line, log, ct) =>
            (Exit.Ok, await RunAsync(line.GetValue(script)!, log, ct)));
    }

    public static async Task<Answer> RunAsync(string script, Action<string> log, CancellationToken ct)
    {
        var clock = Stopwatch.StartNew();
        using var place = new Folder();
        var (archive, bases) = (place.Make("wal"), place.Make("base"));
        DateTimeOffset before, deleted;
        await using (var primary = await ScratchServer.StartNewAsync(ct, "archive_mode=on", $"archive_command={script} \"%p\" {archive} \"%f\""))
        {
            await using var connection = new NpgsqlConnection(primary.ConnectionTo("postgres"));
            await connection.OpenAsync(ct);
            await ExecuteAsync("create table kept (n int primary key); insert into kept select generate_series(1, 500)");
            await BaseBackup.RunAsync(primary.ConnectionTo("postgres"), bases, DateTimeOffset.UtcNow, ct);
            log("base backup taken and verified");
            await ExecuteAsync("insert into kept select generate_series(501, 1000)");
            before = await TimeAsync();
            // A base is chosen, and a time told apart, by the second.
            await ExecuteAsync("select pg_sleep(1.1); delete from kept where n % 2 = 0");
            deleted = await TimeAsync();
            await ExecuteAsync("insert into kept values (1001)");
            await WaitForArchiveAsync(await ScalarAsync<string>("select pg_walfile_name(pg_switch_wal())"));
            log($"500 rows deleted at {deleted:O}");

            async Task ExecuteAsync(string sql)
            {
                await using var command = new NpgsqlCommand(sql, connection);
                await command.ExecuteNonQueryAsync(ct);
            }

            async Task<T> ScalarAsync<T>(string sql)
            {
                await using var command = new NpgsqlCommand(sql, connection);
                return (T)(await command.ExecuteScalarAsync(ct))!;
            }

            async Task<DateTimeOffset> TimeAsync() => new(await ScalarAsync<DateTime>("select clock_timestamp()"));

            async Task WaitForArchiveAsync(string segment)
            {
                for (var patience = Stopwatch.StartNew(); await ScalarAsync<string>("select coalesce(last_archived_wal, '') from pg_stat_archiver") is var last
                    && string.CompareOrdinal(last, segment) < 0;)
                {
                    if (await ScalarAsync<long>("select failed_count from pg_stat_archiver") > 0) throw new OpsException(Exit.Failed, "The archive script failed.");
                    if (patience.Elapsed > TimeSpan.FromMinutes(2)) throw new OpsException(Exit.Failed, $"{segment} was not archived within two minutes.");
                    await Task.Delay(100, ct);
                }
            }
        }

        await using var recovered = ScratchServer.InFolder();
        await RestoreToTime.RunAsync(bases, archive, recovered.Data, before, "promote", ct);
        await recovered.StartAsync(ct);
        await using var look = new NpgsqlConnection(recovered.ConnectionTo("postgres"));
        await look.OpenAsync(ct);
        await using var count = new NpgsqlCommand("select count(*) from kept where n <= 1000 having max(n) = 1000", look);
        var rows = await count.ExecuteScalarAsync(ct) as long? ?? 0;
        return rows == 1000
            ? new Answer(deleted, before, rows, clock.Elapsed.TotalSeconds)
            : throw new OpsException(Exit.Failed, $"Recovered to {before:O}, and {rows} of 1000 rows are there.");
    }

    private static string FindScript()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var script = Path.Combine(folder.FullName, "deploy", "postgres", "archive-wal");
            if (File.Exists(script)) return script;
        }
        throw new OpsException(Exit.Usage, "Say which script archives: --archive-script FILE");
    }

    // Of whoever runs the servers: the archive script runs as them.
    private sealed class Folder : IDisposable
    {
        private readonly string path = Directory.CreateTempSubdirectory("openreadings-pitr-").FullName;

        public Folder()
        {
            if (Environment.IsPrivilegedProcess) Tool.GiveToServer(path);
        }

        public string Make(string name)
        {
            var made = Directory.CreateDirectory(Path.Combine(path, name)).FullName;
            if (Environment.IsPrivilegedProcess) Tool.GiveToServer(made);
            return made;
        }

        public void Dispose() => Directory.Delete(path, recursive: true);
    }
}
