using System.Globalization;

namespace OpenReadings.Benchmarks;

/// <summary>
/// A made-up export.xml of Apple Health with the proportions of somebody who wears a watch: mostly heart rate and energy, then
/// steps and distance; each day a weight, a blood pressure, a night's sleep and a run. The same file for the same count.
/// </summary>
internal static class AppleHealthExport
{
    private const string Watch =
        "sourceName=\"Watch\" sourceVersion=\"9.1\" device=\"&lt;&lt;HKDevice: 0x1&gt;, name:Apple Watch, manufacturer:Apple Inc., "
        + "model:Watch, hardware:Watch6,2, software:9.1&gt;\"";
    private static readonly TimeSpan Offset = TimeSpan.FromHours(-8);

    /// <summary>Writes the file and returns how many records it holds.</summary>
    public static int Write(string path, int records)
    {
        using var file = new StreamWriter(path, append: false, System.Text.Encoding.UTF8, 1 << 20);
        var random = new Random(1);
        var at = new DateTimeOffset(2020, 1, 1, 0, 0, 0, Offset);
        file.Write($"""
            <?xml version="1.0" encoding="UTF-8"?>
            <!DOCTYPE HealthData [
            <!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary)*)>
            ]>
            <HealthData locale="en_US">
             <ExportDate value="{Text(at)}"/>
             <Me HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexFemale"/>

            """);
        var (written, day) = (0, at.Date);
        while (written < records)
        {
            at = at.AddSeconds(random.Next(3, 10));
            if (at.Date != day)
            {
                day = at.Date;
                written += WriteDay(file, random, at);
            }
            var after = at.AddSeconds(3);
            switch (random.NextDouble())
            {
                case < .55: WriteRecord(file, "HeartRate", "count/min", at, at, random.Next(50, 160)); break;
                case < .73: WriteRecord(file, "ActiveEnergyBurned", "kcal", at, after, Math.Round(random.NextDouble() * 3, 3)); break;
                case < .86: WriteRecord(file, "StepCount", "count", at, after, random.Next(1, 120)); break;
                default: WriteRecord(file, "DistanceWalkingRunning", "km", at, after, Math.Round(random.NextDouble() * .02, 5)); break;
            }
            written++;
        }
        file.Write("</HealthData>\n");
        return written;
    }

    private static int WriteDay(StreamWriter file, Random random, DateTimeOffset at)
    {
        WriteRecord(file, "RestingHeartRate", "count/min", at, at, random.Next(52, 61));
        WriteRecord(file, "BodyMass", "kg", at, at, Math.Round(70 + random.NextDouble() * 2, 2));
        var (moment, diastolic) = ($"creationDate=\"{Text(at)}\" startDate=\"{Text(at)}\" endDate=\"{Text(at)}\"", random.Next(66, 86));
        file.Write($"""
             <Correlation type="HKCorrelationTypeIdentifierBloodPressure" sourceName="Cuff" {moment}>
              <Record type="HKQuantityTypeIdentifierBloodPressureSystolic" sourceName="Cuff" unit="mmHg" {moment} value="{diastolic + 45}"/>
              <Record type="HKQuantityTypeIdentifierBloodPressureDiastolic" sourceName="Cuff" unit="mmHg" {moment} value="{diastolic}"/>
             </Correlation>

            """);
        string[] stages = ["Core", "Deep", "Core", "REM", "Core"];
        var from = at.AddHours(-8);
        foreach (var stage in stages)
        {
            var to = from.AddMinutes(random.Next(30, 110));
            file.Write($" <Record type=\"HKCategoryTypeIdentifierSleepAnalysis\" {Watch} creationDate=\"{Text(to)}\" startDate=\"{Text(from)}\" "
                + $"endDate=\"{Text(to)}\" value=\"HKCategoryValueSleepAnalysisAsleep{stage}\"/>\n");
            from = to;
        }
        var (begin, end) = (Text(at.AddHours(-5)), Text(at.AddHours(-4)));
        file.Write($"""
             <Workout workoutActivityType="HKWorkoutActivityTypeRunning" duration="60" durationUnit="min" {Watch} creationDate="{end}" startDate="{begin}" endDate="{end}">
              <WorkoutStatistics type="HKQuantityTypeIdentifierActiveEnergyBurned" startDate="{begin}" endDate="{end}" sum="{random.Next(400, 600)}" unit="kcal"/>
             </Workout>

            """);
        return 10;
    }

    private static void WriteRecord(StreamWriter file, string type, string unit, DateTimeOffset from, DateTimeOffset to, double value) =>
        file.Write($" <Record type=\"HKQuantityTypeIdentifier{type}\" {Watch} unit=\"{unit}\" creationDate=\"{Text(to)}\" startDate=\"{Text(from)}\" "
            + string.Create(CultureInfo.InvariantCulture, $"endDate=\"{Text(to)}\" value=\"{value}\"/>\n"));

    private static string Text(DateTimeOffset at) => at.ToString("yyyy-MM-dd HH:mm:ss '-0800'", CultureInfo.InvariantCulture);
}
