using System.Collections.Frozen;

namespace OpenReadings.Units;

/// <summary>The spellings that people, devices and apps use, each with the UCUM that is stored for it.</summary>
public static class Aliases
{
    // Case matters: Cal is 1000 cal, a C is a temperature and not a coulomb, ft is a foot and not a femtotonne.
    // Missing on purpose, because a guess would be wrong by a thousand or more: "calories" (cal or kcal), "ppt"
    // (thousand or trillion), "ton" (three of them), "gr" (gram or grain).
    private static readonly (string Code, string Spellings)[] Exact =
    [
        ("L", "l"),
        ("kcal", "Cal Calorie Calories"),
        ("Cel", "C"),
        ("[degF]", "F"),
        ("[ft_i]", "ft"),
        ("[in_i]", "in"),
        ("[mi_i]", "mi"),
        ("[nmi_i]", "NM nmi"),
        ("[kn_i]", "kn kts"),
        ("[stone_av]", "st"),
        ("[diop]", "D"),
        ("[pt_us]", "pt"),
        ("dB{HL}", "dBHL"),
        ("V.A", "VA"),
        ("kV.A", "kVA"),
        ("mbar", "mb"),
    ];

    private static readonly (string Code, string Spellings)[] AnyCase =
    [
        ("1", "fraction ratio number unitless dimensionless"),
        ("%", "percent percentage pct"),
        ("[ppth]", "‰"),
        ("[ppm]", "ppm"),
        ("[ppb]", "ppb"),

        ("{count}", "count counts times events"),
        ("{steps}", "step steps"),
        ("{flights}", "flight flights floors"),
        ("{strokes}", "stroke strokes"),
        ("{beats}", "beat beats"),
        ("{breaths}", "breath breaths"),
        ("{rev}", "rev revolutions"),
        ("{drinks}", "drink drinks"),
        ("{serving}", "serving servings"),
        ("{score}", "score appleEffortScore points"),

        ("/min", "bpm brpm count/min counts/min beats/min breaths/min beats_per_minute breaths_per_minute"),
        ("{rev}/min", "rpm"),
        ("{steps}/min", "spm"),
        ("/s", "count/s"),

        ("ms", "msec msecs millisecond milliseconds"),
        ("s", "sec secs second seconds"),
        ("min", "min mins minute minutes"),
        ("h", "hr hrs hour hours"),
        ("d", "day days"),
        ("wk", "week weeks"),
        ("mo", "month months"),
        ("a", "y yr yrs year years"),
        ("Hz", "hz hertz"),

        ("m", "meter meters metre metres"),
        ("km", "km kilometer kilometers kilometre kilometres"),
        ("cm", "cm centimeter centimeters centimetre centimetres"),
        ("mm", "mm millimeter millimeters millimetre millimetres"),
        ("[in_i]", "inch inches"),
        ("[ft_i]", "foot feet"),
        ("[yd_i]", "yd yds yard yards"),
        ("[mi_i]", "mile miles"),
        ("[fth_i]", "fathom fathoms"),
        ("[nmi_i]", "nautical_mile nautical_miles"),
        ("m2", "sqm sq_m square_meter square_meters"),
        ("[sft_i]", "sqft sq_ft square_foot square_feet"),

        ("m3", "cbm cubic_meter cubic_meters cubic_metre cubic_metres"),
        ("[cft_i]", "cuft cu_ft cf cubic_foot cubic_feet"),
        ("L", "liter liters litre litres ltr"),
        ("mL", "ml milliliter milliliters millilitre millilitres cc"),
        ("[gal_us]", "gal gallon gallons gal_us"),
        ("[gal_br]", "gal_imp"),
        ("[qt_us]", "qt quart quarts qt_us"),
        ("[pt_us]", "pint pints pt_us"),
        ("[pt_br]", "pt_imp"),
        ("[cup_us]", "cup cups cup_us"),
        // Not in UCUM's table as a unit: an imperial cup is half an imperial pint.
        ("10.[foz_br]", "cup_imp"),
        ("[foz_us]", "floz fl_oz fl_oz_us fl._oz. fluid_ounce fluid_ounces"),
        ("[foz_br]", "fl_oz_imp"),
        ("[tbs_us]", "tbsp tablespoon tablespoons"),
        ("[tsp_us]", "tsp teaspoon teaspoons"),

        ("kg", "kg kilo kilos kilogram kilograms kgs"),
        ("g", "gram grams"),
        ("mg", "mg milligram milligrams"),
        ("ug", "mcg microgram micrograms"),
        ("t", "tonne tonnes"),
        ("[lb_av]", "lb lbs pound pounds"),
        ("[oz_av]", "oz ounce ounces"),
        ("[stone_av]", "stone stones"),
        ("kg/m2", "kg_m2"),

        ("m/s", "mps m_per_s m_s"),
        ("km/h", "kmh kph kmph km_per_h"),
        ("[mi_i]/h", "mph mi_per_h"),
        ("[kn_i]", "knot knots"),

        ("mm[Hg]", "mmhg mm_hg torr"),
        ("[in_i'Hg]", "inhg"),
        ("cm[H2O]", "cmaq cmh2o"),
        ("mbar", "millibar millibars"),
        ("[psi]", "psi"),
        ("atm", "ata"),
        ("bar", "bars"),

        ("Cel", "°c °_c ℃ º_c ºc degc deg_c celsius centigrade degree_celsius degrees_celsius"),
        ("[degF]", "°f °_f ℉ º_f ºf degf deg_f fahrenheit degree_fahrenheit degrees_fahrenheit"),
        ("K", "kelvin"),

        ("kcal", "kcal kilocalorie kilocalories"),
        ("kJ", "kj kilojoule kilojoules"),
        ("J", "joule joules"),
        ("W.h", "wh watt_hour watt_hours"),
        ("kW.h", "kwh kilowatt_hour kilowatt_hours"),
        ("MW.h", "megawatt_hour megawatt_hours"),
        ("W", "watt watts"),
        ("kW", "kw kilowatt kilowatts"),
        ("[Btu_th]", "btu"),
        ("[HP]", "hp horsepower"),
        ("[MET]", "met mets"),
        ("V", "volt volts"),
        ("A", "amp amps ampere amperes"),
        ("Ohm", "Ω ohms"),

        ("dB", "db decibel decibels"),
        ("dB[SPL]", "dbspl dba dbaspl db(a) db(spl)"),
        ("lx", "lux"),
        ("lm", "lumen lumens"),
        ("deg", "° degree degrees"),
        ("rad", "radian radians"),

        ("mg/dL", "mg_dl mgdl"),
        ("mmol/L", "mmol_l mmoll"),
        ("mL/kg/min", "ml_kg_min mL/min·kg ml/(kg*min) ml/kg·min"),
        ("[iU]", "iu ie [iu] international_unit international_units"),
        ("[pH]", "ph"),
        ("{puffs}", "puff puffs"),
    ];

