using OpenReadings.Identity.Logins;

namespace OpenReadings.Identity.OAuth;

/// <summary>How many codes of gadgets a person may type that are not there: ten, then one a minute (RFC 8628 §5.1). Counted in each replica.</summary>
public sealed class UserCodeBudget(TimeProvider clock)
{
    private readonly Buckets buckets = new(10, TimeSpan.FromMinutes(1), clock);

    public bool Take(Guid person) => buckets.Take(person.ToString()) is null;

    /// <summary>The code was there: that was no guess.</summary>
    public void Return(Guid person) => buckets.Return(person.ToString());
}
