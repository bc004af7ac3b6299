namespace OpenReadings.CatalogTests;

public sealed class UnitTests(CatalogService catalog)
{
    [Theory]
    [InlineData("98.6", "[degF]", "Cel", null, 37, "[degF]", "Cel")]
    [InlineData("1", "kcal", "kJ", null, 4.184, "kcal", "kJ")]
    [InlineData("150", "lbs", "kg", null, 68.0388555, "[lb_av]", "kg")]
    [InlineData("200", "bar", "kPa", null, 20_000, "bar", "kPa")]
    [InlineData("1", "kWh", "MJ", null, 3.6, "kW.h", "MJ")]
    [InlineData("120", "mmHg", "kPa", null, 15.99864, "mm[Hg]", "kPa")]
    [InlineData("61", "bpm", "Hz", null, 1.0166666666666666, "/min", "Hz")]
    [InlineData("0.97", "fraction", "%", null, 97, "1", "%")]
    [InlineData("-40", "°C", "°F", null, -40, "Cel", "[degF]")]
    [InlineData("1e3", "m", "km", null, 1, "m", "km")]
    [InlineData("5.5", "mmol/L", "mg/dL", "glucose", 99.0858, "mmol/L", "mg/dL")]
    public async Task A_value_is_converted_and_the_units_come_back_as_stored(
        string value, string from, string to, string? substance, double result, string storedFrom, string storedTo)
    {
        var answer = await catalog.GetAsync(Ask(value, from, to, substance));

        Assert.Equal(result, answer.GetProperty("result").GetDouble(), 1e-12);
        Assert.Equal(storedFrom, answer.GetProperty("from").GetString());
        Assert.Equal(storedTo, answer.GetProperty("to").GetString());
        Assert.Equal(substance, answer.GetProperty("substance").GetString());
    }

    [Theory]
    [InlineData("1", "kWhh", "MJ", null, "unknown-unit", "/from", "'kWhh' is not a unit we know.")]
    [InlineData("1", "kWh", "MJJ", null, "unknown-unit", "/to", "'MJJ' is not a unit we know.")]
    [InlineData("1", " ", "MJ", null, "unknown-unit", "/from", "A unit is missing. Write 1 for a plain number.")]
    [InlineData("1", "kg", "m", null, "incompatible-units", "/to", "'kg' (mass) does not convert to 'm' (length).")]
    [InlineData("1", "mmol/L", "mg/dL", null, "incompatible-units", "/to",
        "'mmol/L' (amount/length3) does not convert to 'mg/dL' (mass/length3).")]
    [InlineData("NaN", "kg", "g", null, "not-finite", "/value", "The value is not a finite number.")]
    [InlineData("1e308", "km", "mm", null, "not-finite", "/value", "The result is too large to be written.")]
    public async Task What_cannot_be_converted_is_refused_by_the_parameter(
        string value, string from, string to, string? substance, string type, string pointer, string detail)
    {
        var (status, problem) = await catalog.RefusedAsync(Ask(value, from, to, substance));

        Assert.Equal(400, status);
        Assert.Equal(type, problem.GetProperty("type").GetString());
        Assert.Equal(detail, problem.GetProperty("detail").GetString());
        Assert.Equal(pointer, problem.GetProperty("errors")[0].GetProperty("pointer").GetString());
        Assert.NotEmpty(problem.GetProperty("traceId").GetString()!);
    }

    [Fact]
    public async Task A_substance_that_is_unknown_is_refused_with_those_that_are_known()
    {
        var (status, problem) = await catalog.RefusedAsync(Ask("1", "mmol/L", "mg/dL", "kryptonite"));
        Assert.Equal(400, status);
        Assert.Equal("unknown-substance", problem.GetProperty("type").GetString());
        Assert.Contains("glucose", problem.GetProperty("detail").GetString());
    }

    [Theory]
    [InlineData("", "not-a-number", "/value")]
    [InlineData("?value=1&from=kg", "unknown-unit", "/to")]
    [InlineData("?value=1&to=kg", "unknown-unit", "/from")]
    [InlineData("?value=abc&from=kg&to=g", "not-a-number", "/value")]
    [InlineData("?value=1,5&from=kg&to=g", "not-a-number", "/value")]
    [InlineData("?value=1_000&from=kg&to=g", "not-a-number", "/value")]
    public async Task A_question_that_is_not_complete_is_refused_by_the_parameter(
        string query, string type, string pointer)
    {
        var (status, problem) = await catalog.RefusedAsync($"/catalog/v1/units/convert{query}");

        Assert.Equal(400, status);
        Assert.Equal(type, problem.GetProperty("type").GetString());
        Assert.Contains(problem.GetProperty("errors").EnumerateArray(),
            error => error.GetProperty("pointer").GetString() == pointer);
    }

    [Fact]
    public async Task The_units_and_spellings_are_listed()
    {
        var all = await catalog.GetAsync("/catalog/v1/units");

        var metre = all.GetProperty("units").EnumerateArray().Single(u => u.GetProperty("code").GetString() == "m");
        Assert.Equal("length", metre.GetProperty("dimension").GetString());
        Assert.True(metre.GetProperty("takes_prefixes").GetBoolean());
        Assert.Contains(all.GetProperty("aliases").EnumerateArray(), alias =>
            alias.GetProperty("spelling").GetString() == "kwh" && alias.GetProperty("code").GetString() == "kW.h");
        Assert.Contains("glucose", all.GetProperty("substances").EnumerateArray()
            .Select(substance => substance.GetProperty("name").GetString()));
        Assert.Contains("k", all.GetProperty("prefixes").EnumerateArray().Select(prefix => prefix.GetString()));
    }

    private static string Ask(string value, string from, string to, string? substance)
    {
        var query = $"value={Uri.EscapeDataString(value)}&from={Uri.EscapeDataString(from)}"
            + $"&to={Uri.EscapeDataString(to)}";
        if (substance is not null) query += $"&substance={Uri.EscapeDataString(substance)}";
        return $"/catalog/v1/units/convert?{query}";
    }
}
