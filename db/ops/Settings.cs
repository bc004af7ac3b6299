using OpenReadings.Ops.Standbys;

namespace OpenReadings.Ops;

/// <summary>
/// Settings and secrets: from the environment, or as a file of that name in SECRETS_DIRECTORY. Connection strings are
/// <c>ConnectionStrings__admin</c> (a superuser), <c>ConnectionStrings__readings_backup</c> and so on.
/// </summary>
internal static class Settings
{
    public static readonly IReadOnlyList<string> Services = ["identity", "readings", "catalog", "sync"];

    public static string? Find(string name)
    {
        if (Environment.GetEnvironmentVariable(name) is { Length: > 0 } value) return value;
        if (Environment.GetEnvironmentVariable("SECRETS_DIRECTORY") is not { Length: > 0 } secrets) return null;
        var file = Path.Combine(secrets, name);
        return File.Exists(file) ? File.ReadAllText(file).Trim() : null;
    }

    public static string Need(string name) => Find(name)
        ?? throw new OpsException(Exit.Usage, $"Set {name} in the environment, or as a file in SECRETS_DIRECTORY.");

    /// <summary>Of several hosts (<c>Host=a,b</c>) it leads to the one that is primary.</summary>
    public static string Connection(string name) => ToPrimary(Need($"ConnectionStrings__{name}"));

    public static string? FindConnection(string name) => Find($"ConnectionStrings__{name}") is { } found ? ToPrimary(found) : null;

    private static string ToPrimary(string connection) =>
        Node.Of(connection).Count < 2 ? connection : $"{connection.TrimEnd(';')};Target Session Attributes=primary";
}
