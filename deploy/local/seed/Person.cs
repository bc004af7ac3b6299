namespace OpenReadings.Seed;

/// <summary>Somebody who does not exist, and all that they measured. The same seed, number and preset are the same person.</summary>
internal sealed class Person
{
    private static readonly string[] Names = ["Ada", "Bo", "Chiara", "Dev", "Elif", "Femi", "Grete", "Hugo", "Inês", "Jun", "Kofi", "Lena", "Mateo", "Noor", "Oskar", "Priya"];
    // Half-hours, quarters, both hemispheres and none: what goes wrong with clocks goes wrong here.
    private static readonly string[] Zones = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Adelaide", "Asia/Tokyo", "America/Sao_Paulo", "Etc/UTC"];
    private const int PerRequest = 10_000;
    private readonly int seed;
    private readonly int number;
    private readonly double resting, highest, weight, kilowatts;

    public Person(int seed, int number, Preset preset)
    {
        (this.seed, this.number, Preset) = (seed, number, preset);
        var rng = new Rng(seed, number, preset.Name);
        Name = rng.Of(Names);
        Zone = TimeZoneInfo.FindSystemTimeZoneById(rng.Of(Zones));
        Email = $"{preset.Name.Replace('_', '-')}-{number}@seed-{seed}.example.org";
        // Parted, because no character may come three times in a row.
        Password = $"Made-Up-{string.Join('.', $"{seed}".Chunk(2).Select(two => new string(two)))}-{string.Join('.', $"{number}".Chunk(2).Select(two => new string(two)))}-Person";
        resting = rng.Around(preset.Resting, 1.5);
        highest = rng.Between(178, 196);
        weight = rng.Between(58, 88);
        kilowatts = rng.Between(0.25, 0.5);
    }

    public Preset Preset { get; }
    public string Name { get; }
    public string Email { get; }
    /// <summary>No secret: it is made of what anybody can see.</summary>
    public string Password { get; }
    public TimeZoneInfo Zone { get; }

    /// <summary>A thing that measures.</summary>
    public sealed record Device(Guid Id, string Name, string Kind, IReadOnlyDictionary<string, Metric> Metrics);
    public sealed record Metric(string Unit, string? Type = null, bool Counter = false);
    public sealed record Happening(string Kind, string Type, DateTimeOffset From, DateTimeOffset To, IReadOnlyDictionary<string, Amount>? Values = null);
    public sealed record Amount(double Value, string Unit);

    /// <summary>One value, or of a composite one part; parts of one time are one reading.</summary>
    public readonly record struct Reading(string Metric, DateTimeOffset At, double Value);

    public IReadOnlyList<Device> Devices()
    {
        Device Of(string name, string kind, params (string Name, Metric Metric)[] metrics) => new(Rng.Id(seed, number, Preset.Name, name), name, kind, metrics.ToDictionary(one => one.Name, one => one.Metric));
        List<(string, Metric)> watch = [("resting_heart_rate", new("/min", "resting_heart_rate"))];
        if (Preset.Detailed) watch.Add(("heart_rate", new("/min", "heart_rate")));
        if (Preset.Detailed && Preset.Sleep is not null)
            watch.AddRange([("hrv", new("ms", "heart_rate_variability_rmssd")), ("respiratory_rate", new("/min", "respiratory_rate")), ("spo2", new("%", "oxygen_saturation"))]);
        if (Preset.Day) watch.Add(("steps", new("{steps}", "steps")));
        if (Preset is { Day: true, Detailed: true }) watch.AddRange([("energy", new("kcal", "energy")), ("distance", new("m", "distance_walking_running"))]);
        var devices = new List<Device> { Of("Watch", "watch", [.. watch]) };
        if (Preset.Household || Preset.Name == "minimal") devices.Add(Of("Scale", "scale", ("weight", new("kg", "weight"))));
        if (!Preset.Household) return devices;
        devices.Add(Of("Cuff", "blood_pressure_monitor", ("systolic", new("mm[Hg]", "blood_pressure_systolic")), ("diastolic", new("mm[Hg]", "blood_pressure_diastolic")), ("pulse", new("/min"))));
        devices.Add(Of("Electricity meter", "meter", ("reading", new("kWh", null, Counter: true))));
        return devices;
    }

