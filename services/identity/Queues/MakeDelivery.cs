using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.OAuth;

namespace OpenReadings.Identity.Queues;

/// <summary>
/// Asks for a queue at the broker, to which the events come of whoever let the application in. Asked for again, it is the one that is there. It is
/// made within a second, or as soon as the broker is back.
/// </summary>
public static class MakeDelivery
{
    public sealed record Secret(string Password);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPut("/me/applications/{clientId:guid}/queue", MakeAsync)
            .WithName("MakeApplicationQueue").WithSummary("A queue at the broker for an application that you made: events of the people who let it in, with a user of its own. The password is shown once. Takes a recent proof.")
            .WithExample(request: null, response: Delivery.Example);
        routes.MapPost("/me/applications/{clientId:guid}/queue/passwords", RotateAsync)
            .WithName("RotateQueuePassword").WithSummary("A new password. The one before is refused within a second, and who came in with it is thrown out. Takes a recent proof.")
            .WithExample(request: null, response: """{"password": "oq_7Jm0nU3f…"}""");
    }

    private static async Task<Results<Created<Delivery>, Ok<Delivery>, ProblemHttpResult>> MakeAsync(
        Guid clientId, CurrentUser user, Database database, QueuePlace place, HttpContext http, CancellationToken ct)
    {
        if (place.Management is null) return Delivery.NotOffered();
        var (password, hash) = Delivery.NewPassword();
        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutRecentProofAsync(user, http) is { } refused) return refused;
        if (await db.FindAsync<Guid?>("select client_id from applications where client_id = @clientId for update", new { clientId }) is null) return MakeApplication.NotFound();
        if (await Delivery.FindAsync(db, clientId) is { } there) return TypedResults.Ok(Delivery.Of(there, place));
        if (await db.ScalarAsync<int>("select count(*)::int from application_queues where ended_at is null") >= Delivery.Most)
            return Problems.Of(409, "too-many-queues", $"There are {Delivery.Most} queues of your applications. Give one up first.");
        await db.ExecuteAsync("insert into application_queues (name, client_id, password_hash) values (@name, @clientId, @hash)", new { name = Delivery.NewName(clientId), clientId, hash });
        var made = await Delivery.FindAsync(db, clientId);
        await db.MailOfAccessAsync("A queue of an application");
        await db.NoteAsync(http, Entry.ApplicationQueueMade, Entry.LoginOf(user), new { clientId });
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Created($"/identity/v1/me/applications/{clientId}/queue", Delivery.Of(made!, place, password));
    }

    private static async Task<Results<Ok<Secret>, ProblemHttpResult>> RotateAsync(
        Guid clientId, CurrentUser user, Database database, QueuePlace place, HttpContext http, CancellationToken ct)
    {
        if (place.Management is null) return Delivery.NotOffered();
        var (password, hash) = Delivery.NewPassword();
        await using var db = await database.BeginAsync(user, ct);
        if (await db.RefuseWithoutRecentProofAsync(user, http) is { } refused) return refused;
        if (await db.ExecuteAsync(
            """
            update application_queues
            set password_hash = @hash, changed_at = clock_timestamp(), due_at = now(), attempts = 0
            where client_id = @clientId and ended_at is null
            """, new { clientId, hash }) == 0) return Delivery.NotFound();
        await db.MailOfAccessAsync("A password of the queue of an application");
        await db.NoteAsync(http, Entry.ApplicationQueuePasswordRotated, Entry.LoginOf(user), new { clientId });
        await db.CommitAsync();
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new Secret(password));
    }
}
