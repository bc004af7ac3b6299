using OpenReadings.Units;

namespace OpenReadings.UnitsTests;

public sealed class Spellings
{
    [Theory]
    [InlineData("kW.h")]
    [InlineData("mm[Hg]")]
    [InlineData("/min")]
    [InlineData("{steps}")]
    [InlineData("Cel")]
    [InlineData("[degF]")]
    [InlineData("m3")]
    [InlineData("%")]
    [InlineData("mmol/L")]
    [InlineData("[lb_av]")]
    [InlineData("bar")]
    [InlineData("kg/m2")]
    [InlineData("mL/kg/min")]
    [InlineData("dB[SPL]")]
    [InlineData("10*9/L")]
    [InlineData("mg{creatine}")]
    [InlineData("cm[H2O]")]
    [InlineData("[ft_i]2")]
    [InlineData("k[iU]")]
    [InlineData("1")]
    public void Ucum_stays_as_it_is(string ucum) => Assert.Equal(ucum, Unit.Parse(ucum).Code);

    [Theory]
    // The three that the conventions call invalid UCUM, and their like.
    [InlineData("kWh", "kW.h")]
    [InlineData("bpm", "/min")]
    [InlineData("mmHg", "mm[Hg]")]
    [InlineData("Wh", "W.h")]
    [InlineData("brpm", "/min")]
    [InlineData("°C", "Cel")]
    [InlineData("° C", "Cel")]
    [InlineData("C", "Cel")]
    [InlineData("celsius", "Cel")]
    [InlineData("F", "[degF]")]
    [InlineData("°F", "[degF]")]
    [InlineData("lbs", "[lb_av]")]
    [InlineData("lb", "[lb_av]")]
    [InlineData("KG", "kg")]
    [InlineData("miles", "[mi_i]")]
    [InlineData("mi", "[mi_i]")]
    [InlineData("ft", "[ft_i]")]
    [InlineData("in", "[in_i]")]
    [InlineData("oz", "[oz_av]")]
    [InlineData("Steps", "{steps}")]
    [InlineData("count", "{count}")]
    [InlineData("percent", "%")]
    [InlineData("Cal", "kcal")]
    [InlineData("l", "L")]
    [InlineData("ml", "mL")]
    [InlineData("m³", "m3")]
    [InlineData("kg/m²", "kg/m2")]
    [InlineData("m^3", "m3")]
    [InlineData("m·s⁻²", "m/s2")]
    [InlineData("µg/m³", "ug/m3")]
    [InlineData("μg", "ug")]
    [InlineData("mcg", "ug")]
    [InlineData("kmh", "km/h")]
    [InlineData("km/hr", "km/h")]
    [InlineData("mph", "[mi_i]/h")]
    [InlineData("mg/dl", "mg/dL")]
    [InlineData("mg_dl", "mg/dL")]
    [InlineData("mmol/l", "mmol/L")]
    [InlineData("rpm", "{rev}/min")]
    [InlineData("hrs", "h")]
    [InlineData("sec", "s")]
    [InlineData("watts", "W")]
    [InlineData("fl oz", "[foz_us]")]
    [InlineData("kWh/m2", "kW.h/m2")]
    [InlineData("L/100km", "L/100/km")]
    [InlineData("kg / m2", "kg/m2")]
    [InlineData("psi", "[psi]")]
    [InlineData("kn", "[kn_i]")]
    [InlineData("MWh", "MW.h")]
    [InlineData("mWh", "mW.h")]
    [InlineData("fraction", "1")]
    [InlineData("min-1", "/min")]
    [InlineData("m.s-1", "m/s")]
    [InlineData("mL/(kg.min)", "mL/kg/min")]
    [InlineData("m/(s/min)", "m/s.min")]
    [InlineData("steps/min", "{steps}/min")]
    public void What_people_write_becomes_ucum(string written, string ucum) =>
        Assert.Equal(ucum, Unit.Parse(written).Code);

