namespace OpenReadings.Identity.Pages;

/// <summary>The look of the pages.</summary>
public static class ShowStyles
{
    private static readonly byte[] Css = Read();

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/pages.css", (HttpResponse response) =>
    {
        response.Headers.CacheControl = "public, max-age=3600";
        return Results.Bytes(Css, "text/css; charset=utf-8");
    }).ExcludeFromDescription();

    private static byte[] Read()
    {
        using var from = typeof(ShowStyles).Assembly.GetManifestResourceStream("pages.css")!;
        using var to = new MemoryStream();
        from.CopyTo(to);
        return to.ToArray();
    }
}
