using FsCheck;
using FsCheck.Fluent;
using OpenReadings.Units;

namespace OpenReadings.UnitsTests;

/// <summary>What holds for every unit and value, tried with thousands of made-up ones.</summary>
public sealed class Properties
{
    private static readonly Config Thorough = Config.QuickThrowOnFailure.WithMaxTest(5_000);

    // One group per dimension, so that any two of a group convert.
    private static readonly string[][] Families = [.. Atoms.All
        .Where(atom => atom.Dimension != Dimension.None)
        .SelectMany(atom => atom.TakesPrefixes ? new[] { atom.Code, "k" + atom.Code, "m" + atom.Code } : [atom.Code])
        .GroupBy(code => Unit.Parse(code).Dimension)
        .Select(family => family.ToArray()),
        ["km/h", "m/s", "[mi_i]/h", "[kn_i]", "cm/min", "[ft_i]/s"],
        ["kcal/kg", "J/g", "kW.h/t", "m2/s2"],
        ["1", "%", "[ppm]", "[ppth]", "{steps}", "10*3", "m/cm"]];

    private static readonly Gen<(string From, string Via, string To, double Value)> Conversions =
        from family in Gen.Elements(Families)
        from one in Gen.Elements(family)
        from two in Gen.Elements(family)
        from three in Gen.Elements(family)
        from value in Gen.OneOf(
            ArbMap.Default.GeneratorFor<NormalFloat>().Select(x => x.Get)
                .Where(x => Math.Abs(x) is 0 or (> 1e-200 and < 1e200)),
            Gen.Choose(-1_000_000, 1_000_000).Select(x => x / 100d))
        select (one, two, three, value);

    [Fact]
    public void There_and_back_gives_the_value_again() => Check.One(Thorough, Prop.ForAll(
        Arb.From(Conversions),
        c => Near(c.Value, Unit.Convert(Unit.Convert(c.Value, c.From, c.To), c.To, c.From), c.From)));

    [Fact]
    public void A_detour_leads_to_the_same_value() => Check.One(Thorough, Prop.ForAll(
        Arb.From(Conversions),
        c => Near(Unit.Convert(c.Value, c.From, c.To), Unit.Convert(Unit.Convert(c.Value, c.From, c.Via), c.Via, c.To),
            c.To)));

    [Fact]
    public void What_was_written_down_is_read_as_the_same_unit() => Check.One(Thorough, Prop.ForAll(
        Arb.From(Conversions.Where(c => c.From[0] != '{')), c =>
        {
            var unit = Unit.Parse($"{c.From}{{thing}}");
            return Unit.Parse(unit.Code).Code == unit.Code && unit.To(Unit.Parse(c.From)).IsIdentity;
        }));

    [Fact]
    public void A_product_undoes_a_quotient() => Check.One(Thorough, Prop.ForAll(
        Arb.From(Conversions.Where(c => Unit.Parse(c.From).Code is not ("Cel" or "kCel" or "mCel" or "[degF]"))),
        c => Unit.Parse($"{c.From}/s.s").To(Unit.Parse(c.From)).IsIdentity));

    [Fact]
    public void No_text_breaks_the_parser() => Check.One(Thorough, Prop.ForAll(
        Arb.From(Texts), text =>
        {
            try
            {
                var unit = Unit.Parse(text);
                return Unit.Parse(unit.Code).Code == unit.Code;
            }
            catch (UnknownUnitException)
            {
                return true;
            }
        }));

    private static Gen<string> Texts => Gen.OneOf(
        ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => text.Get),
        Gen.Elements("kg", "m", "s", "/", ".", "·", "*", "(", ")", "{", "}", "[", "]", "<", ">", "2", "-1", "10", "^",
            " ", "°C", "kWh", "%", "Cel", "10*3", "mmol<18.5>", "²", "fl oz").ListOf().Select(string.Concat));

    // Two roundings apart at most, at the size of the numbers that take part: the shift of a scale may be larger than
    // the value.
    private static bool Near(double expected, double actual, string unit)
    {
        var isTemperature = Unit.Parse(unit).Dimension == Unit.Parse("K").Dimension;
        var shift = isTemperature ? 1000 * Unit.Converter("K", unit).Factor : 0;
        return Math.Abs(expected - actual) <= 1e-14 * (Math.Abs(expected) + shift);
    }
}