    /// <summary>All readings of a device between two days (the last one included), in requests of at most 10 000.</summary>
    public IEnumerable<IReadOnlyList<Reading>> Readings(Device device, DateOnly from, DateOnly until)
    {
        var batch = new List<Reading>();
        for (var day = from; day <= until; day = day.AddDays(1))
        {
            var ofDay = device.Name switch
            {
                "Watch" => OfWatch(day),
                "Scale" => OfScale(day),
                "Cuff" => OfCuff(day),
                _ => OfMeter(day),
            };
            var added = ofDay.Where(reading => device.Metrics.ContainsKey(reading.Metric)).ToList();
            if (batch.Count + added.Count > PerRequest)
            {
                yield return batch;
                batch = [];
            }
            batch.AddRange(added);
        }
        if (batch.Count > 0) yield return batch;
    }

    /// <summary>Nights and workouts between two days (the last one included), in time.</summary>
    public IEnumerable<Happening> Happenings(DateOnly from, DateOnly until)
    {
        for (var day = from; day <= until; day = day.AddDays(1))
        {
            foreach (var stage in Night(day)) yield return new("sleep", stage.Name, Local(stage.From), Local(stage.To));
            foreach (var (training, begin, end) in Workouts(day))
            {
                var minutes = (end - begin).TotalMinutes;
                var values = new Dictionary<string, Amount> { ["energy"] = new(Math.Round(minutes * training.Kcal), "kcal") };
                if (training.Speed > 0) values["distance"] = new(Math.Round(minutes * training.Speed), "m");
                yield return new("workout", training.Type, Local(begin), Local(end), values);
            }
        }
    }

    private Rng Of(DateOnly day, string what) => new(seed, number, Preset.Name, day.DayNumber, what);

    /// <summary>A time by the person's clock as an instant; one that the clock jumps over is the hour after.</summary>
    private DateTimeOffset Instant(DateTime local)
    {
        if (Zone.IsInvalidTime(local)) local = local.AddHours(1);
        return new DateTimeOffset(DateTime.SpecifyKind(local, DateTimeKind.Unspecified), Zone.GetUtcOffset(local)).ToUniversalTime();
    }

    private DateTimeOffset Local(DateTimeOffset instant) => TimeZoneInfo.ConvertTime(instant, Zone);

    /// <summary>The night that ends on this day.</summary>
    private (DateTimeOffset From, DateTimeOffset To)? InBed(DateOnly day)
    {
        if (Preset.Sleep is not { } sleep) return null;
        var (rng, weekend) = (Of(day, "night"), day.DayOfWeek is DayOfWeek.Saturday or DayOfWeek.Sunday);
        var bed = Math.Clamp(rng.Around(sleep.Bed + (weekend ? sleep.WeekendBed : 0), sleep.Spread), -4.5, 5);
        var length = Math.Clamp(rng.Around(sleep.Length + (weekend ? sleep.WeekendLength : 0), sleep.Spread), 2.5, 11);
        var from = Instant(day.ToDateTime(TimeOnly.MinValue).AddMinutes(Math.Round(bed * 60)));
        return (from, from.AddMinutes(Math.Round(length * 60)));
    }

    /// <summary>Cycles of about an hour and a half: light, deep (less with each), light, dreams (more with each), now and then awake.</summary>
    private List<(string Name, DateTimeOffset From, DateTimeOffset To)> Night(DateOnly day)
    {
        if (InBed(day) is not var (from, to)) return [];
        if (!Preset.Detailed) return [("sleeping", from, to)];
        var (rng, stages, at) = (Of(day, "stages"), new List<(string, DateTimeOffset, DateTimeOffset)> { ("in_bed", from, to) }, from);
        void Add(string name, double minutes)
        {
            var end = at.AddMinutes(Math.Max(1, Math.Round(minutes)));
            if (end > to) end = to;
            if (end > at) stages.Add((name, at, end));
            at = end;
        }
        Add("awake", rng.Between(4, 22));
        for (var cycle = 0; at < to; cycle++)
        {
            Add("light", rng.Around(24, 5));
            Add("deep", rng.Around(Math.Max(4, 34 - 9 * cycle), 4));
            Add("light", rng.Around(20, 5));
            Add("rem", rng.Around(10 + 7 * cycle, 3));
            if (rng.Chance(0.35)) Add("awake", rng.Between(2, 9));
        }
        return stages;
    }

