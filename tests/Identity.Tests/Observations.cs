using Microsoft.Extensions.DependencyInjection;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Tests;

/// <summary>What tests look at that no caller sees.</summary>
public static class Observations
{
    /// <summary>The types of the events about an account that were written to the outbox and not sent yet, in order.</summary>
    public static Task<IReadOnlyList<string>> EventsOfAsync(this IdentityService service, Guid accountId) => service.SqlAsync<string>(
        "select event_type from events_kept where subject = @accountId::text order by id", new { accountId });

    public static long HashesDone(this IdentityService service) => service.Services.GetRequiredService<PasswordHasher>().Done;
}
