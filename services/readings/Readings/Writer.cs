using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Who wrote a value or an event last, where that was not the person whose it is. Whoever has signed in is told of their own, and everybody of what
/// they wrote themselves. Neither keys, applications nor other readers learn who else somebody shares with, as they do not from grants and access log.
/// </summary>
internal static class Writer
{
    public static Guid? Shown(Guid? writer, CurrentUser user) => writer == user.Id || user is { Owner: null, IsSignedIn: true } ? writer : null;
}
