namespace OpenReadings.Units;

/// <summary>
/// All series types: the one list that the catalog seeds its table from and that imports map to. Codes and numbers
/// never change; a new type takes a free number of its category.
/// </summary>
public static class SeriesTypes
{
    /// <summary>Grows with every change of the list, so that an older program cannot undo a newer one's list.</summary>
    public const int Revision = 2;

    /// <summary>What the licence of LOINC wants to be said wherever its codes are listed.</summary>
    public const string LoincNotice =
        "This material contains content from LOINC (https://loinc.org). LOINC is copyright Regenstrief Institute, Inc. "
        + "and the Logical Observation Identifiers Names and Codes (LOINC) Committee and is available at no cost under "
        + "the license at https://loinc.org/license. LOINC is a registered United States trademark of Regenstrief "
        + "Institute, Inc.";

    /// <summary>Every series type, by number.</summary>
    public static IReadOnlyList<SeriesType> All { get; } =
    [
        // SDNN and RMSSD are different statistics of the same beats. LOINC has a code for the first only.
        .. In("heart",
            Average(1, "heart_rate", "Heart rate", "/min", 20, 300, "8867-4"),
            Average(2, "resting_heart_rate", "Resting heart rate", "/min", 20, 200, "40443-4"),
            Average(3, "heart_rate_variability_sdnn", "Heart rate variability (SDNN)", "ms", 0, 500, "80404-7"),
            Average(4, "heart_rate_recovery_one_minute", "Heart rate recovery in one minute", "/min", 0, 150),
            Average(5, "walking_heart_rate_average", "Average heart rate while walking", "/min", 20, 250),
            Average(7, "heart_rate_variability_rmssd", "Heart rate variability (RMSSD)", "ms", 0, 500)),

        .. In("blood_respiratory",
            Average(20, "oxygen_saturation", "Oxygen saturation", "%", 50, 100, "59408-5"),
            Average(21, "blood_glucose", "Blood glucose", "mg/dL", 10, 1000, "2339-0")
                with { Substance = "glucose" },
            Average(22, "blood_pressure_systolic", "Systolic blood pressure", "mm[Hg]", 40, 300, "8480-6")
                with { Panel = "blood_pressure" },
            Average(23, "blood_pressure_diastolic", "Diastolic blood pressure", "mm[Hg]", 20, 200, "8462-4")
                with { Panel = "blood_pressure" },
            Average(24, "respiratory_rate", "Respiratory rate", "/min", 2, 100, "9279-1"),
            Sum(25, "sleeping_breathing_disturbances", "Breathing disturbances while asleep", "{count}", 0, 1000),
            Average(26, "blood_alcohol_content", "Blood alcohol content", "mg/dL", 0, 600)
                with { Substance = "ethanol" },
            Average(27, "peripheral_perfusion_index", "Peripheral perfusion index", "%", 0, 30),
            Average(28, "forced_vital_capacity", "Forced vital capacity", "L", 0, 10),
            Average(29, "forced_expiratory_volume_1", "Forced expiratory volume in one second", "L", 0, 10),
            Average(30, "peak_expiratory_flow_rate", "Peak expiratory flow rate", "L/min", 0, 1000),
            Average(31, "breathing_disturbance_index", "Breathing disturbance index", "{score}", 0, 200)),

        .. In("body_composition",
            Last(40, "height", "Height", "cm", 20, 280, "8302-2"),
            Average(41, "weight", "Weight", "kg", 0.2, 700, "29463-7"),
            Average(42, "body_fat_percentage", "Body fat", "%", 1, 80, "41982-0"),
            Average(43, "body_mass_index", "Body mass index", "kg/m2", 5, 200, "39156-5"),
            Average(44, "lean_body_mass", "Lean body mass", "kg", 0.2, 300),
            Average(45, "body_temperature", "Body temperature", "Cel", 25, 46, "8310-5"),
            Average(46, "skin_temperature", "Skin temperature", "Cel", 10, 46),
            Average(47, "waist_circumference", "Waist circumference", "cm", 20, 300, "8280-0"),
            Average(48, "body_fat_mass", "Body fat mass", "kg", 0, 400),
            Average(49, "skeletal_muscle_mass", "Skeletal muscle mass", "kg", 0.1, 150),
            Average(50, "skin_temperature_deviation", "Skin temperature, deviation", "Cel", -10, 10)
                with { IsDifference = true },
            Average(51, "skin_temperature_trend_deviation", "Skin temperature, deviation of the trend", "Cel", -10, 10)
                with { IsDifference = true }),

        .. In("fitness",
            Average(60, "vo2_max", "Maximal oxygen uptake (VO2 max)", "mL/kg/min", 5, 100),
            Max(61, "six_minute_walk_test_distance", "Six-minute walk test", "m", 0, 1500),
            Last(62, "cardiovascular_age", "Cardiovascular age", "a", 0, 130)),

        // Apple's physical effort is an energy per mass and time: numerically it is the score others speak of.
        .. In("activity",
            Sum(80, "steps", "Steps", "{steps}", 0, 200_000, "55423-8"),
            Sum(81, "energy", "Active energy", "kcal", 0, 20_000),
            Sum(82, "basal_energy", "Basal energy", "kcal", 0, 10_000),
            Sum(83, "stand_time", "Time standing", "min", 0, 1500),
            Sum(84, "exercise_time", "Time exercising", "min", 0, 1500),
            Average(85, "physical_effort", "Physical effort", "kcal/h/kg", 0, 30),
            Sum(86, "flights_climbed", "Flights climbed", "{flights}", 0, 5000),
            Average(87, "average_met", "Metabolic equivalent, average", "[MET]", 0, 30),
            Sum(88, "active_time", "Time active", "min", 0, 1500)),

        .. In("activity_distance",
            Sum(100, "distance_walking_running", "Distance walked and run", "m", 0, 500_000),
            Sum(101, "distance_cycling", "Distance cycled", "m", 0, 1_500_000),
            Sum(102, "distance_swimming", "Distance swum", "m", 0, 300_000),
            Sum(103, "distance_downhill_snow_sports", "Distance of downhill snow sports", "m", 0, 500_000),
            Sum(104, "distance_other", "Distance, other", "m", 0, 2_000_000)),

        .. In("walking",
            Average(120, "walking_step_length", "Step length while walking", "cm", 5, 250),
            Average(121, "walking_speed", "Walking speed", "m/s", 0, 6),
            Average(122, "walking_double_support_percentage", "Double support while walking", "%", 0, 100),
            Average(123, "walking_asymmetry_percentage", "Asymmetry while walking", "%", 0, 100),
            Average(124, "walking_steadiness", "Steadiness while walking", "%", 0, 100),
            Average(125, "stair_descent_speed", "Speed downstairs", "m/s", 0, 5),
            Average(126, "stair_ascent_speed", "Speed upstairs", "m/s", 0, 5)),

        .. In("running",
            Average(140, "running_power", "Running power", "W", 0, 2500),
            Average(141, "running_speed", "Running speed", "m/s", 0, 15),
            Average(142, "running_vertical_oscillation", "Vertical oscillation while running", "cm", 0, 50),
            Average(143, "running_ground_contact_time", "Ground contact time while running", "ms", 50, 2000),
            Average(144, "running_stride_length", "Stride length while running", "cm", 10, 500),
            Average(145, "running_vertical_ratio", "Vertical ratio while running", "%", 0, 100),
            Average(146, "running_stance_time_balance", "Stance time balance while running", "%", 0, 100)),

        .. In("swimming",
            Sum(160, "swimming_stroke_count", "Swimming strokes", "{strokes}", 0, 200_000),
            Average(161, "underwater_depth", "Depth under water", "m", 0, 350)),

        .. In("generic",
            Average(180, "cadence", "Cadence", "/min", 0, 400),
            Average(181, "power", "Power", "W", 0, 3500),
            Average(182, "speed", "Speed", "m/s", 0, 150),
            Average(183, "workout_effort_score", "Effort of a workout", "{score}", 0, 10),
            Average(184, "estimated_workout_effort_score", "Effort of a workout, estimated", "{score}", 0, 10)),

        .. In("environmental",
            Average(200, "environmental_audio_exposure", "Sound level around", "dB[SPL]", 0, 200),
            Average(201, "headphone_audio_exposure", "Sound level in headphones", "dB[SPL]", 0, 200),
            Average(202, "environmental_sound_reduction", "Sound reduction", "dB", 0, 100),
            Sum(203, "time_in_daylight", "Time in daylight", "min", 0, 1500),
            Average(204, "water_temperature", "Water temperature", "Cel", -5, 60),
            Sum(205, "uv_exposure", "Exposure to ultraviolet light", "{count}", 0, 500),
            Sum(206, "inhaler_usage", "Inhaler puffs", "{puffs}", 0, 200),
            Average(207, "weather_temperature", "Temperature of the weather", "Cel", -90, 65),
            Average(208, "weather_humidity", "Humidity of the weather", "%", 0, 100),
            Average(209, "elevation", "Elevation", "m", -500, 15_000),
            // The mean of two longitudes may lie on the other side of the earth.
            Last(210, "latitude", "Latitude", "deg", -90, 90),
            Last(211, "longitude", "Longitude", "deg", -180, 180),
            Average(212, "air_temperature", "Air temperature", "Cel", -90, 65)),

        .. In("provider",
            Average(220, "garmin_stress_level", "Garmin stress level", "{score}", 0, 100),
            Average(221, "garmin_skin_temperature", "Garmin skin temperature", "Cel", 10, 46),
            Last(222, "garmin_fitness_age", "Garmin fitness age", "a", 0, 130),
            Average(223, "garmin_body_battery", "Garmin body battery", "%", 0, 100)),

        .. In("other",
            Average(500, "electrodermal_activity", "Electrodermal activity", "uS", 0, 100),
            Sum(501, "push_count", "Wheelchair pushes", "{pushes}", 0, 200_000),
            Sum(502, "atrial_fibrillation_burden", "Atrial fibrillation burden", "%", 0, 100),
            Sum(503, "insulin_delivery", "Insulin delivered", "[iU]", 0, 500),
            Sum(504, "number_of_times_fallen", "Falls", "{falls}", 0, 100),
            Sum(505, "number_of_alcoholic_beverages", "Alcoholic drinks", "{drinks}", 0, 100),
            Sum(506, "nike_fuel", "Nike Fuel", "{points}", 0, 100_000),
            // A day's water is the sum of its glasses, whatever others make of it.
            Sum(507, "hydration", "Water drunk", "mL", 0, 30_000)),
    ];

    private static readonly Dictionary<string, SeriesType> ByCode = All.ToDictionary(type => type.Code);

    /// <summary>The series type of that code; null when there is none.</summary>
    public static SeriesType? Find(string code) => ByCode.GetValueOrDefault(code);

    private static IEnumerable<SeriesType> In(string category, params SeriesType[] types) =>
        types.Select(type => type with { Category = category });

    private static SeriesType Average(
        int number, string code, string name, string unit, double minimum, double maximum, string? loinc = null) =>
        new(code, number, "", name, unit, "average", minimum, maximum) { Loinc = loinc };

    private static SeriesType Sum(
        int number, string code, string name, string unit, double minimum, double maximum, string? loinc = null) =>
        Average(number, code, name, unit, minimum, maximum, loinc) with { Aggregation = "sum" };

    private static SeriesType Max(
        int number, string code, string name, string unit, double minimum, double maximum, string? loinc = null) =>
        Average(number, code, name, unit, minimum, maximum, loinc) with { Aggregation = "max" };

    private static SeriesType Last(
        int number, string code, string name, string unit, double minimum, double maximum, string? loinc = null) =>
        Average(number, code, name, unit, minimum, maximum, loinc) with { Aggregation = "last" };
}
