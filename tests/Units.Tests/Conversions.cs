using OpenReadings.Units;

namespace OpenReadings.UnitsTests;

public sealed class Conversions
{
    [Theory]
    // The checks of the integrators' conventions.
    [InlineData(98.6, "[degF]", 37, "Cel")]
    [InlineData(1, "kcal", 4.184, "kJ")]
    [InlineData(150, "[lb_av]", 68.0388555, "kg")]
    [InlineData(200, "bar", 20_000, "kPa")]
    [InlineData(1, "kW.h", 3.6, "MJ")]
    // Temperature.
    [InlineData(0, "Cel", 273.15, "K")]
    [InlineData(-40, "Cel", -40, "[degF]")]
    [InlineData(100, "Cel", 212, "[degF]")]
    [InlineData(293.15, "K", 20, "Cel")]
    // Length, speed.
    [InlineData(1, "[mi_i]", 1609.344, "m")]
    [InlineData(6, "[ft_i]", 182.88, "cm")]
    [InlineData(1, "[nmi_i]", 1.852, "km")]
    [InlineData(36, "km/h", 10, "m/s")]
    [InlineData(1, "[kn_i]", 1.852, "km/h")]
    [InlineData(60, "[mi_i]/h", 26.8224, "m/s")]
    // Volume, mass.
    [InlineData(1, "[gal_us]", 3.785411784, "L")]
    [InlineData(8, "[foz_us]", 1, "[cup_us]")]
    [InlineData(3, "[tsp_us]", 1, "[tbs_us]")]
    [InlineData(1, "[gal_br]", 4.54609, "L")]
    [InlineData(1, "m3", 1000, "L")]
    [InlineData(1, "[cft_i]", 28.316846592, "L")]
    [InlineData(16, "[oz_av]", 1, "[lb_av]")]
    [InlineData(11, "[stone_av]", 154, "[lb_av]")]
    // Pressure.
    [InlineData(1, "atm", 1.01325, "bar")]
    [InlineData(120, "mm[Hg]", 15.99864, "kPa")]
    [InlineData(3000, "[psi]", 206.84271879505084, "bar")]
    [InlineData(10, "cm[H2O]", 980.665, "Pa")]
    [InlineData(29.92, "[in_i'Hg]", 1013.20453696, "mbar")]
    // Energy, power, effort.
    [InlineData(1, "[Cal]", 1, "kcal")]
    [InlineData(1, "[HP]", 745.6998715822702, "W")]
    [InlineData(1, "[MET]", 3.5, "mL/kg/min")]
    [InlineData(1, "V.A", 1, "W")]
    [InlineData(60, "/min", 1, "Hz")]
    // Numbers.
    [InlineData(1, "1", 100, "%")]
    [InlineData(0.29, "1", 29, "%")]
    [InlineData(0.57, "1", 57, "%")]
    [InlineData(2, "%", 20, "[ppth]")]
    [InlineData(420, "[ppm]", 0.042, "%")]
    [InlineData(8500, "{steps}", 8500, "{count}")]
    [InlineData(5, "10*3/uL", 5, "10*9/L")]
    // Time.
    [InlineData(90, "min", 1.5, "h")]
    [InlineData(1, "wk", 168, "h")]
    [InlineData(1, "a", 12, "mo")]
    // Angles, light, sound, radiation.
    [InlineData(180, "deg", 3.141592653589793, "rad")]
    [InlineData(90, "'", 1.5, "deg")]
    [InlineData(1, "lx", 1, "lm/m2")]
    [InlineData(6, "B[SPL]", 60, "dB[SPL]")]
    [InlineData(100, "mGy", 0.1, "Gy")]
    // Electricity.
    [InlineData(1, "V/A", 1, "Ohm")]
    [InlineData(12, "A.h", 43_200, "A.s")]
    [InlineData(2.5, "uS", 0.0025, "mS")]
    [InlineData(1, "U", 1, "umol/min")]
    public void A_value_converts_exactly(double value, string from, double result, string to) =>
        Assert.Equal(result, Unit.Convert(value, from, to));

    [Theory]
    [InlineData(5.5, "mmol/L", 99.0858, "mg/dL", "glucose")]
    [InlineData(180.156, "mg/dL", 10, "mmol/L", "glucose")]
    [InlineData(5, "mmol/L", 193.325, "mg/dL", "cholesterol")]
    [InlineData(0.08, "%", 80, "mg/dL", "ethanol")]
    [InlineData(80, "mg/dL", 0.08, "%", "ethanol")]
    public void A_substance_opens_the_way_between_amount_and_mass(
        double value, string from, double result, string to, string substance) =>
        Assert.Equal(result, Unit.Convert(value, from, to, substance), 1e-12);

    [Fact]
    public void The_molar_mass_that_Apple_Health_writes_into_the_unit_is_used()
    {
        Assert.Equal("mmol/L", Unit.Parse("mmol<180.1558800000541>/L").Code);
        Assert.Equal(99.085734, Unit.Convert(5.5, "mmol<180.1558800000541>/L", "mg/dL"), 1e-6);
    }

    [Fact]
    public void Units_that_measure_different_things_are_refused_with_both_dimensions()
    {
        var refused = Assert.Throws<IncompatibleUnitsException>(() => Unit.Convert(1, "kg", "km/h"));

        Assert.Equal("'kg' (mass) does not convert to 'km/h' (length/time).", refused.Message);
        Assert.Equal("kg", refused.From.Code);
        Assert.Equal("km/h", refused.To.Code);
    }

    [Theory]
    [InlineData("mmol/L", "mg/dL", null)]
    [InlineData("mmol/L", "kg", "glucose")]
    [InlineData("%", "mg/dL", "glucose")]
    [InlineData("deg", "%", null)]
    [InlineData("[iU]", "mg", null)]
    [InlineData("[iU]", "{count}", null)]
    [InlineData("dB", "%", null)]
    [InlineData("mol", "{count}", null)]
    public void What_has_no_common_measure_does_not_convert(string from, string to, string? substance)
    {
        Assert.Throws<IncompatibleUnitsException>(() => Unit.Convert(1, from, to, substance));
        Assert.False(Unit.Parse(from).ConvertsTo(Unit.Parse(to), substance));
    }

    [Fact]
    public void An_unknown_substance_is_said_to_be_unknown() =>
        Assert.Contains("kryptonite", Assert.Throws<UnknownSubstanceException>(
            () => Unit.Convert(1, "mmol/L", "mg/dL", "kryptonite")).Message, StringComparison.Ordinal);

    [Fact]
    public void A_difference_of_temperature_has_no_zero_to_shift()
    {
        var differences = Unit.Parse("[degF]").To(Unit.Parse("Cel"), differences: true);

        Assert.Equal(1, differences.Convert(1.8));
        Assert.Equal(0, differences.Convert(0));
    }

    [Fact]
    public void A_converter_does_a_whole_span()
    {
        double[] values = [0, 37, 100];
        Unit.Converter("Cel", "[degF]").Convert(values);
        Assert.Equal([32, 98.6, 212], values);
    }

    [Theory]
    [InlineData(double.MaxValue)]
    [InlineData(double.Epsilon)]
    [InlineData(1e300)]
    [InlineData(-1e-300)]
    [InlineData(0.1234567890123456789)]
    [InlineData(double.PositiveInfinity)]
    public void Extreme_values_convert_like_any_other(double value) =>
        Assert.Equal(value / 1000, Unit.Convert(value, "m", "km"));

    [Fact]
    public void Not_a_number_stays_what_it_is() => Assert.Equal(double.NaN, Unit.Convert(double.NaN, "[degF]", "Cel"));
}
