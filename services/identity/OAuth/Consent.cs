using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.OAuth;

/// <summary>What a person lets an application do, kept so that they are asked once.</summary>
public static class Consent
{
    /// <summary>Adds to what was allowed before: shutting an application out is something that is done on purpose.</summary>
    public static async Task GiveAsync(UserTransaction db, HttpContext http, Application application, string[] scopes, Guid loginId)
    {
        var before = await db.ScalarAsync<string>("select scope from consents where client_id = @ClientId for update", new { application.ClientId });
        await db.ExecuteAsync(
            """
            insert into consents (client_id, scope) values (@ClientId, @scope)
            on conflict (user_id, client_id) do update set scope = excluded.scope, granted_at = now()
            """, new { application.ClientId, scope = string.Join(' ', Scope.Split(before).Union(scopes)) });
        await db.NoteAsync(http, Entry.ApplicationAllowed, loginId, new { application.ClientId, application.Name, scopes });
    }
}
