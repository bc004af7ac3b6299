using OpenReadings.Chassis;

namespace OpenReadings.Identity.ApiKeys;

/// <summary>Shows a person the keys that are good.</summary>
public static class ListKeys
{
    public sealed record Response(IReadOnlyList<ApiKey> ApiKeys);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/me/api-keys", HandleAsync)
        .WithName("ListApiKeys").WithSummary("Your keys that are good, the newest first. last_used_at is exact to the minute.").WithExample(response: $$"""{"api_keys": [{{ApiKey.Example}}]}""");

    private static async Task<Response> HandleAsync(CurrentUser user, Database database, CancellationToken ct) =>
        new(await database.ReadAsync<ApiKey>(user, $"{ApiKey.Select} where {ApiKey.Good} order by created_at desc, key_id", null, ct));
}
