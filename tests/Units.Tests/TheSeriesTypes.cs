using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using OpenReadings.Units;

namespace OpenReadings.UnitsTests;

public sealed partial class TheSeriesTypes
{
    // Marked S and M in the list of series types that integrators know; hydration is a sum, which their list forgot.
    private static readonly HashSet<int> Sums =
    [
        25, 80, 81, 82, 83, 84, 86, 88, 100, 101, 102, 103, 104, 160, 203, 205, 206, 501, 502, 503, 504, 505, 506, 507,
    ];
    private static readonly HashSet<int> Maxima = [61];

    [Fact]
    public void There_are_ninety_three_of_them() => Assert.Equal(93, SeriesTypes.All.Count);

    [Fact]
    public void Codes_and_numbers_are_unique_and_numbers_ascend()
    {
        Assert.Equal(93, SeriesTypes.All.Select(type => type.Code).Distinct().Count());
        Assert.Equal(SeriesTypes.All.Select(type => type.Number).Order().Distinct(),
            SeriesTypes.All.Select(type => type.Number));
    }

    [Fact]
    public void Numbers_fill_the_known_ranges_exactly()
    {
        int[] known =
        [
            1, 2, 3, 4, 5, 7, .. Range(20, 31), .. Range(40, 51), .. Range(60, 62), .. Range(80, 88),
            .. Range(100, 104), .. Range(120, 126), .. Range(140, 146), 160, 161, .. Range(180, 184),
            .. Range(200, 212), .. Range(220, 223), .. Range(500, 507),
        ];
        Assert.Equal(known, SeriesTypes.All.Select(type => type.Number));

        static IEnumerable<int> Range(int from, int to) => Enumerable.Range(from, to - from + 1);
    }

    [Fact]
    public void Every_unit_is_ucum_as_it_is_stored() =>
        Assert.All(SeriesTypes.All, type => Assert.Equal(type.Unit, Unit.Parse(type.Unit).Code));

    [Fact]
    public void What_adds_up_is_summed_and_nothing_else_is() => Assert.All(SeriesTypes.All, type =>
    {
        if (Sums.Contains(type.Number)) Assert.Equal("sum", type.Aggregation);
        else if (Maxima.Contains(type.Number)) Assert.Equal("max", type.Aggregation);
        else Assert.Contains(type.Aggregation, new[] { "average", "last" });
    });

    [Fact]
    public void Every_range_is_a_range() =>
        Assert.All(SeriesTypes.All, type => Assert.True(type.Minimum < type.Maximum));

    [Fact]
    public void Codes_are_snake_case_and_every_type_has_a_name_and_a_category() => Assert.All(SeriesTypes.All, type =>
    {
        Assert.Matches(SnakeCase(), type.Code);
        Assert.Matches(SnakeCase(), type.Category);
        Assert.NotEmpty(type.Name);
        Assert.True(type.Code.Length <= 64);
    });

