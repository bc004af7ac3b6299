using System.Diagnostics;
using OpenReadings.Ops.Tuning;
using OpenReadings.Support;

namespace OpenReadings.Ops.Tests.Tuning;

public sealed class TuningTests
{
    private const long Gigabyte = 1L << 30;

    [Fact]
    public void Whatever_the_machine_the_worst_case_fits_or_the_answer_is_no()
    {
        var fitted = 0;
        foreach (var ram in new[] { Gigabyte / 2, Gigabyte, 4 * Gigabyte, 16 * Gigabyte, 512 * Gigabyte })
            foreach (var cpu in new[] { 1, 4, 64 })
                foreach (var connections in new[] { 10, 100, 1000, 5000 })
                    foreach (var disk in Enum.GetValues<Disk>())
                        try
                        {
                            var tuned = ServerTuning.For(new(ram, cpu, connections, disk));
                            Assert.InRange(tuned.WorstCaseBytes, 0, ram);
                            fitted++;
                        }
                        catch (OpsException e)
                        {
                            Assert.Equal(Exit.Refused, e.Exit);
                            Assert.True(connections >= ram / Gigabyte * 30, $"{connections} connections should fit into {ram}");
                        }
        Assert.True(fitted > 60);
    }

    [Fact]
    public void What_cannot_be_is_refused_with_the_number_that_can()
    {
        var refused = Assert.Throws<OpsException>(() => ServerTuning.For(new(2 * Gigabyte, 2, 1000, Disk.Ssd)));
        var possible = int.Parse(refused.Message.Split("room for ")[1].Split('.')[0]);
        Assert.InRange(possible, 10, 999);
        ServerTuning.For(new(2 * Gigabyte, 2, possible, Disk.Ssd));
        Assert.Throws<OpsException>(() => ServerTuning.For(new(2 * Gigabyte, 2, possible + 1, Disk.Ssd)));
    }

    [Fact]
    public async Task PostgreSQL_takes_every_line()
    {
        var folder = Directory.CreateTempSubdirectory("tune").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "postgresql.conf"), ServerTuning.For(new(8 * Gigabyte, 4, 100, Disk.Nvme)).ToString(), Given.Ct);
        // Nobody runs PostgreSQL as root, not even to read a file.
        using var process = Process.Start(new ProcessStartInfo("bash", ["-c", """
            . deploy/local/common.sh; become postgres; chmod -R a+rX "$1"
            cd / && "${run_as[@]}" "$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)/postgres" -D "$1" -C work_mem
            """, "bash", folder])
        {
            WorkingDirectory = TestServers.Root, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        var said = await process.StandardOutput.ReadToEndAsync(Given.Ct);
        var errors = await process.StandardError.ReadToEndAsync(Given.Ct);
        await process.WaitForExitAsync(Given.Ct);
        Directory.Delete(folder, recursive: true);
        Assert.True(process.ExitCode == 0, errors);
        Assert.InRange(int.Parse(said), 1024, 65536);
    }

    [Theory]
    [InlineData("16GB", 17_179_869_184)]
    [InlineData("512mb", 536_870_912)]
    [InlineData("1.5GB", 1_610_612_736)]
    public void A_size_is_written_as_people_write_it(string text, long bytes) => Assert.Equal(bytes, Machine.Bytes(text));

    [Theory]
    [InlineData("16")]
    [InlineData("-1GB")]
    [InlineData("GB")]
    [InlineData("1e9GB")]
    public void What_is_no_size_is_an_error_of_the_line(string text)
    {
        var line = Cli.Build().Parse(["tune", "--ram", text, "--cpu", "2"]);
        Assert.Contains("is no size", Assert.Single(line.Errors).Message, StringComparison.Ordinal);
    }
}
