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
    public Option<string> Output { get; } = new("--output", "-o")
    {
        Description = "text, or one JSON document on the last line of stdout",
        Recursive = true,
        DefaultValueFactory = _ => "text",
    };
    public Option<int> Attempts { get; } = new("--wait-attempts")
    {
        Description = "How often to try to reach the database",
        DefaultValueFactory = _ => 10,
        Recursive = true,
    };

    public RootCommand Build()
    {
        Output.AcceptOnlyFromAmong("text", "json");
        Attempts.Validators.Add(Positive);
        var root = new RootCommand("Brings the databases of OpenReadings to the schema of this release. "
            + "Where they are: ConnectionStrings__<service>_migrator or ConnectionStrings__migrator, "
            + "in the environment or as a file in SECRETS_DIRECTORY.");
        foreach (var option in new Option[] { Service, Scripts, Connection, Output, Attempts }) root.Add(option);
        root.Add(Up.Verb(this));
        root.Add(Status.Verb(this));
        root.Add(Wait.Verb(this));
        root.Add(Create.Verb(this));
        return root;
    }

    public Patience Patience(ParseResult line) => new() { Attempts = line.GetValue(Attempts) };

    /// <summary>Runs the verb for each service asked for. One that fails does not stop the others.</summary>
    public async Task<int> ForEachAsync(
        ParseResult line, string command, Func<Target, Action<string>, Task<Report>> run)
    {
        var (output, error) = (line.InvocationConfiguration.Output, line.InvocationConfiguration.Error);
        List<Report> reports = [];
        var all = line.GetValue(Service) == "all";
        try
        {
            foreach (var target in Targets.Of(this, line))
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
        if (line.GetValue(Output) == "json")
        {
            object document = all
                ? new { command, exit_code = worst.Code, result = worst.Result, services = reports }
                : reports[0];
            output.WriteLine(JsonSerializer.Serialize(document, Report.Json));
        }
        else
        {
            foreach (var report in reports) (report.Failed ? error : output).WriteLine(report);
        }
        return worst.Code;
    }

    public static Option<TimeSpan?> Time(string name, TimeSpan byDefault, string description) => new(name)
    {
        Description = $"{description} [default: {byDefault.TotalSeconds:0}s]",
        HelpName = "500ms|2s|15min|1h|0",
        CustomParser = result =>
        {
            if (Duration.TryParse(result.Tokens[0].Value, out var value)) return value;
            result.AddError($"{name}: {result.Tokens[0].Value} is no time. Write 500ms, 2s, 15min, 1h or 0.");
            return default;
        },
    };

    public static void Positive(OptionResult result)
    {
        if (result.GetValueOrDefault<int?>() is < 1) result.AddError($"{result.Option.Name} must be at least 1.");
    }
}
