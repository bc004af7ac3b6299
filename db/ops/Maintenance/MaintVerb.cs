using System.CommandLine;

namespace OpenReadings.Ops.Maintenance;

internal static class MaintVerb
{
    public static Command Verb() => new("maint", "Vacuum and reindex, beside reading and writing") { VacuumVerb.Verb(), ReindexVerb.Verb() };
}