    [Theory]
    [InlineData("count", "{count}")]
    [InlineData("count/min", "/min")]
    [InlineData("count/s", "/s")]
    [InlineData("%", "%")]
    [InlineData("ms", "ms")]
    [InlineData("min", "min")]
    [InlineData("hr", "h")]
    [InlineData("kcal", "kcal")]
    [InlineData("Cal", "kcal")]
    [InlineData("kJ", "kJ")]
    [InlineData("kg", "kg")]
    [InlineData("st", "[stone_av]")]
    [InlineData("cm", "cm")]
    [InlineData("km", "km")]
    [InlineData("mi", "[mi_i]")]
    [InlineData("yd", "[yd_i]")]
    [InlineData("m/s", "m/s")]
    [InlineData("km/hr", "km/h")]
    [InlineData("mi/hr", "[mi_i]/h")]
    [InlineData("mL", "mL")]
    [InlineData("fl_oz_us", "[foz_us]")]
    [InlineData("fl_oz_imp", "[foz_br]")]
    [InlineData("cup_us", "[cup_us]")]
    [InlineData("pt_imp", "[pt_br]")]
    [InlineData("L/min", "L/min")]
    [InlineData("mL/min·kg", "mL/kg/min")]
    [InlineData("ml/(kg*min)", "mL/kg/min")]
    [InlineData("kcal/hr·kg", "kcal/h/kg")]
    [InlineData("mg/dL", "mg/dL")]
    [InlineData("mmol<180.1558800000541>/L", "mmol/L")]
    [InlineData("mmHg", "mm[Hg]")]
    [InlineData("cmAq", "cm[H2O]")]
    [InlineData("inHg", "[in_i'Hg]")]
    [InlineData("dBASPL", "dB[SPL]")]
    [InlineData("dBHL", "dB{HL}")]
    [InlineData("degC", "Cel")]
    [InlineData("degF", "[degF]")]
    [InlineData("IU", "[iU]")]
    [InlineData("mcg", "ug")]
    [InlineData("mcS", "uS")]
    [InlineData("Hz", "Hz")]
    [InlineData("W", "W")]
    [InlineData("lux", "lx")]
    [InlineData("deg", "deg")]
    [InlineData("D", "[diop]")]
    [InlineData("appleEffortScore", "{score}")]
    public void Every_unit_of_an_Apple_Health_export_is_understood(string written, string ucum) =>
        Assert.Equal(ucum, Unit.Parse(written).Code);

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("furlong")]
    [InlineData("kWhh")]
    [InlineData("k")]
    [InlineData("k%")]
    [InlineData("m/")]
    [InlineData("/")]
    [InlineData("//m")]
    [InlineData("m..s")]
    [InlineData("(m")]
    [InlineData("m)")]
    [InlineData("m{")]
    [InlineData("{}")]
    [InlineData("{a{b}}")]
    [InlineData("m0")]
    [InlineData("m10")]
    [InlineData("(m/s)2")]
    [InlineData("0")]
    [InlineData("9999999999")]
    [InlineData("10*99")]
    [InlineData("m-")]
    [InlineData("[]")]
    [InlineData("[degF")]
    [InlineData("mmol<>/L")]
    [InlineData("mmol<-1>/L")]
    [InlineData("mmol>1</L")]
    [InlineData("Cel/min")]
    [InlineData("Cel2")]
    [InlineData("/Cel")]
    [InlineData("Ym9.Ym9")]
    [InlineData("m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9.m9")]
    [InlineData("((((((((((m))))))))))")]
    [InlineData("calories")]
    [InlineData("ppt")]
    [InlineData("kg m")]
    [InlineData("{tab\there}")]
    [InlineData("m\0")]
    public void What_is_no_unit_is_refused(string text)
    {
        var refused = Assert.Throws<UnknownUnitException>(() => Unit.Parse(text));

        Assert.NotEmpty(refused.Message);
        Assert.False(Unit.TryParse(text, out _));
    }

    [Fact]
    public void A_refusal_says_what_is_wrong()
    {
        Assert.Equal("'kWhh' is not a unit we know.", Refusal("kWhh"));
        Assert.Equal("'mg/furlong' is not a unit we know: 'furlong' is neither UCUM nor a spelling we know.",
            Refusal("mg/furlong"));
        Assert.Equal("A unit is missing. Write 1 for a plain number.", Refusal(" "));
        Assert.Contains("write K", Refusal("Cel/h"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_very_long_text_is_refused_without_being_repeated() =>
        Assert.True(Refusal(new string('m', 100_000)).Length < 100);

    [Fact]
    public void Every_spelling_leads_to_a_unit_that_stays_as_it_is()
    {
        Assert.True(Aliases.All.Count() > 250);
        Assert.All(Aliases.All, alias => Assert.Equal(alias.Code, Unit.Parse(alias.Alias).Code));
        Assert.All(Aliases.All, alias => Assert.Equal(alias.Code, Unit.Parse(alias.Code).Code));
    }

    [Fact]
    public void No_spelling_hides_an_atom() =>
        Assert.All(Atoms.All, atom => Assert.Equal(atom.Code, Unit.Parse(atom.Code).Code));

    [Fact]
    public void A_unit_invented_by_a_stranger_does_not_stay_in_memory_for_ever()
    {
        for (var i = 0; i < 10_000; i++) Unit.Parse($"{{thing{i}}}");
        Assert.NotSame(Unit.Parse("{thing9999}"), Unit.Parse("{thing9999}"));
    }

    private static string Refusal(string text) => Assert.Throws<UnknownUnitException>(() => Unit.Parse(text)).Message;
}
