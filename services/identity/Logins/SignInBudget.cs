using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Logins;

/// <summary>
/// How many passwords may be tried for one e-mail address: a few from each place, then one a minute; and from all places
/// together that its person never signed in from, fifty, then one every half a minute. It counts for addresses nobody
/// has, too, and is asked before anything is looked up, so it tells nothing. Counted in each replica, in memory that
/// does not grow: names share a place in a table by a hash that nobody outside can compute
/// (docs/decisions/0040-guessing-locks-nobody-out.md).
/// </summary>
public sealed class SignInBudget(IConfiguration config, TimeProvider clock)
{
    private readonly Buckets places = new(config.GetValue("SignIn:TriesFromOnePlace", 10), TimeSpan.FromMinutes(1), clock);
    private readonly Buckets strangers = new(config.GetValue("SignIn:TriesFromStrangers", 50), TimeSpan.FromSeconds(30), clock);

    /// <summary>Takes one try. When there is none left: how long to wait.</summary>
    public TimeSpan? Take(string account, IPNetwork place, bool isFamiliar)
    {
        if (TakeAt(place, account) is { } wait) return wait;
        return isFamiliar ? null : TakeAsStranger(account);
    }

    /// <summary>Takes one try of a place.</summary>
    public TimeSpan? TakeAt(IPNetwork place, string account) => places.Take($"{account} {place}");

    /// <summary>Takes one of those that all places share that the person never signed in from.</summary>
    public TimeSpan? TakeAsStranger(string account) => strangers.Take(account);

    /// <summary>How long a stranger would have to wait; null where they need not.</summary>
    public TimeSpan? StrangersWait(string account) => strangers.WaitOf(account);

    /// <summary>The password was right: that was no guess.</summary>
    public void Forgive(string account, IPNetwork place, bool isFamiliar)
    {
        places.Fill($"{account} {place}");
        if (!isFamiliar) strangers.Return(account);
    }

    public static ProblemHttpResult Refuse(HttpContext http, TimeSpan wait, string what = "passwords")
    {
        http.Response.Headers.RetryAfter =
            Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        return Problems.Of(429, "too-many-tries", $"Too many {what} were tried. Wait as long as Retry-After says.");
    }
}
