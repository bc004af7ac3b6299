using System.Text;
using OpenReadings.Sync.Apple;
using OpenReadings.Units;

namespace OpenReadings.SyncTests.Apple;

public sealed class AppleHealthReaderTests
{
    private const string When = """startDate="2024-03-01 08:00:00 +0100" endDate="2024-03-01 08:30:00 +0100" """;

    [Theory]
    [InlineData("HeartRate", "count/min", "61", "heart_rate", 61)]
    [InlineData("OxygenSaturation", "%", "0.97", "oxygen_saturation", 97)]
    [InlineData("BodyFatPercentage", "%", "0.29", "body_fat_percentage", 29)]
    [InlineData("WalkingAsymmetryPercentage", "%", "0.03", "walking_asymmetry_percentage", 3)]
    [InlineData("Height", "m", "1.83", "height", 183)]
    [InlineData("Height", "ft", "6", "height", 182.88)]
    [InlineData("BodyMass", "lb", "150", "weight", 68.0388555)]
    [InlineData("BodyMassIndex", "count", "22.5312", "body_mass_index", 22.5312)]
    [InlineData("DistanceWalkingRunning", "mi", "1", "distance_walking_running", 1609.344)]
    [InlineData("DistanceWalkingRunning", "km", "0.02", "distance_walking_running", 20)]
    [InlineData("DistanceWheelchair", "km", "1", "distance_wheelchair", 1000)]
    [InlineData("BodyTemperature", "degF", "98.6", "body_temperature", 37)]
    [InlineData("BodyTemperature", "degC", "36.6", "body_temperature", 36.6)]
    [InlineData("AppleSleepingWristTemperature", "degC", "34.5", "sleeping_wrist_temperature", 34.5)]
    [InlineData("BloodGlucose", "mmol<180.1558800000541>/L", "5", "blood_glucose", 90.07794)]
    [InlineData("BloodGlucose", "mg/dL", "99", "blood_glucose", 99)]
    [InlineData("VO2Max", "mL/min·kg", "41.5", "vo2_max", 41.5)]
    [InlineData("ActiveEnergyBurned", "kJ", "418.4", "energy", 100)]
    [InlineData("ActiveEnergyBurned", "Cal", "12.5", "energy", 12.5)]
    [InlineData("StepCount", "count", "120", "steps", 120)]
    [InlineData("WalkingSpeed", "km/hr", "3.6", "walking_speed", 1)]
    [InlineData("WalkingSpeed", "mi/hr", "1", "walking_speed", 0.44704)]
    [InlineData("PhysicalEffort", "kcal/hr·kg", "2.5", "physical_effort", 2.5)]
    [InlineData("AppleExerciseTime", "min", "1", "exercise_time", 1)]
    [InlineData("AppleMoveTime", "min", "1", "active_time", 1)]
    [InlineData("EnvironmentalAudioExposure", "dBASPL", "63.2", "environmental_audio_exposure", 63.2)]
    [InlineData("ForcedVitalCapacity", "L", "4.2", "forced_vital_capacity", 4.2)]
    [InlineData("ElectrodermalActivity", "mcS", "1.5", "electrodermal_activity", 1.5)]
    [InlineData("DietaryWater", "fl_oz_us", "8", "hydration", 236.5882365)]
    [InlineData("BloodAlcoholContent", "%", "0.0005", "blood_alcohol_content", 50)]
    [InlineData("AtrialFibrillationBurden", "%", "0.02", "atrial_fibrillation_burden", 2)]
    [InlineData("NikeFuel", "count", "300", "nike_fuel", 300)]
    [InlineData("UnderwaterDepth", "m", "12.3", "underwater_depth", 12.3)]
    [InlineData("RowingSpeed", "m/s", "2.5", "rowing_speed", 2.5)]
    [InlineData("CyclingFunctionalThresholdPower", "W", "250", "functional_threshold_power", 250)]
    [InlineData("WorkoutEffortScore", "appleEffortScore", "4", "workout_effort_score", 4)]
    [InlineData("InsulinDelivery", "IU", "3", "insulin_delivery", 3)]
    [InlineData("InhalerUsage", "count", "2", "inhaler_usage", 2)]
    [InlineData("FlightsClimbed", "count", "2", "flights_climbed", 2)]
    [InlineData("UVExposure", "count", "2", "uv_exposure", 2)]
    public void A_quantity_is_read_in_the_unit_of_its_series_type(string type, string unit, string value, string metric, double expected)
    {
        var found = Collected.OfApple(Export($"""<Record type="HKQuantityTypeIdentifier{type}" sourceName="W" unit="{unit.Replace("<", "&lt;").Replace(">", "&gt;")}" {When} value="{value}"/>"""));
        Assert.Empty(found.Rejects);
        var reading = Assert.Single(found.Readings);
        Assert.Equal(("W", metric, "2024-03-01T08:00:00+01:00"), (reading.Source, reading.Metric, reading.At));
        Assert.Equal(expected, reading.Value, 9);
    }

