using System.Net;
using System.Net.Sockets;
using Npgsql;
using OpenReadings.Support;

namespace OpenReadings.PlatformTests;

public sealed class ScriptTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("deploy/local/broker.sh start \"$1\" \"$2\"", "RabbitMQ")]
    [InlineData("deploy/local/postgres.sh start \"$1\" \"$2\"", "PostgreSQL")]
    [InlineData("deploy/local/edge.sh start \"$1\" \"$2\" a:1 a:1 a:1 a:1", "nginx")]
    public async Task A_port_that_is_taken_is_named_with_who_holds_it(string script, string what)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var folder = Shell.TemporaryFolder();
        var (exit, said) = await Shell.RunAsync(script, null, folder, $"{port}");
        Directory.Delete(folder, recursive: true);
        Assert.Equal(1, exit);
        Assert.Contains($"Port {port} ({what}) is taken by process {Environment.ProcessId}:", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_package_that_is_missing_is_named_with_what_to_do_about_it_by_whoever_is_not_root()
    {
        var (exit, said) = await Shell.RunAsync("""
            export DOTNET=$(type -p dotnet); user=(); ((EUID)) || user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
            cat deploy/local/common.sh deploy/local/packages.sh - <<'END' | "${user[@]}" bash
            dotnet() { :; }; missing_packages() { printf nginx-light; }; install_packages; echo went on
            END
            """);
        Assert.Equal(1, exit);
        Assert.Contains("Missing: nginx-light", said, StringComparison.Ordinal);
        Assert.Contains("Run as root, once:   ./dev install", said, StringComparison.Ordinal);
        Assert.DoesNotContain("went on", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"users\": [")]
    [InlineData("""{"vhosts": [{"name": "/"}], "users": [{"name": "a"}], "permissions": [{"user": "b", "vhost": "/"}]}""")]
    [InlineData("""{"vhosts": [{"name": "/"}], "users": [{"name": "a"}], "permissions": [{"user": "a", "vhost": "x"}]}""")]
    public async Task Definitions_that_the_broker_would_pass_over_are_refused(string definitions)
    {
        var folder = Shell.TemporaryFolder();
        await File.WriteAllTextAsync(Path.Combine(folder, "given.json"), definitions, Ct);
        var (exit, said) = await Shell.RunAsync(". deploy/local/common.sh; deploy/local/broker.sh start \"$1\" \"$(free_port 1 2 10000)\" \"$1/given.json\"", null, folder);
        Directory.Delete(folder, recursive: true);
        Assert.Equal(1, exit);
        Assert.Contains("given.json is not JSON with vhosts, users and permissions that fit together.", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broker_that_dies_is_said_to_have_ended_with_its_last_words()
    {
        var folder = Shell.TemporaryFolder();
        var (exit, said) = await Shell.RunAsync("""
            . deploy/local/common.sh; mkdir -p "$1/mnesia"; echo in the way >"$1/mnesia/broker@localhost"
            code=0; deploy/local/broker.sh start "$1" "$(free_port 1 2 10000)" || code=$?
            deploy/local/broker.sh stop "$1"; exit $code
            """, null, folder);
        Directory.Delete(folder, recursive: true);
        Assert.Equal(1, exit);
        Assert.Contains($"RabbitMQ ended. The end of {folder}/log:", said, StringComparison.Ordinal);
        Assert.Contains("mnesia", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pid_that_passed_to_another_process_is_nobody_of_ours()
    {
        var (exit, said) = await Shell.RunAsync("""
            . deploy/local/common.sh
            file=$(mktemp); sleep 60 & other=$!
            remember "$file" $other; alive "$file" && echo ours
            echo "$other 12345" >"$file"; alive "$file" || echo not ours
            finish "$file" KILL 1; kill -0 $other && echo unharmed
            kill $other
            """);
        Assert.Equal((0, "ours\nnot ours\nunharmed\n"), (exit, said));
    }

    [Fact]
    public async Task The_broker_of_the_platform_gives_each_service_its_own_names_and_no_others()
    {
        var (_, said) = await Shell.RunAsync("""
            . deploy/local/common.sh; . deploy/local/secrets.sh
            dir=$(mktemp -d); make_secrets "$dir" 127.0.0.1:1 127.0.0.1:2
            cat "$dir/broker.json"; stat -c ' %a' "$dir"; find "$dir" -type f -perm /077; rm -rf "$dir"
            """);
        Assert.Contains("""{"user":"sync","vhost":"openreadings","configure":"^sync[.]","write":"^(sync[.]|amq[.]default$)","read":"^(sync[.]|[a-z]+[.]events$)"}""",
            said, StringComparison.Ordinal);
        Assert.Contains("""{"user":"watcher","vhost":"openreadings","configure":"^watch[.]","write":"^watch[.]",""", said, StringComparison.Ordinal);
        Assert.EndsWith("\n 700\n", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("identity")]
    [InlineData("readings")]
    [InlineData("catalog")]
    [InlineData("sync")]
    public async Task The_picture_of_the_schema_is_what_the_scripts_make(string service)
    {
        await using var database = await TestDatabase.CreateAsync(service);
        var at = new NpgsqlConnectionStringBuilder(database.Superuser);
        var (exit, picture) = await Shell.RunAsync(". deploy/local/common.sh; . deploy/local/schema.sh; picture", new Dictionary<string, string?>
        {
            ["PGHOST"] = at.Host, ["PGPORT"] = $"{at.Port}", ["PGUSER"] = at.Username, ["PGPASSWORD"] = at.Password, ["PGDATABASE"] = at.Database,
        });
        Assert.True(exit == 0, picture);
        var kept = await File.ReadAllTextAsync(Path.Combine(TestServers.Root, "db", "schema", $"{service}.sql"), Ct);
        var (was, now) = (kept.Split('\n').ToHashSet(), picture.Split('\n'));
        Assert.True(kept == picture, $"db/schema/{service}.sql is stale: ./dev schema. New: {string.Join('\n', now.Where(line => !was.Contains(line)).Take(9))}");
    }
}
