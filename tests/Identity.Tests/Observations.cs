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

    public static long HashesDone(this IdentityService service) =>
        service.Services.GetRequiredService<PasswordHasher>().Done;
}
