using System.Globalization;

namespace OpenReadings.ReadingsTests;

/// <summary>Bodies of requests, made of their parts.</summary>
internal static class Given
{
    public static string Row(string at, params (string Metric, double Value)[] values) =>
        $"{{\"at\":\"{at}\",\"values\":{{{string.Join(',', values.Select(one => $"\"{one.Metric}\":{Number(one.Value)}"))}}}}}";

    public static string Rows(IEnumerable<string> rows) => $"{{\"readings\":[{string.Join(',', rows)}]}}";

    public static string Rows(params string[] rows) => Rows(rows.AsEnumerable());

    public static string Column(string metric, IEnumerable<string> at, IEnumerable<double> values) =>
        $"{{\"metric\":\"{metric}\",\"at\":[{string.Join(',', at.Select(time => $"\"{time}\""))}],\"values\":[{string.Join(',', values.Select(Number))}]}}";

    public static string Columns(params string[] columns) => $"{{\"columns\":[{string.Join(',', columns)}]}}";

    /// <summary>The minutes of October 2026 and after.</summary>
    public static string Minute(int i) => Time(new DateTime(2026, 10, 1, 0, 0, 0, DateTimeKind.Utc).AddMinutes(i));

    public static string Time(DateTime utc) => utc.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture);

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
