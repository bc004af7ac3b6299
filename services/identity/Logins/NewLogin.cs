using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Logins;

/// <summary>Begins the login of somebody who has proved who they are. What keeps it going, a refresh token or a cookie, is the caller's to add.</summary>
public static class NewLogin
{
    /// <summary>
    /// The login's id; null where the password is not any more the one that was checked, or the account was disabled meanwhile: a login must
    /// not slip in behind either.
    /// </summary>
    public static async Task<Guid?> BeginAsync(UserTransaction db, HttpContext http, ProvenPerson person, string client, string scope, DateTimeOffset now)
    {
        var (loginId, device, place) = (Guid.CreateVersion7(), Device.Of(http.Request), RateLimits.NetworkOf(http).ToString());
        var begun = await db.ExecuteAsync(
            """
            with proven as (
                select user_id from accounts join passwords using (user_id) where hash = @Hash and disabled_at is null for share)
            insert into logins (user_id, login_id, client_id, scope, authenticated_at, expires_at, device, address, methods)
            select user_id, @loginId, @client, @scope, @at, @now + interval '90 days', @device, @place::cidr, @Methods from proven
            """,
            new { person.Hash, person.Methods, loginId, client, scope, at = person.At ?? now, now, device, place });
        if (begun == 0) return null;
        await db.ExecuteAsync(
            """
            insert into familiar_addresses (address) values (@place::cidr)
            on conflict (user_id, address) do update set last_used_at = now()
            """, new { place });
        await db.NoteAsync(http, Entry.SignedIn, loginId, new { device, person.Methods });
        return loginId;
    }
}
