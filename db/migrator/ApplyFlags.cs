using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>The limits of statements, for the verbs that send them.</summary>
internal sealed class ApplyFlags
{
    private static readonly ApplyOptions Defaults = new();
    private readonly Option<TimeSpan?> lockTimeout =
        Cli.Time("--lock-timeout", Defaults.LockTimeout, "How long a statement may queue for a lock");
    private readonly Option<TimeSpan?> statementTimeout =
        Cli.Time("--statement-timeout", Defaults.StatementTimeout, "How long a statement may take");
    private readonly Option<int> retries = new("--ddl-retries")
    {
        Description = "How often to try again when a lock is not to be had",
        DefaultValueFactory = _ => Defaults.Retries,
    };

    public void AddTo(Command verb)
    {
        foreach (var option in new Option[] { lockTimeout, statementTimeout, retries }) verb.Add(option);
    }

    public T Fill<T>(ParseResult line, T options) where T : ApplyOptions => (T)(options with
    {
        LockTimeout = line.GetValue(lockTimeout) ?? Defaults.LockTimeout,
        StatementTimeout = line.GetValue(statementTimeout) ?? Defaults.StatementTimeout,
        Retries = line.GetValue(retries),
    });
}
