using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;

namespace OpenReadings.Migrator;

/// <summary>What every verb shares: whose database, found how, told how.</summary>
internal sealed class Cli
{
    public Option<string> Service { get; } = new("--service", "-s")
    {
        Description = "The service, or all",
        HelpName = "name|all",
        Recursive = true,
    };
    public Option<DirectoryInfo> Scripts { get; } = new("--scripts")
    {
        Description = "The folder with shared/ and one folder per service [default: the nearest db/scripts]",
        Recursive = true,
    };
    public Option<string> Connection { get; } = new("--connection", "-c")
    {
        Description = "Host=…;Database=…;Username=…; a password is better kept in SECRETS_DIRECTORY",
        Recursive = true,
    };
    public Option<string> Role { get; } = new("--role")
    {
        Description = "As whom: the connection string is ConnectionStrings__<service>_<role> or ConnectionStrings__<role>",
        Recursive = true,
        DefaultValueFactory = _ => "migrator",
    };
    public Option<string> Output { get; } = new("--output", "-o")
    {
        Description = "text, or one JSON document on the last line of stdout",
        Recursive = true,
        DefaultValueFactory = _ => "text",
    };
    public Option<FileInfo> ReportFile { get; } = new("--report")
    {
        Description = "Also write the JSON document to this file, such as /dev/termination-log",
        Recursive = true,
    };
    public Option<string> Place { get; } = new("--env", "-e")
    {
        Description = "Where this is: dev, staging, prod",
        Recursive = true,
        DefaultValueFactory = _ =>
            Environment.GetEnvironmentVariable("MIGRATE_ENV") is { Length: > 0 } place ? place : RunOptions.Production,
    };
    public Option<bool> Yes { get; } = new("--yes", "-y")
    {
        Description = "In production: go on where a guard would refuse",
        Recursive = true,
    };
    public Option<TimeSpan?> LockWait { get; } =
        Time("--lock-wait", new RunOptions().LockWait, "How long to wait for another runner");
    public Option<TimeSpan?> MaxDuration { get; } = new("--max-duration")
    {
        Description = "Give up after this time",
        HelpName = "15min|1h",
        CustomParser = ParseTime,
        Recursive = true,
    };
    public Option<string> ShadowOn { get; } = new("--shadow-server")
    {
        Description = "A superuser of the server for shadow databases [default: ConnectionStrings__shadow]",
        Recursive = true,
    };
    public Option<int> Attempts { get; } = new("--wait-attempts")
    {
        Description = "How often to try to reach the database",
        DefaultValueFactory = _ => 10,
        Recursive = true,
    };

    public static Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, CancellationToken ct)
    {
        var line = new Cli().Build().Parse(args);
        if (line.Errors.Count == 0)
            return line.InvokeAsync(new InvocationConfiguration
            {
                Output = output,
                Error = error,
                ProcessTerminationTimeout = null,
                EnableDefaultExceptionHandler = false,
            }, ct);

        var message = string.Join('\n', line.Errors.Select(error => error.Message));
        error.WriteLine($"{message}\nmigrate --help says what there is.");
        if (args.Contains("json")) output.WriteLine(JsonSerializer.Serialize(NotUnderstood(message), Report.Json));
        return Task.FromResult((int)ExitCode.Usage);
    }

    private static Report NotUnderstood(string message)
    {
        var report = new Report { Service = "", Command = "" };
        report.End(ExitCode.Usage, message);
        return report;
    }

    public RootCommand Build()
    {
        Output.AcceptOnlyFromAmong("text", "json");
        Attempts.Validators.Add(Positive);
        var root = new RootCommand("Brings the databases of OpenReadings to the schema of this release. "
            + "Where they are: ConnectionStrings__<service>_migrator or ConnectionStrings__migrator, "
            + "in the environment or as a file in SECRETS_DIRECTORY.");
        LockWait.Recursive = true;
        Option[] shared =
        [
            Service, Scripts, Connection, Role, Output, ReportFile, Place, Yes, LockWait, MaxDuration, ShadowOn, Attempts,
        ];
        foreach (var option in shared) root.Add(option);
        Command[] verbs =
        [
            .. Status.Verbs(this), Up.Verb(this), PrintPlan.Verb(this), Down.Verb(this), Resume.Verb(this),
            .. Stamp.Verbs(this), Repair.Verb(this), Adopt.Verb(this), Unlock.Verb(this), Wait.Verb(this),
            Verify.Verb(this), Dump.Verb(this), Create.Verb(this), Validate.Verb(this), Check.Verb(this),
            PrintManifest.Verb(this),
        ];
        foreach (var verb in verbs) root.Add(verb);
        return root;
    }

    /// <summary>What was said of every verb's run.</summary>
    public T Fill<T>(ParseResult line, T options) where T : RunOptions => (T)(options with
    {
        Environment = line.GetValue(Place)!,
        Yes = line.GetValue(Yes),
        LockWait = line.GetValue(LockWait) ?? options.LockWait,
        MaxDuration = line.GetValue(MaxDuration),
        Patience = new() { Attempts = line.GetValue(Attempts) },
    });

    public string ShadowServer(ParseResult line) => line.GetValue(ShadowOn)
        ?? Targets.Secret("ConnectionStrings__shadow")
        ?? throw MigrationException.Usage("Say where for a shadow: --shadow-server or ConnectionStrings__shadow.");

    /// <summary>Runs the verb for each service asked for. One that fails does not stop the others.</summary>
    public async Task<int> ForEachAsync(
        ParseResult line, string command, Func<Target, Action<string>, Task<Report>> run, bool needsDatabase = true)
    {
        var (output, error) = (line.InvocationConfiguration.Output, line.InvocationConfiguration.Error);
        List<Report> reports = [];
        var all = line.GetValue(Service) == "all";
        try
        {
            foreach (var target in Targets.Of(this, line, needsDatabase))
            {
                reports.Add(await run(target, text => error.WriteLine($"{target.Service}: {text}")));
                if (reports[^1].Exit == ExitCode.Interrupted) break;
            }
        }
        catch (MigrationException e)
        {
            var report = new Report { Service = line.GetValue(Service) ?? "", Command = command };
            report.End(e.Exit, e.Message);
            reports = [report];
            all = false;
        }

        var worst = reports.FirstOrDefault(report => report.Exit != ExitCode.Ok) ?? reports[0];
        object document = all
            ? new { command, exit_code = worst.Code, result = worst.Result, services = reports }
            : reports[0];
        var json = JsonSerializer.Serialize(document, Report.Json);
        if (line.GetValue(ReportFile) is { } file) await File.WriteAllTextAsync(file.FullName, json + "\n");
        if (line.GetValue(Output) == "json") output.WriteLine(json);
        else foreach (var report in reports) report.Print(output, error);
        return worst.Code;
    }

    public static Option<TimeSpan?> Time(string name, TimeSpan byDefault, string description) => new(name)
    {
        Description = $"{description} [default: {byDefault.TotalSeconds:0}s]",
        HelpName = "500ms|2s|15min|1h|0",
        CustomParser = ParseTime,
    };

    public static TimeSpan? ParseTime(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (Duration.TryParse(text, out var value)) return value;
        result.AddError($"{text} is no time. Write 500ms, 2s, 15min, 1h or 0.");
        return default;
    }

    public static void Positive(OptionResult result)
    {
        if (result.GetValueOrDefault<int?>() is < 1) result.AddError($"{result.Option.Name} must be at least 1.");
    }
}
