using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OpenReadings.Seed;
using OpenReadings.Support;

namespace OpenReadings.Journeys;

/// <summary>Made-up people: always the same, not impossible, and never where real ones are.</summary>
public sealed class SeedTests(RunningPlatform platform)
{
    // Both changes of the clock in the northern hemisphere and both in the southern one.
    private static readonly DateOnly From = new(2025, 9, 1), Until = new(2026, 4, 30);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static TheoryData<string> Presets => [.. Preset.All.Select(preset => preset.Name)];

    [Theory]
    [MemberData(nameof(Presets))]
    public void The_same_seed_is_the_same_person_to_the_last_byte_and_another_is_another(string preset)
    {
        Assert.Equal(All(Of(preset, 7)), All(Of(preset, 7)));
        Assert.NotEqual(All(Of(preset, 7)), All(Of(preset, 8)));
        Assert.NotEqual(All(Of(preset, 7)), All(Of(preset, 7, number: 2)));
        var (whole, part) = (Readings(Of(preset, 7), From, Until), Readings(Of(preset, 7), new(2026, 1, 10), new(2026, 1, 20)));
        Assert.NotEmpty(part);
        Assert.Equal(part, whole.Where(one => DateOnly.FromDateTime(one.At.DateTime) is { Year: 2026, Month: 1, Day: >= 10 and <= 20 }));
    }

    [Theory]
    [MemberData(nameof(Presets))]
    public void What_is_measured_could_have_been(string preset)
    {
        var person = Of(preset, 3);
        foreach (var device in person.Devices())
        {
            var all = person.Readings(device, From, Until).ToList();
            Assert.All(all, batch => Assert.InRange(batch.Count, 1, 10_000));
            var readings = all.SelectMany(batch => batch).ToList();
            Assert.Equal(readings.Count, readings.DistinctBy(one => (one.Metric, one.At.UtcDateTime)).Count());
            Assert.All(readings, one => Assert.Equal(person.Zone.GetUtcOffset(one.At), one.At.Offset));
            Assert.Equal(device.Metrics.Keys.Order(), readings.Select(one => one.Metric).Distinct().Order());
            foreach (var (metric, low, high) in new[]
            {
                ("heart_rate", 36, 200), ("resting_heart_rate", 40, 95), ("hrv", 12, 180), ("spo2", 90, 100), ("steps", 0, 60_000), ("weight", 50, 100), ("systolic", 95, 145), ("diastolic", 55, 100),
            })
                Assert.All(readings.Where(one => one.Metric == metric), one => Assert.InRange(one.Value, low, high));
            var meter = readings.Where(one => one.Metric == "reading").OrderBy(one => one.At).Select(one => one.Value).ToList();
            Assert.All(meter.Zip(meter.Skip(1)), pair => Assert.True(pair.Second > pair.First, "A register only grows."));
        }
        var happenings = person.Happenings(From, Until).ToList();
        Assert.All(happenings, one => Assert.True(one.To > one.From));
        Assert.All(happenings.Where(one => one.Kind == "workout").OrderBy(one => one.From).Chunk(2).Where(two => two.Length == 2), two => Assert.True(two[1].From >= two[0].To, "One thing at a time."));
    }

    [Fact]
    public void Each_preset_is_what_it_says()
    {
        Assert.InRange(Nights("sleep_deprived").Average(night => night.Hours), 4.6, 5.7);
        Assert.InRange(Nights("active_athlete").Average(night => night.Hours), 8, 9.2);
        Assert.Empty(Nights("activity_only"));
        Assert.DoesNotContain(Of("sleep_only", 3).Happenings(From, Until), one => one.Kind == "workout");
        var catchUp = Nights("weekend_catchup").ToLookup(night => night.Day.DayOfWeek is DayOfWeek.Saturday or DayOfWeek.Sunday, night => night.Hours);
        Assert.True(catchUp[true].Average() > catchUp[false].Average() + 2.5);
        Assert.True(Deviation(Nights("irregular_sleeper").Select(night => night.Bed)) > 2.5 * Deviation(Nights("sleep_only").Select(night => night.Bed)));
        Assert.True(Mean("sleep_deprived", "resting_heart_rate") > Mean("active_athlete", "resting_heart_rate") + 15);
        Assert.True(Readings(Of("minimal", 3), From, Until).Count < 3 * 243);

        var athlete = Of("active_athlete", 3);
        var (beats, events) = (Readings(athlete, From, Until).Where(one => one.Metric == "heart_rate").ToList(), athlete.Happenings(From, Until).ToList());
        double During(Func<Person.Happening, bool> what) => events.Where(what).Take(60).SelectMany(one => beats.Where(beat => beat.At >= one.From && beat.At < one.To)).Average(beat => beat.Value);
        Assert.True(During(one => one.Type == "running") > 120);
        Assert.True(During(one => one.Type == "in_bed") < beats.Average(beat => beat.Value) - 8);
        Assert.Contains(events, one => one.Type == "running" && one.Values!["distance"].Value > 3000);
    }

