using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Logins;

/// <summary>Ends a login elsewhere: a lost phone, a computer in a hotel. Or all of them but the one that asks.</summary>
public static class EndLogins
{
    public sealed record Response(int Ended);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapDelete("/me/logins/{loginId:guid}", EndOneAsync)
            .WithName("EndLogin").WithSummary("Ends one of your logins: a second later its tokens open nothing anywhere.");
        routes.MapDelete("/me/logins", EndOthersAsync)
            .WithName("EndOtherLogins").WithSummary("Ends all your logins but this one: a second later their tokens open nothing anywhere.").WithExample(response: """{"ended": 3}""");
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> EndOneAsync(
        Guid loginId, CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await EndAsync(db, "login_id = @loginId", new { loginId }) == 0) return Problems.Of(404, "login-not-found", "You have no such login, or it has ended.");
        await db.NoteAsync(http, Entry.LoginEnded, Entry.LoginOf(user), new { ended = loginId });
        await db.CommitAsync();
        return TypedResults.NoContent();
    }

    private static async Task<Ok<Response>> EndOthersAsync(CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        // One that is just beginning is waited for here, and is there afterwards.
        await db.ExecuteAsync("select from accounts for update");
        var ended = await EndAsync(db, "login_id is distinct from @current::uuid", new { current = Entry.LoginOf(user) });
        if (ended > 0) await db.NoteAsync(http, Entry.LoginsEnded, Entry.LoginOf(user), new { ended });
        await db.CommitAsync();
        return TypedResults.Ok(new Response(ended));
    }

    private static Task<int> EndAsync(UserTransaction db, string which, object args) => db.ExecuteAsync(
        $"update logins set ended_at = now(), ended_because = 'signed-out' where {which} and ended_at is null and expires_at > now()", args);
}
