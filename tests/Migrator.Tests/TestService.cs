using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Npgsql;

namespace OpenReadings.Migrator.Tests;

/// <summary>A service of a test's own: roles, database, a folder for scripts. Gone afterwards.</summary>
internal sealed class TestService : IAsyncDisposable
{
    public static readonly NpgsqlConnectionStringBuilder Superuser = new(
        Environment.GetEnvironmentVariable("OPENREADINGS_TEST_POSTGRES")
            ?? throw new InvalidOperationException("OPENREADINGS_TEST_POSTGRES is not set: run ./dev test."))
    {
        Pooling = false,
    };

    public static readonly string Repository = FindRepository();

    // The program where it was built: the copy beside the tests lacks what the tests have from their framework.
    public static readonly string Migrate = Path.Combine(
        AppContext.BaseDirectory.Replace("tests/Migrator.Tests", "db/migrator", StringComparison.Ordinal), "migrate");

    private TestService(string name) => Name = name;

    public string Name { get; }
    public string Password { get; } = $"it's {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}";
    public string Folder { get; } = Directory.CreateTempSubdirectory("migrator-tests-").FullName;
    public string ScriptsRoot => Path.Combine(Folder, "scripts");
    public List<string> Log { get; } = [];
    public Target Target => new(Name, ScriptsRoot, ConnectionString("migrator"));

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static async Task<TestService> CreateAsync(bool bootstrap = true)
    {
        var service = new TestService($"t{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(5))}");
        Directory.CreateDirectory(Path.Combine(service.ScriptsRoot, "shared"));
        Directory.CreateDirectory(Path.Combine(service.ScriptsRoot, service.Name));
        File.Copy(Path.Combine(Repository, "db", "bootstrap.sql"), Path.Combine(service.Folder, "bootstrap.sql"));
        if (bootstrap)
        {
            var (exit, output) = await service.BootstrapAsync();
            Assert.True(exit == 0, output);
        }
        return service;
    }

    public Task<(int Exit, string Output)> BootstrapAsync(params (string Name, string Value)[] more) =>
        RunAsync("psql", ["-X", "-f", Path.Combine(Repository, "db", "bootstrap.sql")],
        [
            ("PGHOST", Superuser.Host!), ("PGPORT", $"{Superuser.Port}"), ("PGUSER", Superuser.Username!),
            ("PGPASSWORD", Superuser.Password ?? ""), ("SERVICE", Name), ("DATABASE", Name),
            ("MIGRATOR_PASSWORD", Password), ("APP_PASSWORD", Password), ("RELAY_PASSWORD", Password),
            ("BACKUP_PASSWORD", Password), ("READONLY_PASSWORD", Password), .. more,
        ]);

    public string ConnectionString(string role) => new NpgsqlConnectionStringBuilder
    {
        Host = Superuser.Host,
        Port = Superuser.Port,
        Database = Name,
        Username = $"{Name}_{role}",
        Password = Password,
        Pooling = false,
    }.ConnectionString;

    /// <summary>The first shared script of the repository, under a name that sorts before those of the tests.</summary>
    public void WriteOwnRows() => File.Copy(
        Directory.GetFiles(Path.Combine(Repository, "db", "scripts", "shared")).Order(StringComparer.Ordinal).First(),
        Path.Combine(ScriptsRoot, "shared", "20200101000000_say_who_the_user_is.sql"));

    public string Write(string name, string sql, string? folder = null) => Write("scripts", folder ?? Name, name, sql);

    public string WriteRollback(string name, string sql) => Write("rollback", Name, name, sql);

    public string WriteRepeatable(string name, string sql) => Write("repeatable", Name, name, sql);