    [Fact]
    public async Task They_are_given_to_the_platform_over_HTTP_and_a_second_time_nothing_is_new()
    {
        using var http = platform.Anonymous();
        var (given, person, from) = (new Seed.Platform(http), Of("comprehensive", Random.Shared.Next()), new DateOnly(2026, 3, 20));
        var first = await given.GiveAsync(person, from, Until, Ct);
        Assert.True(first is { New: > 20_000, Unchanged: 0 }, $"{first}");
        Assert.Equal(new Seed.Platform.Stored(0, first.New), await given.GiveAsync(person, from, Until, Ct));

        var login = await (await http.PostAsJsonAsync("/identity/v1/logins", new { email = person.Email, password = person.Password }, Ct)).Content.ReadFromJsonAsync<JsonElement>(Ct);
        http.DefaultRequestHeaders.Authorization = new("Bearer", login.GetProperty("access_token").GetString());
        var sources = (await http.GetFromJsonAsync<JsonElement>("/readings/v1/sources", Ct)).GetProperty("sources").EnumerateArray().ToList();
        Assert.Equal(person.Devices().Select(device => device.Name).Order(), sources.Select(source => source.GetProperty("name").GetString()).Order());
        var days = await http.GetFromJsonAsync<JsonElement>($"/readings/v1/series/buckets?type=heart_rate&bucket=1d&time_zone={person.Zone.Id}&from=2026-03-21T12:00:00Z&to=2026-04-20T12:00:00Z", Ct);
        Assert.All(days.GetProperty("buckets").EnumerateArray().SkipLast(1).Skip(1), day => Assert.InRange(day.GetProperty("count").GetInt32(), 270, 600));
    }

    [Fact]
    public async Task Nobody_is_made_up_where_real_people_are()
    {
        async Task<string> RefusedAsync(string address)
        {
            using var http = new HttpClient { BaseAddress = new Uri(address) };
            return (await Assert.ThrowsAsync<SeedException>(() => new Seed.Platform(http).RefuseProductionAsync(Ct))).Message;
        }
        Assert.Contains("is not this machine", await RefusedAsync("http://readings.example.org"));
        Assert.Contains("./dev up", await RefusedAsync("http://127.0.0.1:1"));

        var issuer = "https://readings.example.org/identity";
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var tunnel = builder.Build();
        tunnel.MapGet("/identity/.well-known/openid-configuration", () => Results.Json(new { issuer }));
        await tunnel.StartAsync(Ct);
        Assert.Contains($"calls itself {issuer}", await RefusedAsync(tunnel.Urls.Single()));
        issuer = "http://127.0.0.1:7100/identity";
        using var own = new HttpClient { BaseAddress = new Uri(tunnel.Urls.Single()) };
        await new Seed.Platform(own).RefuseProductionAsync(Ct);
    }

    private static Person Of(string preset, int seed, int number = 1) => new(seed, number, Preset.All.Single(one => one.Name == preset));

    private static string All(Person person) => JsonSerializer.Serialize(new
    {
        person.Email, person.Name, Zone = person.Zone.Id, Devices = person.Devices(), Readings = Readings(person, new(2026, 1, 1), new(2026, 1, 31)), Happenings = person.Happenings(new(2026, 1, 1), new(2026, 1, 31)),
    });

    private static List<Person.Reading> Readings(Person person, DateOnly from, DateOnly until) => [.. person.Readings(person.Devices()[0], from, until).SelectMany(batch => batch)];

    private static double Mean(string preset, string metric) => Readings(Of(preset, 3), From, Until).Where(one => one.Metric == metric).Average(one => one.Value);

    // The hour of going to bed counts from noon, so that before and after midnight are neighbours.
    private static List<(DateOnly Day, double Bed, double Hours)> Nights(string preset) =>
    [
        .. Of(preset, 3).Happenings(From, Until).Where(one => one.Type == "in_bed")
            .Select(one => (DateOnly.FromDateTime(one.To.DateTime), one.From.AddHours(-12).TimeOfDay.TotalHours, (one.To - one.From).TotalHours)),
    ];

    private static double Deviation(IEnumerable<double> values)
    {
        var all = values.ToList();
        var mean = all.Average();
        return Math.Sqrt(all.Average(value => (value - mean) * (value - mean)));
    }
}
