using Microsoft.Extensions.DependencyInjection;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Tests;

/// <summary>What tests look at that no caller sees.</summary>
public static class Observations
{
    /// <summary>The types of the events about an account in the order of the outbox.</summary>
    public static Task<IReadOnlyList<string>> EventsOfAsync(this IdentityService service, Guid accountId) =>
        service.SqlAsync<string>(
        "select event_type from kept.events where subject = @accountId::text order by id", new { accountId });

    public static Task ForgetOldAsync(this IdentityService service) =>
        service.Services.GetRequiredService<ForgetOld>().RunOnceAsync(TestContext.Current.CancellationToken);

    /// <summary>As if sixteen minutes had passed in every login of a person.</summary>
    public static Task AgeAsync(this IdentityService service, Person person) => service.SqlAsync(
        "update logins set authenticated_at = authenticated_at - interval '16 minutes', proved_at = proved_at - interval '16 minutes' where user_id = @AccountId", new { person.AccountId });

    public static long HashesDone(this IdentityService service) =>
        service.Services.GetRequiredService<PasswordHasher>().Done;
}
