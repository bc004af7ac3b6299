using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.External;

/// <summary>Shows a person the accounts elsewhere that sign them in here, and disconnects one. Connecting takes a browser: see <see cref="ConnectionsOnPage"/>.</summary>
public static class ManageExternalIdentities
{
    public sealed record Response(IReadOnlyList<ExternalIdentity> ExternalIdentities);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/me/external-identities", ListAsync)
            .WithName("ListExternalIdentities").WithSummary("Your accounts elsewhere that sign you in here. To connect one, open /identity/connections in a browser.")
            .WithExample(response: $$"""{"external_identities": [{{ExternalIdentity.Example}}]}""");
        routes.MapDelete("/me/external-identities/{provider}", (string provider, CurrentUser user, Database database, ProviderTokens tokens, HttpContext http, CancellationToken ct) =>
                RemoveForAsync(user.Id, Entry.LoginOf(user), provider, database, tokens, http, ct))
            .WithName("RemoveExternalIdentity").WithSummary("Disconnects it: it signs nobody in any more, and its tokens are taken back there. Refused while it is the only way in. Logins that it began stay.");
    }

    private static async Task<Response> ListAsync(CurrentUser user, Database database, CancellationToken ct) =>
        new(await database.ReadAsync<ExternalIdentity>(user, $"select {ExternalIdentity.Columns} from external_identities order by created_at, issuer", null, ct));

    internal static async Task<Results<NoContent, ProblemHttpResult>> RemoveForAsync(
        Guid person, Guid? loginId, string provider, Database database, ProviderTokens tokens, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(person, ct);
        // Of two at once the second must see that the other way in is gone.
        await db.ExecuteAsync("select from accounts for update");
        var rows = await ProviderTokens.ReadAsync(db, provider);
        if (await db.ScalarAsync<int>("select count(*)::int from external_identities where provider = @provider", new { provider }) == 0)
            return Problems.Of(404, "external-identity-not-found", "You have no account there that signs you in here.");
        // One that the operator has taken away is no way in.
        var isOnly = await db.ScalarAsync<bool>(
            """
            select not (select is_chosen from passwords) and not exists (select from passkeys)
               and not exists (select from external_identities where provider <> @provider and issuer = any(@known))
            """, new { provider, known = http.RequestServices.GetRequiredService<Providers>().All.Select(one => one.Issuer).ToArray() });
        if (isOnly) return Problems.Of(409, "last-way-in", "It is your only way in. Confirm your address and choose a password at /identity/forgotten-password first, or add a passkey.");
        await db.ExecuteAsync("delete from external_identities where provider = @provider", new { provider });
        await db.NoteAsync(http, Entry.ProviderDisconnected, loginId, new { provider });
        await db.CommitAsync();
        tokens.RevokeAfterwards(http, person, rows);
        return TypedResults.NoContent();
    }
}
