using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Units;

namespace OpenReadings.Catalog.Units;

/// <summary>Converts one value from one unit to another. Both come back as the UCUM that would be stored.</summary>
public static class ConvertUnits
{
    public sealed record Response(
        double Value, string From, string To, string? Substance, double Result, string Dimension, double Factor,
        double Offset);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/units/convert", Handle)
        .WithName("ConvertUnits")
        .WithSummary("Converts a value from one unit to another.")
        .WithDescription("Units are UCUM (mm[Hg]) or a spelling of /catalog/v1/units (mmHg). In a query a plus is "
            + "%2B and a percent sign is %25. A substance leads from amounts to masses: mmol/L of glucose to mg/dL.")
        .WithExample(response:
            """
            {"value": 98.6, "from": "[degF]", "to": "Cel", "substance": null, "result": 37, "dimension": "temperature",
             "factor": 0.5555555555555556, "offset": -17.77777777777778}
            """);

    private static Results<Ok<Response>, ProblemHttpResult> Handle(
        string? value, string? from, string? to, string? substance)
    {
        // The framework would read 1,5 as fifteen.
        if (!double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
            return Refused("not-a-number", "value", "The value is not a number such as 98.6.");
        if (!double.IsFinite(number)) return Refused("not-finite", "value", "The value is not a finite number.");
        if (string.IsNullOrEmpty(substance)) substance = null;
        if (Known(from, "from", out var source) is { } unknownSource) return unknownSource;
        if (Known(to, "to", out var target) is { } unknownTarget) return unknownTarget;
        try
        {
            var converter = source.To(target, substance);
            var result = converter.Convert(number);
            if (!double.IsFinite(result)) return Refused("not-finite", "value", "The result is too large to be written.");
            return TypedResults.Ok(new Response(number, source.Code, target.Code, substance, result,
                target.Dimension.ToString(), converter.Factor, converter.Offset));
        }
        catch (IncompatibleUnitsException e)
        {
            return Refused("incompatible-units", "to", e.Message);
        }
        catch (UnknownSubstanceException e)
        {
            return Refused("unknown-substance", "substance", e.Message);
        }
    }

    private static ProblemHttpResult? Known(string? text, string parameter, out Unit unit)
    {
        unit = null!;
        try
        {
            unit = Unit.Parse(text ?? "");
            return null;
        }
        catch (UnknownUnitException e)
        {
            return Refused("unknown-unit", parameter, e.Message);
        }
    }

    private static ProblemHttpResult Refused(string type, string parameter, string detail) =>
        Problems.Of(StatusCodes.Status400BadRequest, type, detail, new ProblemItem($"/{parameter}", type, detail));
}
