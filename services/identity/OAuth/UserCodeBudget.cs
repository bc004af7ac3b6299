using System.Net;
using OpenReadings.Identity.Logins;

namespace OpenReadings.Identity.OAuth;

/// <summary>How many short codes may be wrong (RFC 8628 §5.1): ten, then one a minute, of a person, or of an application from one place. Nobody uses up the tries of others. Counted in each replica.</summary>
public sealed class UserCodeBudget(TimeProvider clock)
{
    private readonly Buckets few = new(10, TimeSpan.FromMinutes(1), clock);

    public bool Take(Guid person) => few.Take(person.ToString()) is null;

    /// <summary>The code was there: that was no guess.</summary>
    public void Return(Guid person) => few.Return(person.ToString());

    public bool Take(Application application, IPNetwork place) => few.Take($"{application.Id} {place}") is null;

    /// <summary>The code was there: that was no guess.</summary>
    public void Return(Application application, IPNetwork place) => few.Return($"{application.Id} {place}");
}
