using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Mail;

namespace OpenReadings.Identity.Accounts;

/// <summary>Invites somebody by mail. The invitation in it is good for seven days, for one sign-up; where sign-up is by invitation only, it is the way in.</summary>
public static class Invite
{
    public const int MostADay = 20;

    public sealed record Request(string? Email);
    public sealed record Invitation(Guid InvitationId, string Email, DateTimeOffset CreatedAt, DateTimeOffset ExpiresAt, DateTimeOffset? AcceptedAt, DateTimeOffset? RevokedAt);
    public sealed record Response(IReadOnlyList<Invitation> Invitations);

    private sealed record Inviter(string? Name, string? Email);

    private const string Example =
        """
        {"invitation_id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "email": "bob@example.org", "created_at": "2026-11-27T09:00:00Z", "expires_at": "2026-12-04T09:00:00Z",
         "accepted_at": null, "revoked_at": null}
        """;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/me/invitations", InviteAsync)
            .WithName("Invite").WithSummary("Invites somebody by mail; twenty a day.").WithExample(request: """{"email": "bob@example.org"}""", response: Example);
        routes.MapGet("/me/invitations", ListAsync)
            .WithName("ListInvitations").WithSummary("Your invitations, the newest first.").WithExample(response: $$"""{"invitations": [{{Example}}]}""");
        routes.MapDelete("/me/invitations/{invitationId:guid}", RevokeAsync)
            .WithName("RevokeInvitation").WithSummary("Takes an invitation back that was not accepted yet.");
    }

    private static async Task<Results<Created<Invitation>, ProblemHttpResult>> InviteAsync(Request wanted, CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        if (!EmailAddress.TryParse(wanted.Email, out var email))
            return Problems.Of(400, "validation-failed", "Some fields are not valid.", new ProblemItem("/email", "invalid-email", "The address is missing or malformed."));
        var id = OrderedId.Next();
        await using var db = await database.BeginAsync(user, ct);
        // The address only where it is known to be theirs: it could be anybody's, or a text.
        var inviter = (await db.FindAsync<Inviter>("select name, case when email_verified_at is not null then email end as email from accounts for update"))!;
        if (await db.ScalarAsync<int>("select count(*)::int from invitations where created_at > now() - interval '1 day'") >= MostADay)
            return Problems.Of(429, "too-many-invitations", $"There are {MostADay} a day.");
        var made = await db.FindAsync<Invitation>(
            "insert into invitations (invitation_id, email) values (@id, @Text) returning invitation_id, email, created_at, expires_at, accepted_at, revoked_at", new { id, email.Text });
        await db.MailAsync(Letters.Invitation, email.Text, new { from = ProfileRules.InMail(inviter.Name) ?? inviter.Email, invitationId = id });
        await db.NoteAsync(http, Entry.Invited, Entry.LoginOf(user), new { invitationId = id });
        await db.CommitAsync();
        return TypedResults.Created($"/identity/v1/me/invitations/{id}", made);
    }

    private static async Task<Response> ListAsync(CurrentUser user, Database database, CancellationToken ct) => new(await database.ReadAsync<Invitation>(user,
        "select invitation_id, email, created_at, expires_at, accepted_at, revoked_at from invitations order by created_at desc, invitation_id", null, ct));

    private static async Task<Results<NoContent, ProblemHttpResult>> RevokeAsync(Guid invitationId, CurrentUser user, Database database, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await db.ExecuteAsync("update invitations set revoked_at = now() where invitation_id = @invitationId and accepted_at is null and revoked_at is null", new { invitationId }) == 0)
            return Problems.Of(404, "invitation-not-found", "You have no such invitation, or it was accepted.");
        await db.CommitAsync();
        return TypedResults.NoContent();
    }
}
