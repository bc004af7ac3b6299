using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Logins;

/// <summary>Ends the login that the access token follows from: its refresh token is worth nothing now.</summary>
public static class SignOut
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapDelete("/logins/current", HandleAsync)
        .WithName("SignOut")
        .WithSummary("Ends this login: a second later its tokens open nothing anywhere.");

    private static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        if (Entry.LoginOf(user) is not { } loginId)
            return Problems.Of(404, "login-not-found", "This token does not follow from a login.");
        await using var db = await database.BeginAsync(user, ct);
        var ended = await db.ExecuteAsync(
            """
            update logins set ended_at = now(), ended_because = 'signed-out'
            where login_id = @loginId and ended_at is null
            """, new { loginId });
        if (ended > 0) await db.NoteAsync(http, Entry.SignedOut, loginId);
        await db.CommitAsync();
        return TypedResults.NoContent();
    }
}