    // Case makes the difference between milli and mega, so these are listed as they are written.
    private static readonly (string Code, string Spellings)[] EnergyByPrefix =
    [
        ("mW.h", "mWh"),
        ("MW.h", "MWh"),
        ("GW.h", "GWh"),
        ("A.h", "Ah"),
        ("mA.h", "mAh"),
        ("V.A.h", "VAh"),
        ("kV.A.h", "kVAh"),
        ("V.A{reactive}", "var"),
        ("kV.A{reactive}", "kvar"),
        ("kV.A{reactive}.h", "kvarh"),
    ];

    private static readonly FrozenDictionary<string, string> ByExactSpelling =
        Spread([.. Exact, .. EnergyByPrefix]).ToFrozenDictionary(a => a.Alias, a => a.Code, StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, string> BySpelling =
        Spread(AnyCase).ToFrozenDictionary(a => a.Alias, a => a.Code, StringComparer.OrdinalIgnoreCase);

    /// <summary>Every accepted spelling and the UCUM it becomes.</summary>
    public static IEnumerable<(string Alias, string Code)> All => Spread([.. Exact, .. AnyCase, .. EnergyByPrefix]);

    internal static string? FindExact(string text) => ByExactSpelling.GetValueOrDefault(text);

    // People write a blank where our list has an underscore.
    internal static string? Find(string text) => BySpelling.GetValueOrDefault(text)
        ?? (text.Contains(' ', StringComparison.Ordinal) ? BySpelling.GetValueOrDefault(text.Replace(' ', '_')) : null);

    private static IEnumerable<(string Alias, string Code)> Spread((string Code, string Spellings)[] table) =>
        from row in table
        from spelling in row.Spellings.Split(' ')
        select (spelling, row.Code);
}
