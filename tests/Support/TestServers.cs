using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Npgsql;
using OpenReadings.Migrator;

namespace OpenReadings.Support;

/// <summary>The PostgreSQL and RabbitMQ of this run, started and stopped by <c>./dev test</c>.</summary>
public static class TestServers
{
    public static string Postgres => Setting("OPENREADINGS_TEST_POSTGRES");
    public static Uri Broker => new(Setting("OPENREADINGS_TEST_RABBITMQ"));

    /// <summary>The checkout, found from the test's own folder upwards.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The folder of real recordings beside the checkout, or null where there is none.</summary>
    public static string? Shared
    {
        get
        {
            var folder = Environment.GetEnvironmentVariable("OPENREADINGS_SHARED") ?? Path.Combine(Root, "..", "shared");
            return Directory.Exists(Path.Combine(folder, "data")) ? Path.GetFullPath(folder) : null;
        }
    }

    private static string Setting(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value
        ? value
        : throw new InvalidOperationException($"{name} is not set: run ./dev test, or `eval \"$(./dev servers)\"` for an editor.");

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Services.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("Services.sln was not found above the tests.");
    }
}

/// <summary>A database of its own for one suite: bootstrapped and migrated as an operator would, dropped at the end.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    // The roles are the cluster's and the suites run side by side: one password for all of them.
    private const string Password = "test";
    private readonly string service, name, server;

    private TestDatabase(string service, string name, string server) => (this.service, this.name, this.server) = (service, name, server);

    public string Superuser => With("postgres", null);
    public string Migrator => With($"{service}_migrator", Password);
    public string App => With($"{service}_app", Password);
    public string Relay => With($"{service}_relay", Password);
    public string Backup => With($"{service}_backup", Password);

    /// <summary>On the run's server, unless another superuser's connection string is given.</summary>
    public static async Task<TestDatabase> CreateAsync(string service, string? server = null)
    {
        var database = new TestDatabase(service, $"{service}_{Guid.NewGuid():N}"[..(service.Length + 13)], server ?? TestServers.Postgres);
        await database.BootstrapAsync();
        await Migrations.UpAsync(database.Migrator, Path.Combine(TestServers.Root, "db", "scripts"), service, CancellationToken.None);
        return database;
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        await using var connection = new NpgsqlConnection(server);
        await connection.OpenAsync();
        await using var drop = new NpgsqlCommand($"drop database if exists \"{name}\" with (force)", connection);
        await drop.ExecuteNonQueryAsync();
    }

    private async Task BootstrapAsync()
    {
        var settings = new NpgsqlConnectionStringBuilder(server);
        var psql = new ProcessStartInfo("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", Path.Combine(TestServers.Root, "db", "bootstrap.sql")])
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
            Environment =
            {
                ["PGHOST"] = settings.Host, ["PGPORT"] = settings.Port.ToString(), ["PGUSER"] = settings.Username, ["PGPASSWORD"] = settings.Password,
                ["PGDATABASE"] = "postgres", ["SERVICE"] = service, ["DATABASE"] = name, ["MIGRATOR_PASSWORD"] = Password,
                ["APP_PASSWORD"] = Password, ["RELAY_PASSWORD"] = Password, ["BACKUP_PASSWORD"] = Password, ["READONLY_PASSWORD"] = Password,
            },
        };
        using var process = Process.Start(psql)!;
        var said = process.StandardOutput.ReadToEndAsync();
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"bootstrap.sql failed: {error}{await said}");
    }

    private string With(string user, string? password)
    {
        var settings = new NpgsqlConnectionStringBuilder(server) { Database = name, IncludeErrorDetail = true };
        if (password is not null) (settings.Username, settings.Password) = (user, password);
        return settings.ConnectionString;
    }
}

/// <summary>A virtual host of its own on the run's broker, so that no suite reads another's queues.</summary>
public static class TestBroker
{
    /// <summary>The management with its administrator: its port is the broker's + 10000, here as in every environment.</summary>
    public static Uri Management => new UriBuilder(TestServers.Broker) { Scheme = "http", Port = TestServers.Broker.Port + 10_000, Path = "" }.Uri;

    public static async Task<Uri> CreateVhostAsync()
    {
        var broker = TestServers.Broker;
        var vhost = $"t{Guid.NewGuid():N}"[..13];
        using var http = ManagementClient();
        using var made = await http.PutAsync($"/api/vhosts/{vhost}", null);
        made.EnsureSuccessStatusCode();
        var user = Uri.UnescapeDataString(broker.UserInfo.Split(':')[0]);
        using var allowed = await http.PutAsync($"/api/permissions/{vhost}/{Uri.EscapeDataString(user)}",
            new StringContent("""{"configure":".*","write":".*","read":".*"}""", Encoding.UTF8, "application/json"));
        allowed.EnsureSuccessStatusCode();
        return new UriBuilder(broker) { Path = vhost }.Uri;
    }

    /// <summary>
    /// Waits until queues of a virtual host are bound. On a new broker a service that listens may come before the exchange is there, and tries
    /// again; until then events are dropped.
    /// </summary>
    public static async Task UntilBoundAsync(Uri broker, params string[] queues)
    {
        using var http = ManagementClient();
        for (var limit = Stopwatch.StartNew(); ; await Task.Delay(100))
        {
            var bound = (await http.GetFromJsonAsync<JsonElement>($"/api/bindings/{broker.AbsolutePath.Trim('/')}")).EnumerateArray()
                .Where(binding => binding.GetProperty("source").GetString() != "").Select(binding => binding.GetProperty("destination").GetString()).ToHashSet();
            if (queues.All(bound.Contains)) return;
            if (limit.Elapsed.TotalSeconds > 90) throw new TimeoutException($"Bound are only {string.Join(", ", bound)}.");
        }
    }

    private static HttpClient ManagementClient()
    {
        var http = new HttpClient { BaseAddress = new UriBuilder(Management) { UserName = "", Password = "" }.Uri };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(TestServers.Broker.UserInfo))));
        return http;
    }
}
