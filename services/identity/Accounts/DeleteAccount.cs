using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Identity.External;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Accounts;

/// <summary>Erases the account and tells every service to forget the person. The address is free again.</summary>
public static class DeleteAccount
{
    public sealed record Request([StringLength(PasswordRules.LongestUtf16)] string? Password);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/me", HandleAsync)
        .RequireRateLimiting(RateLimits.Sensitive)
        .WithName("DeleteAccount")
        .WithSummary("Deletes your account for good; every service forgets you. Asks for the password, or for a recent proof where you never chose one. At Location is a signed receipt as soon as all have.")
        .WithExample(request: """{"password": "Correct horse 7"}""");

    private static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        [FromBody] Request request, CurrentUser user, HttpContext http, Database database, PasswordAgain password, ProviderTokens providers, TimeProvider clock,
        CancellationToken ct)
    {
        if (await password.RefuseAsync(user, request.Password, http, ct) is { } refused) return refused;

        await using var db = await database.BeginAsync(user, ct);
        // A key or application that is just being made is waited for here, and is forgotten too.
        await db.ExecuteAsync("select from accounts for update");
        if (await db.RefuseWithoutPasswordOrProofAsync(user, http) is { } old) return old;
        var actors = await db.QueryAsync<Guid>("select client_id from applications union select own_id from api_keys where own_id is not null");
        var tokens = await ProviderTokens.ReadAsync(db);
        var erasureId = Guid.NewGuid();                      // wholly random: it is all that shows the receipt
        await db.ExecuteAsync("call begin_erasure(@erasureId)", new { erasureId });
        // Password, logins and refresh tokens go with the row.
        if (await db.ExecuteAsync("delete from accounts") == 0) return Account.Gone();
        await db.PublishAsync(new AccountDeleted(user.Id, clock.GetUtcNow()));
        foreach (var id in actors) await db.PublishAsync(new AccountDeleted(id, clock.GetUtcNow()));
        await db.CommitAsync();
        providers.RevokeAfterwards(http, user.Id, tokens);
        http.Response.Headers.Location = $"/identity/v1/erasures/{erasureId}";
        return TypedResults.NoContent();
    }
}