    [Fact]
    public void Every_quantity_has_a_series_type_that_exists_or_a_unit_of_its_own()
    {
        Assert.All(AppleTypes.All, row => Assert.NotNull(row.Value.Type is { } type ? SeriesTypes.Find(type) : Unit.Parse(row.Value.Unit!)));
        Assert.Equal(AppleTypes.All.Count(), AppleTypes.All.Select(row => row.Value.Metric).Distinct().Count());
    }

    [Fact]
    public void A_blood_pressure_is_one_reading_and_its_records_are_not_read_twice()
    {
        var found = Collected.OfApple(Export(
            $"""
            <Correlation type="HKCorrelationTypeIdentifierBloodPressure" sourceName="Cuff" {When}>
             <MetadataEntry key="HKWasUserEntered" value="1"/>
             <Record type="HKQuantityTypeIdentifierBloodPressureDiastolic" sourceName="Cuff" unit="mmHg" {When} value="80"/>
             <Record type="HKQuantityTypeIdentifierBloodPressureSystolic" sourceName="Cuff" unit="kPa" {When} value="16"><MetadataEntry key="a" value="b"/></Record>
            </Correlation>
            <Record type="HKQuantityTypeIdentifierBloodPressureSystolic" sourceName="Cuff" unit="mmHg" {When} value="120"/>
            """));
        var row = Assert.Single(found.Rows);
        Assert.Equal("2024-03-01T08:00:00+01:00", row.At);
        Assert.Equal(80, row.Values["blood_pressure_diastolic"]);
        Assert.Equal(120.01, row.Values["blood_pressure_systolic"], 2);
        Assert.Equal("blood_pressure_systolic", Assert.Single(found.Readings).Metric);
    }

    [Theory]
    [InlineData("HKCategoryValueSleepAnalysisAsleepCore", "light")]
    [InlineData("HKCategoryValueSleepAnalysisAsleepDeep", "deep")]
    [InlineData("HKCategoryValueSleepAnalysisAsleepREM", "rem")]
    [InlineData("HKCategoryValueSleepAnalysisAwake", "awake")]
    [InlineData("HKCategoryValueSleepAnalysisInBed", "in_bed")]
    [InlineData("HKCategoryValueSleepAnalysisAsleep", "sleeping")]
    [InlineData("HKCategoryValueSleepAnalysisAsleepUnspecified", "sleeping")]
    [InlineData("HKCategoryValueSleepAnalysisAsleepSomehow", "unknown")]
    public void Sleep_is_an_event_of_its_stage(string value, string stage)
    {
        var found = Collected.OfApple(Export(
            $"""<Record type="HKCategoryTypeIdentifierSleepAnalysis" sourceName="W" {When} value="{value}"><MetadataEntry key="HKTimeZone" value="Europe/Rome"/></Record>"""));
        var happening = Assert.Single(found.Events).Happening;
        Assert.Equal(("sleep", stage, "2024-03-01T08:00:00+01:00", "2024-03-01T08:30:00+01:00"), (happening.Kind, happening.Type, happening.From, happening.To));
        Assert.Equal("Europe/Rome", happening.Details!["time_zone"]);
    }

    [Fact]
    public void A_workout_keeps_its_totals_its_statistics_and_its_circumstances()
    {
        var found = Collected.OfApple(Export(
            $"""
            <Workout workoutActivityType="HKWorkoutActivityTypeTraditionalStrengthTraining" duration="30" durationUnit="min" totalDistance="1" totalDistanceUnit="mi" totalEnergyBurned="300" totalEnergyBurnedUnit="kcal" sourceName="W" {When}>
             <MetadataEntry key="HKTimeZone" value="Europe/Rome"/>
             <MetadataEntry key="HKIndoorWorkout" value="1"/>
             <MetadataEntry key="HKWeatherTemperature" value="56 degF"/>
             <WorkoutEvent type="HKWorkoutEventTypePause" date="2024-03-01 08:10:00 +0100"/>
             <WorkoutActivity uuid="x" {When}><WorkoutStatistics type="HKQuantityTypeIdentifierActiveEnergyBurned" sum="7" unit="kcal"/></WorkoutActivity>
             <WorkoutStatistics type="HKQuantityTypeIdentifierActiveEnergyBurned" {When} sum="320" unit="kcal"/>
             <WorkoutStatistics type="HKQuantityTypeIdentifierHeartRate" {When} average="121.5" minimum="80" maximum="171" unit="count/min"/>
             <WorkoutRoute sourceName="W"><FileReference path="/workout-routes/route_1.gpx"/><Location date="x" latitude="1"/></WorkoutRoute>
            </Workout>
            """));
        Assert.Empty(found.Rejects);
        var workout = Assert.Single(found.Events).Happening;
        Assert.Equal(("workout", "strength_training"), (workout.Kind, workout.Type));
        Assert.Equal(new(320, "kcal"), workout.Values!["energy"]);
        Assert.Equal(1609.344, workout.Values["distance"].Value, 9);
        Assert.Equal([121.5, 80, 171], new[] { "average", "minimum", "maximum" }.Select(statistic => workout.Values[$"heart_rate_{statistic}"].Value));
        Assert.Equal(1800d, workout.Details!["duration_seconds"]);
        Assert.Equal(true, workout.Details["indoor"]);
        Assert.Equal("Europe/Rome", workout.Details["time_zone"]);
        Assert.Equal("/workout-routes/route_1.gpx", workout.Details["route"]);
        Assert.Equal("TraditionalStrengthTraining", workout.Details["activity"]);
    }

