using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using OpenReadings.Seed;

// Made-up people for a platform of one's own: ./dev seed.
var presets = string.Join('\n', Preset.All.Select(one => $"  {one.Name,-18} {one.What}"));
var preset = new Option<string>("--preset") { Description = "What all of them are like [default: one after the other of the nine]", HelpName = "NAME" };
preset.AcceptOnlyFromAmong([.. Preset.All.Select(one => one.Name)]);
Option<int?> users = Number("--users", "How many people [default: 9]", 1, 1000), years = Number("--years", "How many years of readings [default: 1]", 1, 20), seed = Number("--seed", "Another number, other people [default: 1]", 0, int.MaxValue);
var until = new Option<DateOnly?>("--until")
{
    Description = "The last day of readings; a day is the same day whenever it is asked for [default: yesterday]", HelpName = "2026-01-31",
    CustomParser = given => DateOnly.TryParseExact(given.Tokens[0].Value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) && day < Today()
        ? day : Wrong<DateOnly?>(given, $"--until is a day that is over, such as 2026-01-31, and not {given.Tokens[0].Value}."),
};
var edge = new Option<string>("--edge") { Description = "The platform [default: http://127.0.0.1:7100]", HelpName = "URL" };
var command = new RootCommand($"Makes people up, with what they measured, and gives it to the platform over HTTP. Again with the same seed: the same.\n\nPresets:\n{presets}") { preset, users, years, seed, until, edge };
command.SetAction(async (line, ct) =>
{
    try
    {
        await RunAsync(line.GetValue(preset), line.GetValue(users) ?? 9, line.GetValue(years) ?? 1, line.GetValue(seed) ?? 1, line.GetValue(until) ?? Today().AddDays(-1), line.GetValue(edge) ?? "http://127.0.0.1:7100", ct);
        return 0;
    }
    catch (SeedException e)
    {
        await Console.Error.WriteLineAsync(e.Message);
        return 2;
    }
});
var given = command.Parse(args);
foreach (var error in given.Errors) await Console.Error.WriteLineAsync(error.Message);
return given.Errors.Count > 0 ? 2 : await given.InvokeAsync();

static async Task RunAsync(string? preset, int users, int years, int seed, DateOnly until, string edge, CancellationToken ct)
{
    if (!Uri.TryCreate(edge, UriKind.Absolute, out var address)) throw new SeedException($"--edge is a URL such as http://127.0.0.1:7100, and not {edge}.");
    using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = address, Timeout = TimeSpan.FromMinutes(2) };
    var (platform, clock) = (new Platform(http), Stopwatch.StartNew());
    await platform.RefuseProductionAsync(ct);
    var people = Enumerable.Range(1, users).Select(number => new Person(seed, number,
        preset is null ? Preset.All[(number - 1) % Preset.All.Count] : Preset.All.Single(one => one.Name == preset))).ToList();
    var stored = new Platform.Stored[users];
    var done = 0;
    await Parallel.ForEachAsync(people.Index(), new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = ct }, async (one, ct) =>
    {
        stored[one.Index] = await platform.GiveAsync(one.Item, until.AddYears(-years).AddDays(1), until, ct);
        await Console.Error.WriteLineAsync($"{Interlocked.Increment(ref done)}/{users} {one.Item.Preset.Name}: {stored[one.Index].New:N0} new, {stored[one.Index].Unchanged:N0} known, {clock.Elapsed.TotalSeconds:F0} s");
    });

    Console.WriteLine($"{"e-mail",-46} {"password",-26} {"preset",-18} {"time zone",-20} {"new",10} {"known",10}");
    foreach (var (index, person) in people.Index())
        Console.WriteLine($"{person.Email,-46} {person.Password,-26} {person.Preset.Name,-18} {person.Zone.Id,-20} {stored[index].New,10:N0} {stored[index].Unchanged,10:N0}");
}

static Option<int?> Number(string name, string what, int least, int most) => new(name)
{
    Description = what, HelpName = "N",
    CustomParser = given => int.TryParse(given.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
        ? number : Wrong<int?>(given, $"{name} is a number from {least} to {most}, and not {given.Tokens[0].Value}."),
};

static DateOnly Today() => DateOnly.FromDateTime(DateTime.UtcNow);

static T? Wrong<T>(System.CommandLine.Parsing.ArgumentResult given, string why)
{
    given.AddError(why);
    return default;
}
