using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Accounts;

/// <summary>Changes what is given and leaves what is not. A name of null takes the name away.</summary>
public static class ChangeProfile
{
    public sealed record Request
    {
        public string? Name
        {
            get;
            init
            {
                field = value;
                HasName = true;
            }
        }

        public string? TimeZone { get; init; }

        [JsonIgnore]
        public bool HasName { get; private init; }
    }

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPatch("/me", HandleAsync)
        .WithName("ChangeProfile")
        .WithSummary("Changes your name or time zone: what is not given stays, a name of null is taken away.")
        .WithExample(request: """{"name": "Ada", "time_zone": "Europe/Ljubljana"}""", response: Account.Example);

    private static async Task<Results<Ok<Account>, ProblemHttpResult>> HandleAsync(
        Request change, CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        ProblemItem[] broken =
            [.. ProfileRules.BrokenByName(change.Name), .. ProfileRules.BrokenByTimeZone(change.TimeZone)];
        if (broken.Length > 0)
            return Problems.Of(400, "validation-failed", "Some fields are not valid.", broken);

        await using var db = await database.BeginAsync(user, ct);
        var changed = await db.ExecuteAsync(
            """
            update accounts
            set name = case when @HasName then @Name else name end, time_zone = coalesce(@TimeZone, time_zone)
            where (name, time_zone) is distinct from (case when @HasName then @Name else name end, coalesce(@TimeZone, time_zone))
            """, change);
        if (changed > 0) await db.NoteAsync(http, Entry.ProfileChanged, Entry.LoginOf(user));
        var account = await db.FindAsync<Account>(Account.Select);
        await db.CommitAsync();
        return account is null ? Account.Gone() : TypedResults.Ok(account);
    }
}
