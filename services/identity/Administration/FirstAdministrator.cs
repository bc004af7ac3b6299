using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Identity.Accounts;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Administration;

/// <summary>
/// Makes the first administrator from the settings <c>FirstAdministrator:Email</c> and <c>FirstAdministrator:Password</c>, while there is none.
/// Never an account that is there already: whoever signed up with that address first would become administrator by it.
/// </summary>
public sealed class FirstAdministrator(
    IConfiguration config, Database database, PasswordHasher passwords, TimeProvider clock, ILogger<FirstAdministrator> log) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (config["FirstAdministrator:Email"]?.Trim() is not { Length: > 0 } address) return;
        await using (var unowned = await database.BeginUnownedAsync(cancellationToken))
            if (await unowned.ScalarAsync<bool>("select has_administrator()")) return;
        if (!EmailAddress.TryParse(address, out var email))
            throw new StartRefusedException("The setting FirstAdministrator:Email is no e-mail address.");
        var password = config["FirstAdministrator:Password"]?.Trim();
        if (PasswordRules.Broken(password, "").ToList() is { Count: > 0 } broken)
            throw new StartRefusedException($"The secret FirstAdministrator:Password is missing or too weak. {string.Join(' ', broken.Select(rule => rule.Detail))}");

        var hash = await passwords.HashAsync(password!, cancellationToken);
        // Whoever writes the settings says whose the address is.
        var (id, now) = (OrderedId.Next(), clock.GetUtcNow());
        await using var db = await database.BeginAsync(id, cancellationToken);
        var made = await db.ExecuteAsync(
            """
            with made as (
                insert into accounts (email, email_key, name, email_verified_at) values (@Text, @Key, 'Administrator', now())
                on conflict on constraint accounts_email_key do nothing
                returning user_id)
            insert into passwords (user_id, hash) select user_id, @hash from made
            """, new { email.Text, email.Key, hash });
        if (made == 0)
        {
            log.LogWarning("No first administrator was made: the address of FirstAdministrator:Email has an account already. Name another address");
            return;
        }
        // Another replica may have been first.
        if (!await db.ScalarAsync<bool>("select become_first_administrator()")) return;
        await db.PublishAsync(new AccountCreated(id, now));
        await db.CommitAsync();
        log.LogInformation("The first administrator is account {AccountId}", id);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
