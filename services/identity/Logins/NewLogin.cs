using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Logins;

/// <summary>The login of somebody who has proved who they are. What keeps it going, a refresh token or a cookie, is the caller's to add.</summary>
/// <param name="LoginId">Its id.</param>
/// <param name="Arguments">Of <see cref="Sql"/>.</param>
public sealed record NewLogin(Guid LoginId, object Arguments)
{
    /// <summary>
    /// Begins nothing where the password is not any more the one that was checked, or the account was disabled meanwhile: a login must not slip
    /// in behind either.
    /// </summary>
    public const string Sql =
        """
        with proven as (
            select user_id from accounts join passwords using (user_id) where hash = @Hash and disabled_at is null for share),
        begun as (
            insert into logins (user_id, login_id, client_id, scope, authenticated_at, expires_at, device, address, methods)
            select user_id, @loginId, @client, @scope, @at, @now + interval '90 days', @device, @place::cidr, @Methods from proven
            returning login_id, address, device, methods),
        familiar as (
            insert into familiar_addresses (address) select address from begun
            on conflict (user_id, address) do update set last_used_at = now())
        insert into audit (entry_id, action, login_id, address, details)
        select @entryId, @SignedIn, login_id, address, jsonb_strip_nulls(jsonb_build_object('device', device, 'methods', methods)) from begun
        """;

    public static NewLogin Of(HttpContext http, ProvenPerson person, string client, string scope, DateTimeOffset now)
    {
        var loginId = OrderedId.Next();
        return new(loginId, new
        {
            person.Hash, person.Methods, Entry.SignedIn, loginId, entryId = OrderedId.Next(), client, scope, at = person.At ?? now, now,
            device = Device.Of(http.Request), place = RateLimits.NetworkOf(http).ToString(),
        });
    }

    /// <summary>The login's id; null where none is begun.</summary>
    public static async Task<Guid?> BeginAsync(UserTransaction db, HttpContext http, ProvenPerson person, string client, string scope, DateTimeOffset now)
    {
        var login = Of(http, person, client, scope, now);
        return await db.ExecuteAsync(Sql, login.Arguments) == 0 ? null : login.LoginId;
    }
}
