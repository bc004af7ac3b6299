using System.Collections.Frozen;

namespace OpenReadings.Sync.Apple;

/// <summary>What an Apple quantity becomes here.</summary>
/// <param name="Metric">Name of the source's metric.</param>
/// <param name="Type">The catalog's series type; null where it has none that means the same.</param>
/// <param name="Unit">UCUM for a metric without type; with one, the type's unit.</param>
/// <param name="Fraction">Apple's "%" of this quantity is a fraction: 0.97 is 97 %.</param>
/// <param name="AsWritten">The number is taken as it is: Apple's unit and the catalog's are two names of one scale.</param>
public sealed record AppleQuantity(
    string Metric, string? Type, string? Unit = null, bool Fraction = false, bool AsWritten = false);

/// <summary>
/// Apple's quantity types. A metric has the name of its series type, unless several quantities share one type: adding up
/// a wheelchair's distance and a boat's, or an estimate of power and measured power, would be wrong, so each is a metric
/// of its own.
/// </summary>
public static class AppleTypes
{
    public const string QuantityPrefix = "HKQuantityTypeIdentifier";
    public const string SleepAnalysis = "HKCategoryTypeIdentifierSleepAnalysis";
    public const string BloodPressure = "HKCorrelationTypeIdentifierBloodPressure";
    public const string Systolic = "HKQuantityTypeIdentifierBloodPressureSystolic";
    public const string Diastolic = "HKQuantityTypeIdentifierBloodPressureDiastolic";

