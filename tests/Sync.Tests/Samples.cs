using System.Globalization;
using System.IO.Compression;

namespace OpenReadings.SyncTests;

/// <summary>Small files of nobody.</summary>
public static class Samples
{
    /// <summary>Three beats, one blood pressure, one stage of sleep, one workout, one thing that is not imported.</summary>
    public const string Everything = """
        <Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Zoë’s Watch" unit="count/min" startDate="2024-03-01 08:00:00 +0100" endDate="2024-03-01 08:00:00 +0100" value="61"/>
        <Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Zoë’s Watch" unit="count/min" startDate="2024-03-01 08:05:00 +0100" endDate="2024-03-01 08:05:00 +0100" value="62.5"><MetadataEntry key="a" value="b"/></Record>
        <Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Zoë’s Watch" unit="count/min" startDate="2024-03-01 08:10:00 +0530" endDate="2024-03-01 08:10:00 +0530" value="63"/>
        <Correlation type="HKCorrelationTypeIdentifierBloodPressure" sourceName="Cuff" startDate="2024-03-01 08:00:00 +0100" endDate="2024-03-01 08:00:00 +0100">
         <Record type="HKQuantityTypeIdentifierBloodPressureSystolic" sourceName="Cuff" unit="mmHg" startDate="2024-03-01 08:00:00 +0100" value="120"/>
         <Record type="HKQuantityTypeIdentifierBloodPressureDiastolic" sourceName="Cuff" unit="mmHg" startDate="2024-03-01 08:00:00 +0100" value="80"/>
        </Correlation>
        <Record type="HKCategoryTypeIdentifierSleepAnalysis" sourceName="Zoë’s Watch" startDate="2024-03-01 01:00:00 +0100" endDate="2024-03-01 02:00:00 +0100" value="HKCategoryValueSleepAnalysisAsleepDeep"/>
        <Workout workoutActivityType="HKWorkoutActivityTypeRunning" duration="30" durationUnit="min" sourceName="Zoë’s Watch" startDate="2024-03-01 10:00:00 +0100" endDate="2024-03-01 10:30:00 +0100">
         <WorkoutStatistics type="HKQuantityTypeIdentifierActiveEnergyBurned" sum="320" unit="kcal"/>
        </Workout>
        <ActivitySummary dateComponents="2024-03-01" activeEnergyBurned="590"/>

        """;

    public const string MeterMapping = """
        {"delimiter": ";", "decimal": ",", "time_zone": "Europe/Berlin", "time": {"date": "Datum", "time": "Uhrzeit", "format": "dd.MM.yyyy HH:mm"},
         "metrics": [{"column": "Zählerstand (kWh)", "metric": "reading", "unit": "kWh", "counter": true}]}
        """;

    /// <summary>Line 4 has no number, line 5 is a time that the clock skipped.</summary>
    public const string Meter = """
        Datum;Uhrzeit;Zählerstand (kWh);Bemerkung
        30.03.2024;21:03;18231,4;
        31.03.2024;21:03;18238,9;"vor der ""Tür""; innen"
        31.03.2024;22:00;abgelesen;
        31.03.2024;02:30;18235,0;
        01.04.2024;21:03;18248,7;

        """;

    public static string Export(string body) => $"""
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE HealthData [ <!ELEMENT HealthData (ExportDate)> ]>
        <HealthData locale="en_US">

        {body}
        </HealthData>
        """;

    /// <summary>So many heart beats, one a second.</summary>
    public static string Beats(int count)
    {
        var beats = new System.Text.StringBuilder(count * 180);
        var at = new DateTime(2023, 1, 1, 0, 0, 0);
        for (var i = 0; i < count; i++)
            beats.Append(CultureInfo.InvariantCulture, $"<Record type=\"HKQuantityTypeIdentifierHeartRate\" sourceName=\"W\" unit=\"count/min\" startDate=\"{at.AddSeconds(i):yyyy-MM-dd HH:mm:ss} +0100\" endDate=\"{at.AddSeconds(i):yyyy-MM-dd HH:mm:ss} +0100\" value=\"{50 + i % 100}\"/>\n");
        return beats.ToString();
    }

    public static byte[] Zip(params (string Name, byte[] Content)[] files)
    {
        var bytes = new MemoryStream();
        using (var zip = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in files)
            {
                using var entry = zip.CreateEntry(name).Open();
                entry.Write(content);
            }
        }

        return bytes.ToArray();
    }

    public static byte[] Gzip(byte[] content)
    {
        var bytes = new MemoryStream();
        using (var gzip = new GZipStream(bytes, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(content);
        return bytes.ToArray();
    }
}
