using System.Collections.Frozen;
using System.Text;

namespace OpenReadings.Sync.Apple;

/// <summary>Apple's workout activities and the workout types they are listed as.</summary>
public static class AppleWorkouts
{
    public const string Prefix = "HKWorkoutActivityType";

    // Those that carry the name of a workout type are that type and stand in Known only.
    private static readonly FrozenDictionary<string, string> Renamed = new Dictionary<string, string>
    {
        ["walking"] = "wheelchair_walk wheelchair_walk_pace",
        ["running"] = "wheelchair_run wheelchair_run_pace track_and_field",
        ["cycling"] = "hand_cycling",
        ["stair_climbing"] = "stairs stair_climbing_machine",
        ["cardio_training"] = "jump_rope cross_training mixed_cardio hiit high_intensity_interval_training mixed_metabolic_cardio_training "
            + "boot_camp exercise_class",
        ["strength_training"] = "core_training functional_strength_training traditional_strength_training calisthenics weightlifting",
        ["aerobics"] = "step_training barre",
        ["gaming"] = "fitness_gaming",
        ["stretching"] = "preparation_and_recovery flexibility cooldown mind_and_body",
        ["dance"] = "cardio_dance social_dance dance_inspired_training dancing",
        ["football"] = "australian_football football_australian",
        ["american_football"] = "football_american",
        ["baseball"] = "softball",
        ["rock_climbing"] = "climbing",
        ["horseback_riding"] = "equestrian equestrian_sports",
        ["alpine_skiing"] = "downhill_skiing skiing",
        ["ice_skating"] = "skating skating_sports",
        ["paddling"] = "paddle_sports",
        ["diving"] = "underwater_diving scuba_diving",
        ["swimming"] = "water_fitness",
        ["boxing"] = "kickboxing",
        ["martial_arts"] = "tai_chi wrestling",
        ["fitness_equipment"] = "gymnastics",
        ["triathlon"] = "swim_bike_run",
        ["indoor_cycling"] = "cycling_stationary",
        ["disc_sports"] = "frisbee_disc",
        ["meditation"] = "guided_breathing",
        ["hockey"] = "ice_hockey roller_hockey",
        ["treadmill"] = "running_treadmill",
        ["open_water_swimming"] = "swimming_open_water",
        ["pool_swimming"] = "swimming_pool",
        ["surfing"] = "surfing_sports",
        ["generic"] = "other",
    }.SelectMany(row => row.Value.Split(' '), (row, name) => (name, row.Key)).ToFrozenDictionary(row => row.name, row => row.Key);

    private static readonly FrozenSet<string> Known = (
        "running trail_running treadmill walking hiking mountaineering cycling mountain_biking indoor_cycling cyclocross swimming "
        + "pool_swimming open_water_swimming strength_training cardio_training fitness_equipment elliptical rowing_machine stair_climbing "
        + "yoga pilates stretching meditation cross_country_skiing alpine_skiing backcountry_skiing downhill_skiing snowboarding "
        + "snowshoeing ice_skating snowmobiling winter_sports snow_sports rowing kayaking canoeing paddling stand_up_paddleboarding "
        + "surfing kitesurfing windsurfing sailing water_polo wakeboarding water_skiing boating water_sports soccer basketball football "
        + "american_football baseball tennis badminton volleyball handball rugby hockey floorball lacrosse cricket squash table_tennis "
        + "padel pickleball racquetball racket_sports boxing martial_arts wrestling fencing rock_climbing indoor_climbing bouldering "
        + "trail_hiking orienteering archery fishing hunting paragliding parkour golf skating inline_skating skateboarding "
        + "horseback_riding gymnastics bowling curling disc_sports triathlon multisport motorcycling motor_sports dance aerobics "
        + "group_exercise e_biking virtual_activity diving snorkeling walking_fitness casual_walking transition team_sports para_sports "
        + "play wheelchair recovery gaming chores lifestyle work operations generic other sport").Split(' ').ToFrozenSet();

    /// <summary>The workout type of <c>HKWorkoutActivityTypeRunning</c>; <c>other</c> for one we do not know.</summary>
    public static string TypeOf(string activity)
    {
        var name = Snake(activity.StartsWith(Prefix, StringComparison.Ordinal) ? activity[Prefix.Length..] : activity);
        if (Renamed.TryGetValue(name, out var type)) return type;
        return Known.Contains(name) ? name : "other";
    }

    /// <summary><c>TableTennis</c> as <c>table_tennis</c>.</summary>
    public static string Snake(string camel)
    {
        var snake = new StringBuilder(camel.Length + 8);
        for (var i = 0; i < camel.Length; i++)
        {
            if (char.IsAsciiLetterUpper(camel[i]) && i > 0 && char.IsAsciiLetterLower(camel[i - 1])) snake.Append('_');
            snake.Append(char.ToLowerInvariant(camel[i]));
        }

        return snake.ToString();
    }
}