    private List<(Training Training, DateTimeOffset From, DateTimeOffset To)> Workouts(DateOnly day)
    {
        var (rng, all) = (Of(day, "workouts"), new List<(Training, DateTimeOffset, DateTimeOffset)>());
        if (!Preset.Day) return all;
        // Harder days and easier ones, three weeks up and one to recover, as plans have it.
        var load = (day.DayNumber / 7 % 4) switch { 0 => 0.85, 1 => 1.0, 2 => 1.15, _ => 0.6 };
        foreach (var training in Preset.Workouts)
        {
            if (!rng.Chance(training.PerWeek / 7)) continue;
            var begin = Instant(day.ToDateTime(TimeOnly.MinValue).AddMinutes(Math.Round(rng.Between(17, 18.2) * 60)));
            if (all.Count > 0) begin = all[^1].Item3.AddMinutes(Math.Round(rng.Between(5, 15)));
            if (all.Count < 2) all.Add((training, begin, begin.AddMinutes(Math.Max(15, Math.Round(rng.Around(training.Minutes * load, training.Minutes * 0.15))))));
        }
        return all;
    }

    private IEnumerable<Reading> OfWatch(DateOnly day)
    {
        var rng = Of(day, "watch");
        // From midnight to midnight by the clock: 23 hours once a year, and 25.
        DateTimeOffset begin = Instant(day.ToDateTime(TimeOnly.MinValue)), end = Instant(day.AddDays(1).ToDateTime(TimeOnly.MinValue));
        var nights = new[] { InBed(day), InBed(day.AddDays(1)) }.OfType<(DateTimeOffset From, DateTimeOffset To)>().ToList();
        var workouts = Workouts(day);
        var tired = InBed(day) is var (from, to) ? Math.Clamp(7.5 - (to - from).TotalHours, -1.5, 4) : 0;
        var strained = Workouts(day.AddDays(-1)).Sum(one => (one.To - one.From).TotalMinutes * one.Training.Effort) / 60;
        var todays = Math.Max(resting - 5, rng.Around(resting + 1.1 * tired + 0.9 * strained, 0.8));

        if (Preset.Detailed)
        {
            foreach (var reading in HeartAndNight(rng, begin, end, nights, workouts, todays)) yield return reading;
        }
        if (InBed(day) is var (_, woke)) yield return new("resting_heart_rate", Local(woke), Math.Round(todays));
        else yield return new("resting_heart_rate", Local(end.AddMinutes(-1)), Math.Round(todays));
        if (!Preset.Day) yield break;

        var goal = Math.Max(800, rng.Around(Preset.Steps * (day.DayOfWeek is DayOfWeek.Sunday ? 0.8 : 1), Preset.Steps * 0.22));
        if (!Preset.Detailed)
        {
            yield return new("steps", Local(end.AddMinutes(-1)), Math.Round(goal));
            yield break;
        }
        for (var at = begin; at < end; at = at.AddMinutes(15))
        {
            var (hour, chance) = (Local(at).Hour, rng.Next());
            var working = workouts.FirstOrDefault(one => one.From < at.AddMinutes(15) && one.To > at).Training;
            var asleep = nights.Any(night => night.From <= at && night.To > at) || nights.Count == 0 && hour is < 7 or > 22;
            var pace = hour switch { < 6 => 0.02, 7 or 8 or 12 or 17 or 18 => 1.9, < 22 => 0.9, _ => 0.25 } / 58;
            var steps = asleep ? 0 : working is { Speed: > 60 and < 300 } ? 15 * working.Speed * (working.Type == "walking" ? 1.3 : 0.95) : goal * pace * (chance < 0.25 ? 0 : 1.33 * rng.Between(0.3, 1.7));
            if (steps >= 1)
            {
                yield return new("steps", Local(at), Math.Round(steps));
                yield return new("distance", Local(at), Math.Round(steps * 0.74));
            }
            var kcal = (working is null ? 0 : 15 * working.Kcal) + steps * 0.04;
            if (kcal >= 1) yield return new("energy", Local(at), Math.Round(kcal, 1));
        }
    }

