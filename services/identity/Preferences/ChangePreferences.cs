using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Preferences;

/// <summary>Changes what is given and leaves what is not (RFC 7396); null takes away. Two programs that change different things both win.</summary>
public static class ChangePreferences
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapPatch("/me/preferences", HandleAsync)
        .WithName("ChangePreferences").WithSummary("Changes preferences: what is not given stays, null takes away; a value under 'custom' is replaced as a whole.")
        .WithExample(request: """{"theme": null, "custom": {"org.example.app/chart": {"smooth": true}}}""", response: Settings.Example);

    private static async Task<Results<Ok<JsonElement>, ProblemHttpResult>> HandleAsync(
        JsonElement change, CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        ProblemItem[] broken = [.. Settings.BrokenBy(change)];
        if (broken.Length > 0) return Problems.Of(400, "validation-failed", "Some preferences are not valid.", broken);

        await using var db = await database.BeginAsync(user, ct);
        await db.ExecuteAsync("insert into preferences default values on conflict do nothing");
        var was = (await db.FindAsync<string>("select settings::text from preferences for update"))!;
        var settings = JsonNode.Parse(was)!.AsObject().With(change);
        if (Settings.TooMuchOf(settings) is { } tooMuch) return Problems.Of(400, "validation-failed", "There is too much in the preferences.", [tooMuch]);
        var changed = await db.ExecuteAsync(
            "update preferences set settings = @now::jsonb, changed_at = now() where settings <> @now::jsonb", new { now = settings.ToJsonString() });
        if (changed > 0) await db.NoteAsync(http, Entry.PreferencesChanged, Entry.LoginOf(user), new { changed = change.EnumerateObject().Select(field => field.Name) });
        await db.CommitAsync();
        return TypedResults.Ok(JsonElement.Parse(settings.ToJsonString()));
    }
}
