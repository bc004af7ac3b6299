using System.CommandLine;

namespace OpenReadings.Ops.Sessions;

/// <summary>What is slow now and what was slow on the whole, for each database.</summary>
internal static class SlowVerb
{
    internal sealed record Answer(IReadOnlyList<Slow> Databases)
    {
        public override string ToString() => string.Join("\n\n", Databases);
    }

    public static Command Verb()
    {
        var top = new Option<int>("--top") { Description = "How many of each", DefaultValueFactory = _ => 10 };
        return new Command("slow", "Statements that run now, and those that have taken the most time") { Place.Which, top }.Runs(async (line, _, ct) =>
        {
            List<Slow> databases = [];
            foreach (var place in Place.Of(line))
            {
                await using var database = await place.OpenAsync(ct);
                databases.Add(await Slow.ReadAsync(database, line.GetValue(top), ct));
            }
            return (Exit.Ok, new Answer(databases));
        });
    }
}
