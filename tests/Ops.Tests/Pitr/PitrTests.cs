using OpenReadings.Ops.Pitr;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests.Pitr;

public sealed class PitrTests
{
    private static readonly string Script = Path.Combine(TestServers.Root, "deploy", "postgres", "archive-wal");
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Rows_deleted_at_a_time_are_back_at_the_time_before()
    {
        var answer = await PitrDrill.RunAsync(Script, _ => { }, Ct);
        Assert.Equal(1000, answer.Rows);
        Assert.True(answer.RecoveredTo < answer.DeletedAt);
    }

    [Fact]
    public async Task The_archive_script_keeps_a_segment_once_and_never_overwrites_another()
    {
        var folder = Directory.CreateTempSubdirectory("archive-").FullName;
        var segment = Path.Combine(folder, "segment");
        var archive = Directory.CreateDirectory(Path.Combine(folder, "wal")).FullName;
        await File.WriteAllTextAsync(segment, "first", Ct);
        Assert.Equal(0, await RunAsync(segment, archive, "000000010000000000000001"));
        Assert.Equal(0, await RunAsync(segment, archive, "000000010000000000000001"));
        await File.WriteAllTextAsync(segment, "other", Ct);
        Assert.Equal(1, await RunAsync(segment, archive, "000000010000000000000001"));
        Assert.Equal(1, await RunAsync(segment, Path.Combine(folder, "nowhere"), "000000010000000000000002"));
        Assert.Equal("first", await File.ReadAllTextAsync(Path.Combine(archive, "000000010000000000000001"), Ct));
        Assert.Single(Directory.EnumerateFileSystemEntries(archive));
        Directory.Delete(folder, recursive: true);

        static async Task<int> RunAsync(params string[] words)
        {
            using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(Script, words) { RedirectStandardError = true })!;
            await process.WaitForExitAsync(Ct);
            return process.ExitCode;
        }
    }

    [Fact]
    public async Task Two_runners_with_different_segments_of_one_name_leave_one_of_them()
    {
        var archive = Directory.CreateTempSubdirectory("archive-").FullName;
        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(async n =>
        {
            var segment = Path.GetTempFileName();
            await File.WriteAllTextAsync(segment, $"{n}", Ct);
            using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(Script, [segment, archive, "seg"]) { RedirectStandardError = true })!;
            await process.WaitForExitAsync(Ct);
            return (n, process.ExitCode);
        }));
        var winner = Assert.Single(results, result => result.ExitCode == 0);
        Assert.Equal($"{winner.n}", await File.ReadAllTextAsync(Path.Combine(archive, "seg"), Ct));
        Directory.Delete(archive, recursive: true);
    }

    [Fact]
    public async Task A_recovery_never_goes_over_what_is_there_and_needs_a_base_from_before_the_time()
    {
        var folder = Directory.CreateTempSubdirectory("recovery-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "PG_VERSION"), "15", Ct);
        Assert.Equal(Exit.Refused, (await Assert.ThrowsAsync<OpsException>(() =>
            RestoreToTime.RunAsync(folder, folder, folder, DateTimeOffset.UtcNow, "pause", Ct))).Exit);
        Assert.Equal(Exit.Failed, (await Assert.ThrowsAsync<OpsException>(() =>
            RestoreToTime.RunAsync(folder, folder, Path.Combine(folder, "new"), DateTimeOffset.UtcNow, "pause", Ct))).Exit);
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("2026-11-26T21:30:00", true)]
    [InlineData("2026-11-26 21:30:00+01:00", true)]
    [InlineData("yesterday", true)]
    [InlineData("2026-11-26T21:30:00+01:00", false)]
    [InlineData("2026-11-26T20:30:00Z", false)]
    public void A_time_without_an_offset_is_refused(string time, bool refused) => Assert.Equal(refused,
        Cli.Build().Parse(["pitr", "restore", "--base", "b", "--archive", "a", "--data", "d", "--to", time]).Errors.Count > 0);
}
