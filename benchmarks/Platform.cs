using System.Diagnostics;
using Npgsql;

namespace OpenReadings.Benchmarks;

/// <summary>
/// The whole platform for one run of the benchmarks: PostgreSQL, RabbitMQ and the four services as processes of their own on
/// free ports, with production's settings except for the rate limits. Nothing of it is left afterwards.
/// </summary>
internal sealed class Platform : IAsyncDisposable
{
    private static readonly string[] Services = ["identity", "catalog", "readings", "sync"];
    private static readonly string[] Roles = ["app", "relay"];
    private readonly string folder = Directory.CreateTempSubdirectory("openreadings-bench-").FullName;
    private readonly Dictionary<string, Process> running = [];
    private readonly Dictionary<string, int> ports = [];

    /// <summary>The checkout.</summary>
    public static string Root { get; } = FindRoot();

    public string PostgresFolder => Path.Combine(folder, "postgres");
    public string Files => Directory.CreateDirectory(Path.Combine(folder, "files")).FullName;
    public int PostgresPort => ports["postgres"];
    public Uri Broker => new($"amqp://admin:{Password("broker_admin")}@127.0.0.1:{ports["broker"]}/openreadings");

    public Uri Address(string service) => new($"http://127.0.0.1:{ports[service]}");
    public string AsSuperuser(string database) => $"{File.ReadAllText(Path.Combine(PostgresFolder, "connection")).Trim()};Database={database}";
    public string As(string role, string database = "readings") =>
        $"Host=127.0.0.1;Port={PostgresPort};Database={database};Username={role};Password={Password(role)}";

    /// <summary>The running platform; null, with the reason on standard error, when it does not start.</summary>
    public static async Task<Platform?> TryStartAsync()
    {
        var platform = new Platform();
        try
        {
            await platform.StartServersAsync();
            foreach (var service in Services) await platform.CreateDatabaseAsync(service, service);
            foreach (var service in Services) await platform.StartServiceAsync(service, service, "secrets/" + service);
            await platform.WaitForSeriesTypesAsync();
            return platform;
        }
        catch (MeasurementFailedException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            await platform.DisposeAsync();
            return null;
        }
    }

    private async Task StartServersAsync()
    {
        // PostgreSQL and RabbitMQ run as users of their own and must be able to get there.
        await Shell.RunAsync("chmod", ["755", folder]);
        ports["postgres"] = await FreePortAsync();
        ports["broker"] = await FreePortAsync(1, 2, 10000);
        var first = await FreePortAsync(1, 2, 3, 4);
        foreach (var (index, name) in Services.Append("grown").Index()) ports[name] = first + index;
        await Shell.BashAsync($"""
            . deploy/local/common.sh; . deploy/local/secrets.sh
            make_secrets {folder}/secrets 127.0.0.1:{PostgresPort} 127.0.0.1:{ports["broker"]}
            deploy/local/postgres.sh start {PostgresFolder} {PostgresPort} &
            deploy/local/broker.sh start {folder}/broker {ports["broker"]} {folder}/secrets/broker.json
            wait $!
            """);
    }

    /// <summary>Roles, database and schema of a service, as an operator would make them. Repeating it changes nothing.</summary>
    public async Task CreateDatabaseAsync(string service, string database)
    {
        await Shell.BashAsync($"""
            . deploy/local/common.sh; . deploy/local/secrets.sh
            export_passwords {folder}/secrets {service}; export DATABASE={database}
            deploy/local/postgres.sh psql {PostgresFolder} -X -q -f db/bootstrap.sql
            """);
        if (service == database)
            await Shell.RunAsync("dotnet", [Built("db/migrator", "migrate.dll"), "up", "--service", service],
                [new("SECRETS_DIRECTORY", Path.Combine(folder, "secrets/migrate"))]);
    }

