using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Accounts;

/// <summary>Shows a person their account.</summary>
public static class ShowMe
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/me", HandleAsync)
        .WithName("ShowMe").WithSummary("Your account.").WithExample(response: Account.Example);

    private static async Task<Results<Ok<Account>, ProblemHttpResult>> HandleAsync(
        CurrentUser user, Database database, CancellationToken ct) =>
        await database.ReadAsync<Account>(user, Account.Select, null, ct) is [var account]
            ? TypedResults.Ok(account)
            : Account.Gone();
}
