using System.CommandLine;

namespace OpenReadings.Ops.Health;

/// <summary>One screen over databases, server and broker. Changes nothing; ends with 3 when there is something to do.</summary>
internal static class DoctorVerb
{
    public static Command Verb() =>
        new Command("doctor", "Look at everything, say what is not well and what to do; exit 3 when there is something") { Place.Which }
            .Runs(async (line, _, ct) =>
            {
                var diagnosis = await Examination.RunAsync(Scope.Of(line) with { History = SizeHistory.Default() }, ct);
                return (diagnosis.Severity == Severity.Ok ? Exit.Ok : Exit.Findings, diagnosis);
            });
}
