using OpenReadings.Support;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace OpenReadings.PlatformTests;

/// <summary>docker-compose.yml as far as it can be proven without an engine.</summary>
public sealed class ComposeTests
{
    private static readonly string[] Services = ["identity", "readings", "catalog", "sync"];
    private readonly Dictionary<string, object> file = Read();

    private Dictionary<object, object> All => (Dictionary<object, object>)file["services"];

    [Fact]
    public void It_says_nothing_that_compose_does_not_know()
    {
        string[] known =
        [
            "image", "build", "restart", "user", "read_only", "tmpfs", "cap_drop", "security_opt", "entrypoint", "command", "volumes", "ports", "depends_on",
            "healthcheck", "environment", "secrets", "stop_grace_period", "shm_size", "hostname",
        ];
        Assert.All(file.Keys, key => Assert.True(key.StartsWith("x-", StringComparison.Ordinal) || key is "services" or "networks" or "volumes" or "secrets", key));
        Assert.All(All.Keys, name => Assert.Empty(Of(name).Keys.Except(known)));
        Assert.All(All.Keys, name => Assert.True(Of(name).ContainsKey("image"), $"{name} has no image"));
    }

    [Fact]
    public void Each_service_waits_for_its_own_migration_and_that_for_the_roles()
    {
        foreach (var service in Services)
        {
            Assert.Equal("service_completed_successfully", Condition(service, $"migrate-{service}"));
            Assert.Equal("service_completed_successfully", Condition($"migrate-{service}", "bootstrap"));
            Assert.Equal("service_healthy", Condition("edge", service));
            Assert.Equal(["up", "--service", service], Texts(Of($"migrate-{service}")["command"]));
            var arguments = (Dictionary<object, object>)((Dictionary<object, object>)Of(service)["build"])["args"];
            Assert.Equal(service, arguments["SERVICE"]);
            var project = Directory.EnumerateFiles(Path.Combine(TestServers.Root, "services", service), "*.csproj").Single();
            Assert.Contains($"<AssemblyName>{arguments["ASSEMBLY"]}</AssemblyName>", File.ReadAllText(project), StringComparison.Ordinal);
        }
        Assert.Equal("service_healthy", Condition("bootstrap", "postgres"));
    }

    [Fact]
    public void Whoever_is_waited_for_exists_and_can_be_seen_to_be_well_or_through()
    {
        foreach (var (name, other) in from name in All.Keys where Of(name).ContainsKey("depends_on") from other in DependsOn(name).Keys select (name, other))
        {
            Assert.Contains(other, All.Keys);
            var through = Condition((string)name, (string)other) == "service_completed_successfully";
            Assert.True(through || Of(other).ContainsKey("healthcheck"), $"{name} waits for the health of {other}, which has none");
            Assert.Equal(through ? "on-failure" : "unless-stopped", Of(other)["restart"]);
        }
    }

    [Fact]
    public void Only_the_edge_and_the_broker_are_reachable_and_only_from_this_machine()
    {
        var open = All.Keys.Where(name => Of(name).ContainsKey("ports"));
        Assert.Equal(["edge", "broker"], open);
        Assert.All(open.SelectMany(name => Texts(Of(name)["ports"])), port => Assert.StartsWith("127.0.0.1:", port, StringComparison.Ordinal));
        // AMQP, for the queues of applications, and never the management.
        Assert.EndsWith(":5672", Assert.Single(Texts(Of("broker")["ports"])), StringComparison.Ordinal);
    }

    [Fact]
    public void Our_own_programs_cannot_write_their_files_and_have_no_rights_on_the_machine() => Assert.All([.. Services, "edge", "migrate-sync"], name =>
    {
        Assert.Equal("true", Of(name)["read_only"]);
        Assert.Equal(["ALL"], Texts(Of(name)["cap_drop"]));
        Assert.Equal(["no-new-privileges:true"], Texts(Of(name)["security_opt"]));
    });

    [Fact]
    public async Task Every_secret_is_a_file_that_the_script_makes_and_none_is_in_the_environment()
    {
        var folder = Shell.TemporaryFolder();
        var (exit, said) = await Shell.RunAsync("deploy/compose/make-secrets.sh \"$1\"", null, folder);
        Assert.True(exit == 0, said);
        var secrets = (Dictionary<object, object>)file["secrets"];
        Assert.All(secrets.Values, secret =>
        {
            var path = (string)((Dictionary<object, object>)secret)["file"];
            var made = path.Replace("deploy/compose/secrets", folder, StringComparison.Ordinal);
            Assert.True(File.Exists(made), $"{path} is not made by make-secrets.sh");
            Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(made).HasFlag(UnixFileMode.OtherRead), $"{path} cannot be read in a container");
        });
        var used = All.Keys.Where(name => Of(name).ContainsKey("secrets")).SelectMany(name => (List<object>)Of(name)["secrets"])
            .Select(secret => secret is string plain ? plain : (string)((Dictionary<object, object>)secret)["source"]).ToHashSet();
        Assert.Equal(secrets.Keys.Cast<string>().Order(StringComparer.Ordinal), used.Order(StringComparer.Ordinal));
        var values = Directory.EnumerateFiles(Path.Combine(folder, "passwords")).Select(File.ReadAllText).ToList();
        var text = await File.ReadAllTextAsync(ComposeFile, TestContext.Current.CancellationToken);
        Assert.All(values, value => Assert.DoesNotContain(value, text, StringComparison.Ordinal));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void Every_file_that_is_mounted_exists_and_every_volume_is_declared()
    {
        var volumes = ((Dictionary<object, object>)file["volumes"]).Keys;
        foreach (var mount in All.Keys.Where(name => Of(name).ContainsKey("volumes")).SelectMany(name => Texts(Of(name)["volumes"])))
        {
            var from = mount.Split(':')[0];
            if (from.StartsWith('.')) Assert.True(File.Exists(Path.Combine(TestServers.Root, from)), mount);
            else Assert.Contains(from, volumes);
        }
    }

    private static string ComposeFile => Path.Combine(TestServers.Root, "docker-compose.yml");

    private static Dictionary<string, object> Read()
    {
        using var text = File.OpenText(ComposeFile);
        return new DeserializerBuilder().Build().Deserialize<Dictionary<string, object>>(new MergingParser(new Parser(text)));
    }

    private Dictionary<object, object> Of(object name) => (Dictionary<object, object>)All[name];

    private Dictionary<object, object> DependsOn(object name) => (Dictionary<object, object>)Of(name)["depends_on"];

    private string Condition(string name, string other) => (string)((Dictionary<object, object>)DependsOn(name)[other])["condition"];

    private static IEnumerable<string> Texts(object list) => ((List<object>)list).Cast<string>();
}
