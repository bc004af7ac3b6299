using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Net.Http.Headers;
using OpenReadings.Chassis;
using OpenReadings.Events;

namespace OpenReadings.Catalog.SeriesTypes;

/// <summary>A series type as it stands in the catalog.</summary>
public sealed record SeriesType(
    string Code, int Number, string Category, string Name, string Unit, string? Loinc, string Aggregation,
    double? Minimum, double? Maximum, string? Panel, string? Substance, int Version)
{
    public const string Columns =
        "code, number, category, name, unit, loinc, aggregation, minimum, maximum, panel, substance, version";

    public const string Example =
        """
        {"code": "heart_rate", "number": 1, "category": "heart", "name": "Heart rate", "unit": "/min",
         "loinc": "8867-4", "aggregation": "average", "minimum": 20, "maximum": 300,
         "panel": null, "substance": null, "version": 1}
        """;

    public SeriesTypeDefined ToEvent() =>
        new(Code, Category, Unit, Aggregation, Minimum, Maximum, Panel, Version);

    /// <summary>An answer that a client keeps and asks for again with If-None-Match; the tag is that of the bytes.</summary>
    internal static FileContentHttpResult Answer<T>(T content, HttpResponse response)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(content, Json.Options);
        var tag = new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, 16))}\"");
        response.Headers.CacheControl = "public, max-age=60";
        return TypedResults.Bytes(bytes, "application/json", entityTag: tag);
    }
}