    [Theory]
    [InlineData("Running", "running"), InlineData("WheelchairRunPace", "running"), InlineData("TrackAndField", "running")]
    [InlineData("HighIntensityIntervalTraining", "cardio_training"), InlineData("TableTennis", "table_tennis"), InlineData("DownhillSkiing", "alpine_skiing")]
    [InlineData("CrossCountrySkiing", "cross_country_skiing"), InlineData("SkatingSports", "ice_skating"), InlineData("SurfingSports", "surfing")]
    [InlineData("EquestrianSports", "horseback_riding"), InlineData("Other", "generic"), InlineData("SwimBikeRun", "triathlon"), InlineData("TaiChi", "martial_arts")]
    [InlineData("MindAndBody", "stretching"), InlineData("AustralianFootball", "football"), InlineData("AmericanFootball", "american_football")]
    [InlineData("UnderwaterDiving", "diving"), InlineData("PaddleSports", "paddling"), InlineData("Curling", "curling"), InlineData("QuidditchOnIce", "other")]
    public void An_activity_has_its_workout_type(string activity, string type) =>
        Assert.Equal(type, AppleWorkouts.TypeOf($"HKWorkoutActivityType{activity}"));

    [Fact]
    public void What_is_not_imported_is_counted_by_its_type_and_is_no_mistake()
    {
        var found = Collected.OfApple(Export(
            $"""
            <ActivitySummary dateComponents="2016-11-15" activeEnergyBurned="590"/>
            <ClinicalRecord type="Allergy" identifier="x"/>
            <Audiogram type="HKDataTypeIdentifierAudiogram"><SensitivityPoint frequencyValue="1"/></Audiogram>
            <Record type="HKCategoryTypeIdentifierAppleStandHour" sourceName="W" {When} value="HKCategoryValueAppleStandHourStood"/>
            <Record type="HKQuantityTypeIdentifierNotYetInvented" sourceName="W" unit="x" {When} value="1"/>
            <Correlation type="HKCorrelationTypeIdentifierFood" sourceName="W" {When}>
             <Record type="HKQuantityTypeIdentifierDietaryWater" sourceName="W" unit="mL" {When} value="200"/>
            </Correlation>
            """));
        Assert.Empty(found.Rejects);
        Assert.Equal(["ExportDate", "Me", "ActivitySummary", "ClinicalRecord", "Audiogram", "HKCategoryTypeIdentifierAppleStandHour",
            "HKQuantityTypeIdentifierNotYetInvented", "HKCorrelationTypeIdentifierFood"], found.Skipped);
        Assert.Equal("hydration", Assert.Single(found.Readings).Metric);
    }