    private string Write(string kind, string folder, string name, string sql)
    {
        var path = Path.Combine(Folder, kind, folder, name + ".sql");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, sql);
        return path;
    }

    public Task<Report> DownAsync(string to, DownOptions? options = null) =>
        Down.RunAsync(Target, (options ?? new DownOptions { To = to, BackupOk = true }) with { To = to }, AddToLog, Ct);

    public Task<Report> UpAsync(UpOptions? options = null, CancellationToken? ct = null) =>
        Migrations.UpAsync(Target, options ?? new UpOptions(), AddToLog, ct ?? Ct);

    public Task<Report> StatusAsync(bool exitCode = false) =>
        Status.RunAsync(Target, exitCode, new RunOptions(), AddToLog, Ct);

    public void AddToLog(string line)
    {
        lock (Log) Log.Add(line);
    }

    /// <summary>The first value of a query: as the superuser, or as a role of the service.</summary>
    public async Task<T> AskAsync<T>(string sql, string? role = null)
    {
        await using var connection = await OpenAsync(role);
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync(Ct))!;
    }

    public async Task DoAsync(string sql, string? role = null)
    {
        await using var connection = await OpenAsync(role);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Ct);
    }

    public async Task<NpgsqlConnection> OpenAsync(string? role = null)
    {
        var connection = new NpgsqlConnection(role is null ? AsSuperuser(Name) : ConnectionString(role));
        await connection.OpenAsync(Ct);
        return connection;
    }

    /// <summary>The condition is about another session, so there is nothing to await but the server's word.</summary>
    public async Task UntilAsync(string condition)
    {
        await using var connection = await OpenAsync();
        await using var command = new NpgsqlCommand($"select {condition}", connection);
        var patience = Stopwatch.StartNew();
        while (!(bool)(await command.ExecuteScalarAsync(Ct))!)
        {
            Assert.True(patience.Elapsed < TimeSpan.FromSeconds(90), $"never came true: {condition}");
            await Task.Delay(20, Ct);
        }
    }

    /// <summary>A table that nobody can touch until what is returned is disposed.</summary>
    public async Task<IAsyncDisposable> CloseGateAsync()
    {
        await DoAsync("create table gate ()", "migrator");
        var connection = await OpenAsync();
        await using var command = new NpgsqlCommand("begin; lock table gate", connection);
        await command.ExecuteNonQueryAsync(Ct);
        return connection;
    }

    /// <summary>Whether there is such a table or index.</summary>
    public Task<bool> HasAsync(string relation) => AskAsync<bool>($"select to_regclass('{relation}') is not null");

    /// <summary>Whether there is such an index and queries use it.</summary>
    public Task<bool> IsValidAsync(string index) =>
        AskAsync<bool>($"select bool_or(indisvalid) from pg_index where indexrelid = to_regclass('{index}')");

    public Task SomebodyWaitsAtTheGateAsync(bool waits = true) =>
        UntilAsync($"{waits} = exists (select from pg_locks where not granted and relation = 'gate'::regclass)");

    public Process StartCli(params string[] arguments) => Start(Migrate, ["--scripts", ScriptsRoot, .. arguments],
    [
        ($"ConnectionStrings__{Name}_migrator", ConnectionString("migrator")),
        ("ConnectionStrings__shadow", Superuser.ConnectionString), ("MIGRATE_ENV", ""),
    ]);

    /// <summary>What the program does between its first and its last line, without a process of its own.</summary>
    public async Task<(int Exit, string Output)> CliAsync(params string[] arguments)
    {
        Environment.SetEnvironmentVariable($"ConnectionStrings__{Name}_migrator", ConnectionString("migrator"));
        var (output, error) = (new StringWriter(), new StringWriter());
        var exit = await Cli.RunAsync(["--scripts", ScriptsRoot, .. arguments], output, error, Ct);
        return (exit, $"{error}{output}");
    }

    public static Task<(int Exit, string Output)> RunAsync(
        string program, string[] arguments, (string Name, string Value)[] environment) =>
        EndOfAsync(Start(program, arguments, environment));

    private static async Task<(int Exit, string Output)> EndOfAsync(Process started)
    {
        using var process = started;
        var output = process.StandardOutput.ReadToEndAsync(Ct);
        var error = await process.StandardError.ReadToEndAsync(Ct);
        await process.WaitForExitAsync(Ct);
        return (process.ExitCode, error + await output);
    }

    private static Process Start(string program, string[] arguments, (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    public async ValueTask DisposeAsync()
    {
        Directory.Delete(Folder, recursive: true);
        await using var connection = new NpgsqlConnection(AsSuperuser("postgres"));
        await connection.OpenAsync(CancellationToken.None);
        await using var command = new NpgsqlCommand($"drop database if exists {Name} with (force)", connection);
        await command.ExecuteNonQueryAsync(CancellationToken.None);
        string[] roles = ["migrator", "app", "relay", "backup", "readonly"];
        command.CommandText = $"drop role if exists {string.Join(", ", roles.Select(role => $"{Name}_{role}"))}";
        await command.ExecuteNonQueryAsync(CancellationToken.None);
    }

    private static string AsSuperuser(string database) =>
        new NpgsqlConnectionStringBuilder(Superuser.ConnectionString) { Database = database }.ConnectionString;

    private static string FindRepository([CallerFilePath] string here = "")
    {
        // Deterministic builds write another path here; then the tests are further down than the repository.
        var folder = new DirectoryInfo(File.Exists(here) ? Path.GetDirectoryName(here)! : AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "db", "bootstrap.sql")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The tests must run inside of the repository.");
    }
}