    private static readonly FrozenDictionary<string, AppleQuantity> Quantities = new Dictionary<string, AppleQuantity>
    {
        ["HeartRate"] = Same("heart_rate"),
        ["RestingHeartRate"] = Same("resting_heart_rate"),
        ["HeartRateVariabilitySDNN"] = Same("heart_rate_variability_sdnn"),
        ["HeartRateRecoveryOneMinute"] = Same("heart_rate_recovery_one_minute"),
        ["WalkingHeartRateAverage"] = Same("walking_heart_rate_average"),
        ["AtrialFibrillationBurden"] = Percent("atrial_fibrillation_burden"),
        ["OxygenSaturation"] = Percent("oxygen_saturation"),
        ["PeripheralPerfusionIndex"] = Percent("peripheral_perfusion_index"),
        ["BloodGlucose"] = Same("blood_glucose"),
        ["BloodAlcoholContent"] = Percent("blood_alcohol_content"),
        ["BloodPressureSystolic"] = Same("blood_pressure_systolic"),
        ["BloodPressureDiastolic"] = Same("blood_pressure_diastolic"),
        ["RespiratoryRate"] = Same("respiratory_rate"),
        ["AppleSleepingBreathingDisturbances"] = Same("sleeping_breathing_disturbances"),
        ["ForcedVitalCapacity"] = Same("forced_vital_capacity"),
        ["ForcedExpiratoryVolume1"] = Same("forced_expiratory_volume_1"),
        ["PeakExpiratoryFlowRate"] = Same("peak_expiratory_flow_rate"),
        ["Height"] = Same("height"),
        ["BodyMass"] = Same("weight"),
        ["BodyFatPercentage"] = Percent("body_fat_percentage"),
        ["BodyMassIndex"] = new("body_mass_index", "body_mass_index", AsWritten: true),
        ["LeanBodyMass"] = Same("lean_body_mass"),
        ["WaistCircumference"] = Same("waist_circumference"),
        ["BodyTemperature"] = Same("body_temperature"),
        ["BasalBodyTemperature"] = new("basal_body_temperature", "body_temperature"),
        ["AppleSleepingWristTemperature"] = new("sleeping_wrist_temperature", "skin_temperature"),
        ["VO2Max"] = Same("vo2_max"),
        ["SixMinuteWalkTestDistance"] = Same("six_minute_walk_test_distance"),
        ["StepCount"] = Same("steps"),
        ["ActiveEnergyBurned"] = Same("energy"),
        ["BasalEnergyBurned"] = Same("basal_energy"),
        ["AppleStandTime"] = Same("stand_time"),
        ["AppleExerciseTime"] = Same("exercise_time"),
        ["AppleMoveTime"] = Same("active_time"),
        ["PhysicalEffort"] = new("physical_effort", "physical_effort", AsWritten: true),
        ["FlightsClimbed"] = Same("flights_climbed"),
        ["DistanceWalkingRunning"] = Same("distance_walking_running"),
        ["DistanceCycling"] = Same("distance_cycling"),
        ["DistanceSwimming"] = Same("distance_swimming"),
        ["DistanceDownhillSnowSports"] = Same("distance_downhill_snow_sports"),
        ["DistanceWheelchair"] = new("distance_wheelchair", "distance_other"),
        ["DistanceCrossCountrySkiing"] = new("distance_cross_country_skiing", "distance_other"),
        ["DistancePaddleSports"] = new("distance_paddle_sports", "distance_other"),
        ["DistanceRowing"] = new("distance_rowing", "distance_other"),
        ["DistanceSkatingSports"] = new("distance_skating_sports", "distance_other"),
        ["WalkingStepLength"] = Same("walking_step_length"),
        ["WalkingSpeed"] = Same("walking_speed"),
        ["WalkingDoubleSupportPercentage"] = Percent("walking_double_support_percentage"),
        ["WalkingAsymmetryPercentage"] = Percent("walking_asymmetry_percentage"),
        ["AppleWalkingSteadiness"] = Percent("walking_steadiness"),
        ["StairDescentSpeed"] = Same("stair_descent_speed"),
        ["StairAscentSpeed"] = Same("stair_ascent_speed"),
        ["RunningPower"] = Same("running_power"),
        ["RunningSpeed"] = Same("running_speed"),
        ["RunningVerticalOscillation"] = Same("running_vertical_oscillation"),
        ["RunningGroundContactTime"] = Same("running_ground_contact_time"),
        ["RunningStrideLength"] = Same("running_stride_length"),
        ["SwimmingStrokeCount"] = Same("swimming_stroke_count"),
        ["UnderwaterDepth"] = Same("underwater_depth"),
        ["CyclingCadence"] = Same("cadence"),
        ["CyclingPower"] = Same("power"),
        ["CyclingSpeed"] = Same("speed"),
        ["CyclingFunctionalThresholdPower"] = new("functional_threshold_power", null, "W"),
        ["CrossCountrySkiingSpeed"] = new("cross_country_skiing_speed", "speed"),
        ["PaddleSportsSpeed"] = new("paddle_sports_speed", "speed"),
        ["RowingSpeed"] = new("rowing_speed", "speed"),
        ["WorkoutEffortScore"] = new("workout_effort_score", "workout_effort_score", AsWritten: true),
        ["EstimatedWorkoutEffortScore"] = new("estimated_workout_effort_score", "estimated_workout_effort_score", AsWritten: true),
        ["EnvironmentalAudioExposure"] = new("environmental_audio_exposure", "environmental_audio_exposure", AsWritten: true),
        ["HeadphoneAudioExposure"] = new("headphone_audio_exposure", "headphone_audio_exposure", AsWritten: true),
        ["EnvironmentalSoundReduction"] = new("environmental_sound_reduction", "environmental_sound_reduction", AsWritten: true),
        ["TimeInDaylight"] = Same("time_in_daylight"),
        ["WaterTemperature"] = Same("water_temperature"),
        ["UVExposure"] = Same("uv_exposure"),
        ["InhalerUsage"] = Same("inhaler_usage"),
        ["ElectrodermalActivity"] = Same("electrodermal_activity"),
        ["PushCount"] = Same("push_count"),
        ["InsulinDelivery"] = Same("insulin_delivery"),
        ["NumberOfTimesFallen"] = Same("number_of_times_fallen"),
        ["NumberOfAlcoholicBeverages"] = Same("number_of_alcoholic_beverages"),
        ["NikeFuel"] = Same("nike_fuel"),
        ["DietaryWater"] = Same("hydration"),
    }.ToFrozenDictionary();

    /// <summary>Every quantity that is imported, by Apple's full name.</summary>
    public static IEnumerable<KeyValuePair<string, AppleQuantity>> All =>
        Quantities.Select(row => KeyValuePair.Create(QuantityPrefix + row.Key, row.Value));

    /// <summary>The stage of sleep that a category value stands for; <c>unknown</c> for one that Apple has added since.</summary>
    public static string SleepStage(ReadOnlySpan<byte> value)
    {
        var prefix = "HKCategoryValueSleepAnalysis"u8;
        if (value.StartsWith(prefix)) value = value[prefix.Length..];
        if (value.SequenceEqual("AsleepCore"u8)) return "light";
        if (value.SequenceEqual("AsleepDeep"u8)) return "deep";
        if (value.SequenceEqual("AsleepREM"u8)) return "rem";
        if (value.SequenceEqual("Awake"u8)) return "awake";
        if (value.SequenceEqual("InBed"u8)) return "in_bed";
        return value.SequenceEqual("Asleep"u8) || value.SequenceEqual("AsleepUnspecified"u8) ? "sleeping" : "unknown";
    }

    private static AppleQuantity Same(string code) => new(code, code);

    private static AppleQuantity Percent(string code) => new(code, code, Fraction: true);
}