    /// <summary>Starts a service, by default the one of that name, and waits until it is ready.</summary>
    public async Task StartServiceAsync(string name, string service, string secrets)
    {
        // From a copy: a build of the checkout must not change a program while it is measured.
        var (app, built) = (Path.Combine(folder, "app", service), Path.GetDirectoryName(Built($"services/{service}", "."))!);
        if (!Directory.Exists(app)) await Shell.BashAsync($"mkdir -p {folder}/app && cp -a {built} {app}");
        var log = Path.Combine(folder, $"{name}.log");
        var process = running[name] = Shell.Launch(
            "dotnet", $"OpenReadings.{char.ToUpperInvariant(service[0])}{service[1..]}.dll", app, log, new Dictionary<string, string>
            {
                ["Urls"] = Address(name).GetLeftPart(UriPartial.Authority),
                ["SECRETS_DIRECTORY"] = Path.Combine(folder, secrets),
                ["Identity__Issuer"] = $"{Address("identity")}identity",
                ["Identity__Jwks"] = $"{Address("identity")}identity/.well-known/jwks.json",
                ["Identity__Tokens"] = $"{Address("identity")}identity/v1/tokens",
                ["Readings__Url"] = Address("readings").GetLeftPart(UriPartial.Authority),
                ["Imports__Directory"] = Path.Combine(folder, "imports"),
                ["Limits__RequestsPerMinute"] = "1000000000",
                ["Limits__AddressPerMinute"] = "1000000000",
                ["Limits__SensitivePerMinute"] = "1000000000",
            });
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(2) };
        for (var end = Stopwatch.GetTimestamp() + 60 * Stopwatch.Frequency; ; await Task.Delay(50))
        {
            try
            {
                if ((await http.GetAsync(new Uri(Address(name), "/readyz"))).IsSuccessStatusCode) return;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException) { }
            if (process.HasExited || Stopwatch.GetTimestamp() > end)
                throw new MeasurementFailedException($"{name} did not start: {string.Join('\n', (await File.ReadAllLinesAsync(log)).TakeLast(5))}");
        }
    }

    // They come as events, and readings refuses types that it has not heard of.
    private async Task WaitForSeriesTypesAsync()
    {
        const string count = "select count(*) from series_types";
        for (var end = Stopwatch.GetTimestamp() + 60 * Stopwatch.Frequency; Stopwatch.GetTimestamp() < end; await Task.Delay(100))
            if (await QueryAsync<long>(count) is > 0 and var known && known == await QueryAsync<long>(count, "catalog")) return;
        throw new MeasurementFailedException("readings did not learn the series types.");
    }

    public async Task StopServiceAsync(string name)
    {
        if (running.Remove(name, out var process)) await Shell.FinishAsync(process);
    }

    public async Task RestartAsync(string service)
    {
        await StopServiceAsync(service);
        await StartServiceAsync(service, service, "secrets/" + service);
    }

    /// <summary>A second process of readings on a database of its own, with the same roles.</summary>
    public async Task StartGrownAsync(string database)
    {
        var secrets = Path.Combine(folder, "secrets", "grown");
        await Shell.BashAsync($"cp -a {folder}/secrets/readings {secrets}");
        foreach (var role in Roles)
            await File.WriteAllTextAsync(Path.Combine(secrets, $"ConnectionStrings__{role}"), As($"readings_{role}", database));
        await StartServiceAsync("grown", "readings", "secrets/grown");
    }

    /// <summary>What one SQL statement answers, as superuser.</summary>
    public async Task<T?> QueryAsync<T>(string sql, string database = "readings", bool asMigrator = false)
    {
        await using var connection = new NpgsqlConnection(
            (asMigrator ? As("readings_migrator", database) : AsSuperuser(database)) + ";Pooling=false;Command Timeout=1200");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync() is T value ? value : default;
    }

    /// <summary>The last errors that services logged.</summary>
    public IEnumerable<string> Complaints() => Directory.EnumerateFiles(folder, "*.log").SelectMany(file => File.ReadLines(file)
        .Where(line => line.Contains("fail: ", StringComparison.Ordinal) || line.Contains("crit: ", StringComparison.Ordinal))
        .TakeLast(3).Select(line => $"{Path.GetFileName(file)}: {line}"));

    public int Pid(string name) => name is "postgres" or "broker"
        ? int.Parse(File.ReadAllText(Path.Combine(folder, name, "pid")).Split(' ')[0])
        : running[name].Id;

    public async ValueTask DisposeAsync()
    {
        foreach (var name in running.Keys.Reverse().ToArray()) await StopServiceAsync(name);
        await Shell.BashAsync($"""
            deploy/local/broker.sh kill {folder}/broker; deploy/local/postgres.sh kill {folder}/postgres; rm -rf {folder}
            """);
    }

    private string Password(string name) => File.ReadAllText(Path.Combine(folder, "secrets/passwords", name)).Trim();

    private static string Built(string project, string file) => Path.Combine(Root, project, "bin/Release/net10.0", file);

    private static async Task<int> FreePortAsync(params int[] offsets) =>
        int.Parse(await Shell.BashAsync($". deploy/local/common.sh; free_port {string.Join(' ', offsets)}"));

    private static string FindRoot()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Services.sln"))) at = at.Parent;
        return at?.FullName ?? throw new MeasurementFailedException("Services.sln was not found above the benchmarks.");
    }
}
