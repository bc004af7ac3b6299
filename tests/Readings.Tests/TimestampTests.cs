using System.Globalization;
using System.Text;
using OpenReadings.Readings;

namespace OpenReadings.ReadingsTests;

public sealed class TimestampTests
{
    [Theory]
    [InlineData("2026-11-20T20:57:14Z", "2026-11-20T20:57:14Z")]
    [InlineData("2026-11-20t20:57:14z", "2026-11-20T20:57:14Z")]
    [InlineData("2026-11-20 20:57:14+00:00", "2026-11-20T20:57:14Z")]
    [InlineData("2026-11-20T20:57:14-00:00", "2026-11-20T20:57:14Z")]
    [InlineData("2026-11-20T20:57:14.5+05:45", "2026-11-20T20:57:14.5+05:45")]
    [InlineData("2026-11-20T20:57:14.120000-09:30", "2026-11-20T20:57:14.12-09:30")]
    [InlineData("2026-11-20T20:57:14.1234567890Z", "2026-11-20T20:57:14.123456Z")]
    [InlineData("2024-02-29T23:59:59.000001+14:00", "2024-02-29T23:59:59.000001+14:00")]
    [InlineData("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z")]
    public void A_time_comes_back_as_it_was_given(string given, string answered)
    {
        Assert.Equal(TimeFault.None, Timestamp.Parse(Encoding.ASCII.GetBytes(given), out var at, out var offset));
        Assert.Equal(answered, Timestamp.ToText(at, offset));
    }

    [Theory]
    [InlineData("2026-11-20T20:57:14")]
    [InlineData("2026-11-20T20:57:14.25")]
    public void A_time_without_an_offset_is_told_apart(string given) => Assert.Equal(TimeFault.MissingOffset, Parse(given));

    [Theory]
    [InlineData("2026-02-29T00:00:00Z")]
    [InlineData("2026-13-01T00:00:00Z")]
    [InlineData("2026-00-10T00:00:00Z")]
    [InlineData("2026-01-00T00:00:00Z")]
    [InlineData("2026-01-01T24:00:00Z")]
    [InlineData("2026-01-01T10:60:00Z")]
    [InlineData("2026-01-01T10:00:60Z")]
    [InlineData("0000-01-01T00:00:00Z")]
    [InlineData("2026-01-01T10:00:00+14:01")]
    [InlineData("2026-01-01T10:00:00+02:60")]
    public void A_date_that_does_not_exist_is_told_apart(string given) => Assert.Equal(TimeFault.ImpossibleDate, Parse(given));

    [Theory]
    [InlineData("")]
    [InlineData("yesterday")]
    [InlineData("2026-11-20")]
    [InlineData("20261120T205714Z")]
    [InlineData("2026-11-20T20:57Z")]
    [InlineData("2026-11-20T20:57:14.Z")]
    [InlineData("2026-11-20T20:57:14Zx")]
    [InlineData("2026-11-20T20:57:14+2:00")]
    [InlineData("2026-11-20T20:57:14+0200")]
    [InlineData("2026-11-20T20:57:1aZ")]
    [InlineData("2026/11/20T20:57:14Z")]
    public void What_is_not_a_time_is_refused(string given) => Assert.Equal(TimeFault.NotATime, Parse(given));

    [Fact]
    public void It_agrees_with_the_framework_on_random_times()
    {
        var random = new Random(20261121);
        for (var i = 0; i < 20_000; i++)
        {
            var offset = TimeSpan.FromMinutes(random.Next(-14 * 60, 14 * 60 + 1));
            var ticks = random.NextInt64(new DateTime(1900, 1, 2).Ticks, new DateTime(2100, 1, 1).Ticks) / 10 * 10;
            var given = new DateTimeOffset(ticks, offset);
            var text = given.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFzzz", CultureInfo.InvariantCulture);
            Assert.Equal(TimeFault.None, Timestamp.Parse(Encoding.ASCII.GetBytes(text), out var at, out var minutes));
            Assert.Equal(given.UtcDateTime, Timestamp.ToUtc(at));
            Assert.Equal(offset.TotalMinutes, minutes);
            Assert.Equal(given, DateTimeOffset.Parse(Timestamp.ToText(at, minutes), CultureInfo.InvariantCulture));
        }
    }

    private static TimeFault Parse(string text) => Timestamp.Parse(Encoding.ASCII.GetBytes(text), out _, out _);
}