    [Fact]
    public void Loinc_codes_are_unique_and_their_check_digit_is_right() => Assert.All(
        SeriesTypes.All.Where(type => type.Loinc is not null).GroupBy(type => type.Loinc!), group =>
        {
            Assert.Single(group);
            var parts = group.Key.Split('-');
            Assert.Equal(Luhn(parts[0]), int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture));
        });

    // A wrong code is worse than none: only codes that a document of the specification gives
    // (integrator-conventions.md §4.2, the LOINC table).
    [Fact]
    public void No_loinc_code_is_without_a_document_that_gives_it() => Assert.Equal(
        ["2339-0", "29463-7", "39156-5", "40443-4", "41982-0", "55423-8", "59408-5", "80404-7", "8280-0", "8302-2", "8310-5", "8462-4",
            "8480-6", "8867-4", "9279-1"],
        SeriesTypes.All.Where(type => type.Loinc is not null).Select(type => type.Loinc!).Order(StringComparer.Ordinal));

    [Theory]
    [InlineData("heart_rate", "8867-4")]
    [InlineData("resting_heart_rate", "40443-4")]
    [InlineData("heart_rate_variability_sdnn", "80404-7")]
    [InlineData("heart_rate_variability_rmssd", null)]
    [InlineData("blood_pressure_systolic", "8480-6")]
    [InlineData("blood_pressure_diastolic", "8462-4")]
    [InlineData("weight", "29463-7")]
    [InlineData("height", "8302-2")]
    [InlineData("body_mass_index", "39156-5")]
    [InlineData("body_fat_percentage", "41982-0")]
    [InlineData("waist_circumference", "8280-0")]
    [InlineData("body_temperature", "8310-5")]
    [InlineData("oxygen_saturation", "59408-5")]
    [InlineData("respiratory_rate", "9279-1")]
    [InlineData("blood_glucose", "2339-0")]
    [InlineData("steps", "55423-8")]
    public void The_loinc_codes_of_the_conventions_hold(string code, string? loinc) =>
        Assert.Equal(loinc, SeriesTypes.Find(code)!.Loinc);

    [Fact]
    public void Blood_pressure_is_one_panel() => Assert.Equal(
        ["blood_pressure_systolic", "blood_pressure_diastolic"],
        SeriesTypes.All.Where(type => type.Panel == "blood_pressure").Select(type => type.Code));

    [Theory]
    // The unit strings of other platforms, and what an Apple Health export says for the type.
    [InlineData("heart_rate", "count/min", 61, 61)]
    [InlineData("heart_rate", "bpm", 61, 61)]
    [InlineData("blood_glucose", "mmol<180.1558800000541>/L", 10, 180.1558800000541)]
    [InlineData("blood_glucose", "mmol/L", 10, 180.156)]
    [InlineData("blood_glucose", "mg_dl", 95, 95)]
    [InlineData("blood_alcohol_content", "%", 0.08, 80)]
    [InlineData("weight", "lb", 150, 68.0388555)]
    [InlineData("height", "m", 1.78, 178)]
    [InlineData("body_temperature", "degF", 98.6, 37)]
    [InlineData("skin_temperature_deviation", "degF", 1.8, 1)]
    [InlineData("body_fat_percentage", "fraction", 0.29, 29)]
    [InlineData("vo2_max", "mL/min·kg", 41.5, 41.5)]
    [InlineData("vo2_max", "ml_kg_min", 41.5, 41.5)]
    [InlineData("physical_effort", "kcal/hr·kg", 1.5, 1.5)]
    [InlineData("energy", "kJ", 418.4, 100)]
    [InlineData("distance_walking_running", "km", 1.5, 1500)]
    [InlineData("walking_speed", "km/hr", 3.6, 1)]
    [InlineData("electrodermal_activity", "mcS", 2.5, 2.5)]
    [InlineData("environmental_audio_exposure", "dBASPL", 71, 71)]
    [InlineData("environmental_audio_exposure", "dB", 71, 71)]
    [InlineData("insulin_delivery", "IU", 4, 4)]
    [InlineData("hydration", "fl_oz_us", 1, 29.5735295625)]
    [InlineData("cadence", "rpm", 90, 90)]
    [InlineData("steps", "count", 8500, 8500)]
    [InlineData("workout_effort_score", "appleEffortScore", 5, 5)]
    public void Values_come_in_in_many_units(string code, string unit, double value, double expected) =>
        Assert.Equal(expected, SeriesTypes.Find(code)!.ConverterFrom(unit).Convert(value), 1e-9);

    [Theory]
    [InlineData("bpm percent ms mg_dl mmHg brpm count score liters L/min cm kg kg_m2 celsius ml_kg_min meters years")]
    [InlineData("kcal minutes met m_per_s watts rpm dB degrees mL")]
    public void The_unit_strings_of_the_known_list_are_understood(string units) =>
        Assert.All(units.Split(' '), unit => Assert.True(Unit.TryParse(unit, out _), unit));

    [Fact]
    public void Whoever_changes_the_list_raises_its_revision()
    {
        var list = string.Join('\n', SeriesTypes.All);
        var fingerprint = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(list)).AsSpan(0, 8));
        Assert.Equal("2 4eec74713a2ad7cb", $"{SeriesTypes.Revision} {fingerprint}");
    }

    // LOINC's check digit is the one of credit cards.
    private static int Luhn(string digits)
    {
        var sum = 0;
        for (var i = 0; i < digits.Length; i++)
        {
            var digit = digits[^(i + 1)] - '0';
            if (i % 2 == 0) digit *= 2;
            sum += digit > 9 ? digit - 9 : digit;
        }
        return (10 - sum % 10) % 10;
    }

    [GeneratedRegex("^[a-z][a-z0-9]*(_[a-z0-9]+)*$")]
    private static partial Regex SnakeCase();
}
