using System.CommandLine;

namespace OpenReadings.Migrator;

/// <summary>Prints the schema as db/schema keeps it, for a review.</summary>
internal static class Dump
{
    public static Command Verb(Cli cli)
    {
        var verb = new Command("dump", "Print the schema, without what differs from server to server");
        verb.SetAction((line, ct) => cli.ForEachAsync(line, "dump", (target, log) =>
            Turn.LookAsync(target, "dump", cli.Fill(line, new RunOptions()), log, async (turn, ct) =>
            {
                turn.Report.Document = await Picture.OfAsync(target, ct);
                turn.Report.End(ExitCode.Ok, "dumped");
            }, ct)));
        return verb;
    }
}
