namespace OpenReadings.Ops;

/// <summary>How a command ended; the numbers that <c>migrate</c> has too mean the same.</summary>
internal enum Exit
{
    Ok = 0,
    Unreachable = 1,
    Usage = 2,

    /// <summary>Looked at and found wanting: a check of <c>doctor</c>, a policy of <c>backup verify</c>.</summary>
    Findings = 3,
    Failed = 5,
    Refused = 9,
    Interrupted = 143,
}

/// <summary>A command that did not do what it was asked to: what to tell the operator, and how to exit.</summary>
internal sealed class OpsException(Exit exit, string message, Exception? inner = null) : Exception(message, inner)
{
    public Exit Exit => exit;
}
