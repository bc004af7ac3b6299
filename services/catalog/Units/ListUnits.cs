using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Units;

namespace OpenReadings.Catalog.Units;

/// <summary>
/// Lists the units and the spellings that are understood. Units combine: <c>mg/dL</c> is not in the list.
/// </summary>
public static class ListUnits
{
    public sealed record UnitItem(string Code, string Name, string Dimension, bool TakesPrefixes);

    public sealed record Spelled(string Spelling, string Code);

    public sealed record Substance(string Name, decimal MolarMass);

    public sealed record Response(
        IReadOnlyList<UnitItem> Units, IReadOnlyList<string> Prefixes, IReadOnlyList<Spelled> Aliases,
        IReadOnlyList<Substance> Substances);

    private static readonly Response All = new(
        [.. Atoms.All.Select(atom => new UnitItem(atom.Code, atom.Name, atom.Dimension.ToString(), atom.TakesPrefixes))],
        [.. Atoms.AllPrefixes],
        [.. Aliases.All.Select(alias => new Spelled(alias.Alias, alias.Code))],
        [.. OpenReadings.Units.Substances.Names.Select(name =>
            new Substance(name, OpenReadings.Units.Substances.MolarMass(name)!.Value))]);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/units", Handle)
        .WithName("ListUnits")
        .WithSummary("Lists the units of UCUM that are known, and the spellings that are accepted for them.")
        .Produces<Response>().Produces(StatusCodes.Status304NotModified)
        .WithExample(response:
            """
            {"units": [{"code": "m", "name": "metre", "dimension": "length", "takes_prefixes": true}],
             "prefixes": ["k", "m"], "aliases": [{"spelling": "kwh", "code": "kW.h"}],
             "substances": [{"name": "glucose", "molar_mass": 180.156}]}
            """);

    private static FileContentHttpResult Handle(HttpResponse response) => SeriesTypes.SeriesType.Answer(All, response);
}
