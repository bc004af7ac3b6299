using System.Text.RegularExpressions;
using OpenReadings.Support;

namespace OpenReadings.PlatformTests;

/// <summary>services/Dockerfile, and where there is an engine what comes of it.</summary>
public sealed partial class DockerfileTests
{
    private static readonly string[] Lines = File.ReadAllText(Path.Combine(TestServers.Root, "services", "Dockerfile")).Replace("\\\n", " ", StringComparison.Ordinal).Split('\n');

    [Fact]
    public void Every_base_is_pinned_and_every_image_runs_as_nobody_in_particular()
    {
        var stages = Lines.Where(line => line.StartsWith("FROM ", StringComparison.Ordinal)).ToList();
        var names = stages.Select(line => line.Split(" AS ")[1]).ToList();
        var tag = Assert.Single(Lines, line => line.StartsWith("ARG DOTNET=", StringComparison.Ordinal));
        Assert.Matches(@"^ARG DOTNET=\d+\.\d+", tag);
        Assert.All(stages, line => Assert.True(names.Contains(line.Split(' ')[1]) || Pin().IsMatch(line), line));
        foreach (var image in new[] { "ops", "service" })
        {
            var stage = Lines.SkipWhile(line => !line.EndsWith($" AS {image}", StringComparison.Ordinal)).Skip(1).TakeWhile(line => !line.StartsWith("FROM ", StringComparison.Ordinal)).ToList();
            Assert.Contains("USER 1654:1654", stage);
            Assert.True(stage.FindIndex(line => line.StartsWith("USER", StringComparison.Ordinal)) > stage.FindLastIndex(line => line.StartsWith("RUN", StringComparison.Ordinal)), image);
            Assert.Single(stage, line => line.StartsWith("ENTRYPOINT [", StringComparison.Ordinal));
            Assert.Contains(stage, line => line.Contains("org.opencontainers.image.title", StringComparison.Ordinal));
        }
        Assert.Equal("service", names[^1]);                    // what a build makes that names no target
    }

    [Fact]
    public void It_compiles_ahead_of_time_says_what_is_in_it_and_leaves_no_lists_behind()
    {
        var text = string.Join('\n', Lines);
        Assert.Contains("-p:PublishReadyToRun=true", text, StringComparison.Ordinal);
        Assert.Contains("-fn sbom.json", text, StringComparison.Ordinal);
        Assert.All(new[] { "licenses", "version", "revision", "created", "vendor" }, label => Assert.Contains($"org.opencontainers.image.{label}=", text, StringComparison.Ordinal));
        Assert.All(Lines.Where(line => line.Contains("apt-get install", StringComparison.Ordinal)), line =>
        {
            Assert.Contains("--no-install-recommends", line, StringComparison.Ordinal);
            Assert.Contains("rm -rf /var/lib/apt/lists/*", line, StringComparison.Ordinal);
        });
        Assert.DoesNotContain(Lines, line => line.StartsWith("ADD ", StringComparison.Ordinal) || line.StartsWith("# syntax=", StringComparison.Ordinal));
    }

    [Fact]
    public void What_it_copies_is_there_and_reaches_the_engine()
    {
        var shown = File.ReadAllLines(Path.Combine(TestServers.Root, ".dockerignore")).Where(line => line.StartsWith('!')).Select(line => line[1..]).ToList();
        foreach (var from in Lines.Where(line => line.StartsWith("COPY ", StringComparison.Ordinal) && !line.Contains("--from", StringComparison.Ordinal)).SelectMany(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..^1]))
        {
            Assert.True(Path.Exists(Path.Combine(TestServers.Root, from)), $"{from} is not there.");
            Assert.True(shown.Any(one => from == one || from.StartsWith(one + "/", StringComparison.Ordinal)), $"{from} is left out by .dockerignore.");
        }
    }

    [Fact]
    public async Task An_engine_builds_it()
    {
        var (exit, _) = await Shell.RunAsync("docker info >/dev/null 2>&1");
        Assert.SkipUnless(exit == 0, "There is no container engine on this machine.");
        (exit, var said) = await Shell.RunAsync("export DOCKER_BUILDKIT=1; docker build -q -f services/Dockerfile --build-arg SERVICE=catalog --build-arg ASSEMBLY=OpenReadings.Catalog -t openreadings/catalog:test . && docker build -q -f services/Dockerfile --target ops -t openreadings/ops:test .");
        Assert.True(exit == 0, said);
    }

    [GeneratedRegex(@"^FROM \S+:(\$\{DOTNET\}|[\w.-]+)( |$)")]
    private static partial Regex Pin();
}