    private IEnumerable<Reading> HeartAndNight(Rng rng, DateTimeOffset begin, DateTimeOffset end,
        List<(DateTimeOffset From, DateTimeOffset To)> nights, List<(Training Training, DateTimeOffset From, DateTimeOffset To)> workouts, double todays)
    {
        var drift = 0.0;
        for (var at = begin; at < end; at = at.AddMinutes(1))
        {
            var working = workouts.FirstOrDefault(one => one.From <= at && one.To > at);
            var night = nights.FirstOrDefault(one => one.From <= at && one.To > at);
            var minute = (int)(at - begin).TotalMinutes;
            // Each five minutes, and each minute while there is something to see.
            if (working.Training is null && minute % 5 != 0) continue;
            if (night == default && !Preset.Day) continue;
            if (night == default && Preset.Sleep is null && Local(at).Hour is < 7 or > 22) continue;

            drift = 0.85 * drift + rng.Around(0, 1.4);
            double rate;
            if (working.Training is { } training)
            {
                var (into, over) = ((at - working.From).TotalMinutes, highest - todays);
                // It takes some minutes to get there, and rises slowly while it lasts.
                rate = todays + over * training.Effort * (1 - Math.Exp(-(into + 1) / 3)) * (1 + into / 900) + 2 * drift;
            }
            else
            {
                var after = workouts.Where(one => one.To <= at).Select(one => (at - one.To).TotalMinutes).DefaultIfEmpty(999).Min();
                var recovering = 45 * Math.Exp(-after / 12);
                rate = night != default
                    ? todays - 3 + 5 * Math.Exp(-(at - night.From).TotalHours) + drift
                    : todays + 14 + 6 * Math.Sin((Local(at).TimeOfDay.TotalHours - 9) / 24 * 2 * Math.PI) + recovering + 2.2 * drift + (rng.Chance(0.1) ? rng.Between(5, 25) : 0);
            }
            yield return new("heart_rate", Local(at), Math.Round(Math.Clamp(rate, 36, highest)));
            if (night == default || minute % 30 != 0) continue;
            yield return new("hrv", Local(at), Math.Round(Math.Clamp(rng.Around(110 - todays, 9), 12, 180)));
            yield return new("respiratory_rate", Local(at), Math.Round(Math.Clamp(rng.Around(14.2, 0.9), 9, 22), 1));
            yield return new("spo2", Local(at), Math.Round(Math.Clamp(rng.Around(96.6, 0.9), 90, 100)));
        }
    }

    // A slow wave over the year, and what one has drunk.
    private IEnumerable<Reading> OfScale(DateOnly day)
    {
        var rng = Of(day, "scale");
        if (!rng.Chance(Preset.Household ? 0.85 : 1.0 / 7)) yield break;
        var at = Local(Instant(day.ToDateTime(TimeOnly.MinValue).AddMinutes(Math.Round(rng.Between(7 * 60, 8 * 60)))));
        yield return new("weight", at, Math.Round(weight + 1.6 * Math.Sin(day.DayNumber / 365.25 * 2 * Math.PI) + rng.Around(0, 0.35), 1));
    }

    private IEnumerable<Reading> OfCuff(DateOnly day)
    {
        foreach (var (hour, higher) in new[] { (7.5, 0.0), (21.0, 4.0) })
        {
            var rng = Of(day, $"cuff {hour}");
            if (!rng.Chance(0.9)) continue;
            var at = Local(Instant(day.ToDateTime(TimeOnly.MinValue).AddMinutes(Math.Round(hour * 60 + rng.Between(0, 40)))));
            var systolic = Math.Round(rng.Around(119 + higher, 5));
            yield return new("systolic", at, systolic);
            yield return new("diastolic", at, Math.Round(systolic * 0.64 + rng.Around(0, 2.5)));
            yield return new("pulse", at, Math.Round(rng.Around(resting + 6, 3)));
        }
    }

    // A register only grows: it is a sum in closed form, whose slope is what the house takes in that hour.
    private IEnumerable<Reading> OfMeter(DateOnly day)
    {
        DateTimeOffset begin = Instant(day.ToDateTime(TimeOnly.MinValue)), end = Instant(day.AddDays(1).ToDateTime(TimeOnly.MinValue));
        for (var at = begin; at < end; at = at.AddHours(1))
        {
            var hours = (at - DateTimeOffset.UnixEpoch).TotalHours;
            double daily = hours * 2 * Math.PI / 24, yearly = hours * 2 * Math.PI / 8766;
            yield return new("reading", Local(at), Math.Round(kilowatts * (hours - 350_000 - 0.6 * Math.Cos(daily - 2) * 24 / (2 * Math.PI) + 0.3 * Math.Sin(yearly) * 8766 / (2 * Math.PI)), 2));
        }
    }
}
