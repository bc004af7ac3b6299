namespace OpenReadings.Migrator;

/// <summary>How a run ended. A Job retries on 1, 7, 8 and 143; on the others a retry would end the same way.</summary>
public enum ExitCode
{
    Ok = 0,
    Unreachable = 1,
    Usage = 2,
    Pending = 3,
    Invalid = 4,
    Failed = 5,
    Partial = 6,
    Busy = 7,
    Transient = 8,
    Refused = 9,
    Lint = 10,
    Interrupted = 143,
}

/// <summary>A run that did not do what it was asked to: what to tell the operator, and how to exit.</summary>
public sealed class MigrationException(
    ExitCode exit, string message, ScriptError? error = null, Exception? inner = null) : Exception(message, inner)
{
    public ExitCode Exit { get; } = exit;
    public ScriptError? Error { get; } = error;

    internal static MigrationException Usage(string message, Exception? inner = null) =>
        new(ExitCode.Usage, message, inner: inner);

    internal static MigrationException Refused(string message) => new(ExitCode.Refused, message);

    internal static MigrationException Invalid(string message, Exception? inner = null) =>
        new(ExitCode.Invalid, message, inner: inner);
}
