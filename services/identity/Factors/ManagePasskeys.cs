using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Factors;

/// <summary>Shows a person their passkeys, names them anew and takes them away.</summary>
public static class ManagePasskeys
{
    public sealed record Response(IReadOnlyList<Passkey> Passkeys);
    public sealed record Request(string? Name);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/me/passkeys", ListAsync)
            .WithName("ListPasskeys").WithSummary("Your passkeys, the newest first.").WithExample(response: $$"""{"passkeys": [{{Passkey.Example}}]}""");
        routes.MapPatch("/me/passkeys/{passkeyId:guid}", RenameAsync)
            .WithName("RenamePasskey").WithSummary("Names a passkey anew.").WithExample(request: """{"name": "Old phone"}""", response: Passkey.Example);
        routes.MapDelete("/me/passkeys/{passkeyId:guid}", RemoveAsync)
            .WithName("RemovePasskey").WithSummary("Takes a passkey away: it signs nobody in any more. Logins that it began stay.");
    }

    private static async Task<Response> ListAsync(CurrentUser user, Database database, CancellationToken ct) =>
        new(await database.ReadAsync<Passkey>(user, $"select {Passkey.Columns} from passkeys order by created_at desc, passkey_id", null, ct));

    private static Task<Results<Ok<Passkey>, ProblemHttpResult>> RenameAsync(
        Guid passkeyId, Request change, CurrentUser user, Database database, HttpContext http, CancellationToken ct) =>
        RenameForAsync(user.Id, Entry.LoginOf(user), passkeyId, change, database, http, ct);

    internal static async Task<Results<Ok<Passkey>, ProblemHttpResult>> RenameForAsync(
        Guid person, Guid? loginId, Guid passkeyId, Request change, Database database, HttpContext http, CancellationToken ct)
    {
        if (Passkey.BrokenByName(change.Name) is { Length: > 0 } broken) return Problems.Of(400, "validation-failed", "Some fields are not valid.", broken);
        await using var db = await database.BeginAsync(person, ct);
        if (await db.FindAsync<Passkey>($"update passkeys set name = @Name where passkey_id = @passkeyId returning {Passkey.Columns}", new { passkeyId, change.Name }) is not { } row) return NotFound();
        await db.NoteAsync(http, FactorEntry.PasskeyRenamed, loginId, new { passkeyId, change.Name });
        await db.CommitAsync();
        return TypedResults.Ok(row);
    }

    private static Task<Results<NoContent, ProblemHttpResult>> RemoveAsync(
        Guid passkeyId, CurrentUser user, Database database, HttpContext http, CancellationToken ct) => RemoveForAsync(user.Id, Entry.LoginOf(user), passkeyId, database, http, ct);

    internal static async Task<Results<NoContent, ProblemHttpResult>> RemoveForAsync(
        Guid person, Guid? loginId, Guid passkeyId, Database database, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(person, ct);
        if (await db.ExecuteAsync("delete from passkeys where passkey_id = @passkeyId", new { passkeyId }) == 0) return NotFound();
        await db.NoteAsync(http, FactorEntry.PasskeyRemoved, loginId, new { passkeyId });
        await db.CommitAsync();
        return TypedResults.NoContent();
    }

    private static ProblemHttpResult NotFound() => Problems.Of(404, "passkey-not-found", "You have no such passkey.");
}
