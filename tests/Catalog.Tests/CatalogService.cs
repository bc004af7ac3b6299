using System.Net.Http.Json;
using System.Text.Json;
using OpenReadings.CatalogTests;
using OpenReadings.Support;

[assembly: AssemblyFixture(typeof(CatalogService))]

namespace OpenReadings.CatalogTests;

/// <summary>The catalog as it runs in production, for the whole suite.</summary>
public sealed class CatalogService() : ServiceUnderTest<Program>("catalog")
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Asks as somebody without a token and expects an answer.</summary>
    public async Task<JsonElement> GetAsync(string path)
    {
        using var http = Anonymous();
        return await http.GetFromJsonAsync<JsonElement>(new Uri(path, UriKind.Relative), Ct);
    }

    /// <summary>Asks for what must be refused: the status and the problem.</summary>
    public async Task<(int Status, JsonElement Problem)> RefusedAsync(string path)
    {
        using var http = Anonymous();
        using var response = await http.GetAsync(new Uri(path, UriKind.Relative), Ct);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        return ((int)response.StatusCode, await response.Content.ReadFromJsonAsync<JsonElement>(Ct));
    }
}
