namespace OpenReadings.Seed;

/// <summary>How somebody sleeps: hours by the person's own clock.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Bed">When they go to bed, in hours from midnight; less than 0 is the evening before.</param>
/// <param name="Length">How long they lie there.</param>
/// <param name="Spread">How far both stray, as a standard deviation.</param>
/// <param name="WeekendBed">How much later on nights before Saturday and Sunday.</param>
/// <param name="WeekendLength">How much longer then.</param>
internal sealed record SleepProfile(string Name, double Bed, double Length, double Spread, double WeekendBed = 0, double WeekendLength = 0)
{
    public static readonly SleepProfile Regular = new("regular", -1.2, 7.9, 0.3, 0.4, 0.4);
    public static readonly SleepProfile Athlete = new("athlete", -1.8, 8.6, 0.25, 0.3, 0.3);
    public static readonly SleepProfile Short = new("short", 0.6, 5.2, 0.5, 0.2, 0.3);
    public static readonly SleepProfile CatchUp = new("catch_up", -0.2, 5.9, 0.4, 1.2, 3.6);
    public static readonly SleepProfile Irregular = new("irregular", 0.3, 7.0, 1.5);
}

/// <summary>Something that somebody does again and again.</summary>
/// <param name="Type">The type of the workout, as the importers name it.</param>
/// <param name="PerWeek">How often.</param>
/// <param name="Minutes">How long, on average.</param>
/// <param name="Effort">The share of the heart rate's reserve that it takes.</param>
/// <param name="Speed">Metres a minute; 0 where nobody gets anywhere.</param>
/// <param name="Kcal">Energy a minute.</param>
internal sealed record Training(string Type, double PerWeek, double Minutes, double Effort, double Speed, double Kcal);

/// <summary>A kind of person. The nine are those that Open Wearables has, so that a developer finds them again.</summary>
/// <param name="Name">What <c>--preset</c> takes.</param>
/// <param name="What">One line for the help.</param>
/// <param name="Sleep">Null for somebody who takes the watch off at night.</param>
/// <param name="Day">Whether the watch is worn by day.</param>
/// <param name="Detailed">Whether it is a watch that measures all the time, or one that says something once a day.</param>
/// <param name="Resting">The resting heart rate of a good day.</param>
/// <param name="Steps">Steps of an ordinary day, workouts apart.</param>
/// <param name="Workouts">What they train.</param>
/// <param name="Household">Whether there are a scale, a cuff and a meter as well.</param>
internal sealed record Preset(
    string Name, string What, SleepProfile? Sleep, bool Day, bool Detailed, double Resting, double Steps, IReadOnlyList<Training> Workouts, bool Household = false)
{
    private static readonly Training Run = new("running", 3, 48, 0.72, 175, 12), Ride = new("cycling", 2, 85, 0.62, 460, 9.5), Swim = new("swimming", 1.5, 45, 0.65, 42, 10),
        Strength = new("strength_training", 2, 50, 0.45, 0, 6.5), Box = new("boxing", 3, 60, 0.78, 0, 12.5), Football = new("football", 2, 92, 0.68, 95, 10.5), Walk = new("walking", 2.5, 40, 0.3, 88, 4.6);

    public static readonly IReadOnlyList<Preset> All =
    [
        new("active_athlete", "trains almost every day, sleeps long and well", SleepProfile.Athlete, true, true, 48, 9500, [Run, Ride, Swim, Strength]),
        new("boxer_footballer", "boxes and plays football, hard and in bursts", SleepProfile.Regular, true, true, 53, 8800, [Box, Football]),
        new("sleep_deprived", "five hours a night, and a heart that shows it", SleepProfile.Short, true, true, 71, 5600, [Walk with { PerWeek = 1 }]),
        new("weekend_catchup", "short nights in the week, long ones at its end", SleepProfile.CatchUp, true, true, 65, 6700, [Walk, Run with { PerWeek = 1 }]),
        new("irregular_sleeper", "to bed at any hour", SleepProfile.Irregular, true, true, 67, 6200, [Walk]),
        new("activity_only", "takes the watch off at night", null, true, true, 62, 8200, [Run, Walk]),
        new("sleep_only", "wears it at night and only then", SleepProfile.Regular, false, true, 60, 0, []),
        new("minimal", "a band that says three things a day", SleepProfile.Regular, true, false, 64, 6900, []),
        new("comprehensive", "measures everything, in the house too", SleepProfile.Regular, true, true, 58, 8600, [Run with { PerWeek = 2 }, Ride with { PerWeek = 1 }, Strength, Walk], Household: true),
    ];
}
