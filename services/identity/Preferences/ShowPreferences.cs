using System.Text.Json;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Preferences;

/// <summary>Shows a person, and the programs they use, how they want things shown. What they never said is not there.</summary>
public static class ShowPreferences
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/me/preferences", HandleAsync)
        .WithName("ShowPreferences").WithSummary("How you want things shown: units, week_start, language, theme, and what programs keep under 'custom'.")
        .WithExample(response: Settings.Example);

    private static async Task<JsonElement> HandleAsync(CurrentUser user, Database database, CancellationToken ct) =>
        JsonElement.Parse((await database.ReadAsync<string>(user, "select settings::text from preferences", null, ct)).SingleOrDefault() ?? "{}");
}
