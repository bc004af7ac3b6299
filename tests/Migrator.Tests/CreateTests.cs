namespace OpenReadings.Migrator.Tests;

public sealed class CreateTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("create-tests-").FullName;
    private readonly Clock clock = new();

    public CreateTests() => Directory.CreateDirectory(Path.Combine(root, "readings"));

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Fact]
    public void A_new_script_is_named_by_the_time_in_utc_and_can_be_read_by_the_runner()
    {
        var path = Create.Run(root, "readings", "Add workouts", noTransaction: false, clock);
        clock.Now += TimeSpan.FromSeconds(1);
        Create.Run(root, "readings", "index-workouts", noTransaction: true, clock);
        Create.Run(root, "shared", "say_more", noTransaction: false, new Clock { Now = clock.Now.AddHours(1) });

        Assert.Equal(Path.Combine(root, "readings", "20261121093000_add_workouts.sql"), path);
        Assert.Contains("call own_rows('things');", File.ReadAllText(path), StringComparison.Ordinal);
        var scripts = Script.LoadAll(root, "readings");
        Assert.Equal([false, false, true], scripts.Select(script => script.Header.NoTransaction));
        Assert.Equal([2, 2, 1], scripts.Select(script => script.Statements().Count));
    }

    [Fact]
    public void A_time_that_is_taken_is_refused_in_whichever_folder_it_is()
    {
        Create.Run(root, "readings", "add_one", noTransaction: false, clock);

        foreach (var folder in new[] { "readings", "shared" })
        {
            var refused = Assert.Throws<MigrationException>(
                () => Create.Run(root, folder, "add_other", noTransaction: false, clock));
            Assert.Equal(ExitCode.Invalid, refused.Exit);
            Assert.Equal("20261121093000_add_one.sql has this time already. Try again in a second.", refused.Message);
        }
    }

    [Fact]
    public void A_script_that_would_come_late_is_not_begun()
    {
        Create.Run(root, "readings", "add_one", noTransaction: false, new Clock { Now = clock.Now.AddDays(1) });

        var refused = Assert.Throws<MigrationException>(
            () => Create.Run(root, "readings", "add_other", noTransaction: false, clock));

        Assert.StartsWith("20261122093000_add_one.sql is later than now", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("readings", "größe")]
    [InlineData("readings", "../../x")]
    [InlineData("readings", "")]
    [InlineData("unknown", "add_one")]
    [InlineData("all", "add_one")]
    [InlineData("../readings", "add_one")]
    public void A_name_or_a_service_that_cannot_be_is_refused(string service, string name)
    {
        var refused = Assert.Throws<MigrationException>(
            () => Create.Run(root, service, name, noTransaction: false, clock));

        Assert.Equal(ExitCode.Usage, refused.Exit);
    }

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 11, 21, 10, 30, 0, TimeSpan.FromHours(1));
        public override DateTimeOffset GetUtcNow() => Now.ToUniversalTime();
    }
}
