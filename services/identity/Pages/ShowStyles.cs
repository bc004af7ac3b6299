namespace OpenReadings.Identity.Pages;

/// <summary>The look of the pages, and the one script of those that use passkeys.</summary>
public static class ShowStyles
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        MapFile(routes, "pages.css", "text/css; charset=utf-8");
        MapFile(routes, "passkeys.js", "text/javascript; charset=utf-8");
    }

    private static void MapFile(IEndpointRouteBuilder routes, string name, string type)
    {
        var file = Read(name);
        routes.MapGet($"/{name}", (HttpResponse response) =>
        {
            response.Headers.CacheControl = "public, max-age=3600";
            return Results.Bytes(file, type);
        }).ExcludeFromDescription();
    }

    private static byte[] Read(string name)
    {
        using var from = typeof(ShowStyles).Assembly.GetManifestResourceStream(name)!;
        using var to = new MemoryStream();
        from.CopyTo(to);
        return to.ToArray();
    }
}