    [Theory]
    [InlineData("""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W" unit="count/min" startDate="2024-02-30 08:00:00 +0100" value="61"/>""", "impossible-date")]
    [InlineData("""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W" unit="count/min" startDate="yesterday" value="61"/>""", "impossible-date")]
    [InlineData("""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W" unit="count/min" startDate="2024-02-20 08:00:00" value="61"/>""", "missing-offset")]
    [InlineData("""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W" unit="count/min" startDate="2024-02-20 08:00:00 +0100" value="6l"/>""", "not-a-number")]
    [InlineData("""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W" unit="count/min" startDate="2024-02-20 08:00:00 +0100" value="NaN"/>""", "not-finite")]
    [InlineData("""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W" unit="count/min" startDate="2024-02-20 08:00:00 +0100" value="1e999"/>""", "not-finite")]
    [InlineData("""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W" unit="count/min" startDate="2024-02-20 08:00:00 +0100"/>""", "missing-attribute")]
    [InlineData("""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W" startDate="2024-02-20 08:00:00 +0100" value="61"/>""", "unit-mismatch")]
    [InlineData("""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W" unit="kg" startDate="2024-02-20 08:00:00 +0100" value="61"/>""", "unit-mismatch")]
    [InlineData("""<Record sourceName="W" unit="kg" startDate="2024-02-20 08:00:00 +0100" value="61"/>""", "missing-attribute")]
    [InlineData("""<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="W unit="count/min" value="61"/>""", "malformed-element")]
    [InlineData("""<Record type="HKQuantityTypeIdentifierHeartRate" device="<<HKDevice: 0x1>, name:Watch>" unit="count/min" value="61"/>""", "malformed-element")]
    [InlineData("""<Record type="HKCategoryTypeIdentifierSleepAnalysis" sourceName="W" startDate="2024-02-20 08:00:00 +0100" endDate="2024-02-20 07:00:00 +0100" value="x"/>""", "ends-before-it-begins")]
    [InlineData("""<Correlation type="HKCorrelationTypeIdentifierBloodPressure" sourceName="W" startDate="2024-02-20 08:00:00 +0100"></Correlation>""", "missing-value")]
    [InlineData("""<Workout sourceName="W"/>""", "missing-attribute")]
    public void A_bad_element_is_rejected_with_its_line_and_what_follows_is_read(string bad, string type)
    {
        var found = Collected.OfApple(Export(bad + "\n" + Steps(5)));
        var reject = Assert.Single(found.Rejects);
        Assert.Equal((6, type), (reject.Line, reject.Type));
        Assert.Equal((5, 7), (Assert.Single(found.Readings).Value, found.Readings[0].Line));
    }

    [Fact]
    public void An_element_that_was_never_closed_does_not_swallow_the_next()
    {
        var found = Collected.OfApple(Export($"""
            <Workout workoutActivityType="HKWorkoutActivityTypeRunning" sourceName="W" {When}>
            <Correlation type="HKCorrelationTypeIdentifierBloodPressure" sourceName="W" {When}>
            {Steps(1)}
            <Audiogram><SensitivityPoint/>
            {Steps(2)}
            """));
        Assert.Equal([1, 2], found.Readings.Select(reading => reading.Value));
        Assert.Equal("running", Assert.Single(found.Events).Happening.Type);
        Assert.Equal("missing-value", Assert.Single(found.Rejects).Type);
    }

    [Fact]
    public void Wherever_a_file_is_cut_the_records_before_the_cut_are_read_and_the_cut_is_told_once()
    {
        var text = Export(string.Join('\n', Enumerable.Range(1, 5).Select(Steps)));
        for (var cut = text.IndexOf("<HealthData", StringComparison.Ordinal) + 20; cut < text.IndexOf("</HealthData>", StringComparison.Ordinal) + 12; cut++)
        {
            var (found, cutShort, _) = Collected.OfApple(new MemoryStream(Encoding.UTF8.GetBytes(text[..cut])), 2);
            Assert.True(cutShort);
            Assert.Equal(Enumerable.Range(1, 5).Select(value => (double)value).Take(found.Readings.Count), found.Readings.Select(reading => reading.Value));
            Assert.Equal(System.Text.RegularExpressions.Regex.Count(text[..cut], "<Record[^>]*/>"), found.Readings.Count);
            Assert.Single(found.Rejects, reject => reject.Type == "truncated-file");
        }
    }

    [Theory]
    [InlineData("<html><body>No</body></html>")]
    [InlineData("<ClinicalDocument xmlns='urn:hl7-org:v3'/>")]
    [InlineData("no tags at all")]
    public void Another_kind_of_file_is_refused_as_a_whole(string text) =>
        Assert.Equal("wrong-format", Assert.Throws<Sync.Importing.FileRefusedException>(() => Collected.OfApple(text)).Type);

    [Fact]
    public void Names_of_sources_are_read_whatever_they_hold() =>
        Assert.Equal("Zoë’s <Watch> & Co", Assert.Single(Collected.OfApple(Export(
            $"""<Record type='HKQuantityTypeIdentifierStepCount' sourceName="Zoë’s &lt;Watch&gt; &amp; Co" unit="count" {When} value="1"/>""")).Readings).Source);

    private static string Steps(int count) =>
        $"""<Record type="HKQuantityTypeIdentifierStepCount" sourceName="W" unit="count" {When} value="{count}"/>""";

    private static string Export(string body) =>
        $"""
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE HealthData [ <!ELEMENT HealthData (ExportDate)> ]>
        <HealthData locale="en_US">
         <ExportDate value="2024-03-02 08:00:00 +0100"/>
         <Me HKCharacteristicTypeIdentifierDateOfBirth="1990-02-02"/>
        {body}
        </HealthData>
        """;
}
