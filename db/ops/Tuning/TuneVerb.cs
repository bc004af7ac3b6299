using System.CommandLine;

namespace OpenReadings.Ops.Tuning;

/// <summary>Settings of a server for a machine, as lines for postgresql.conf. Asks nothing and changes nothing.</summary>
internal static class TuneVerb
{
    public static Command Verb()
    {
        var ram = new Option<long>("--ram")
        {
            Description = "Memory of the machine", HelpName = "16GB", Required = true,
            CustomParser = result =>
            {
                if (Machine.Bytes(result.Tokens[0].Value) is { } bytes) return bytes;
                result.AddError($"--ram: {result.Tokens[0].Value} is no size. Write 512MB or 16GB.");
                return default;
            },
        };
        var cpu = new Option<int>("--cpu") { Description = "Its cores", Required = true };
        var connections = new Option<int>("--conns") { Description = "Connections at once", DefaultValueFactory = _ => 100 };
        var disk = new Option<Disk>("--disk") { Description = "Its disk", DefaultValueFactory = _ => Disk.Ssd };
        var verb = new Command("tune", "Settings for a machine, with the memory they can take at the worst") { ram, cpu, connections, disk };
        return verb.Runs((line, _, _) =>
        {
            var machine = new Machine(line.GetValue(ram), line.GetValue(cpu), line.GetValue(connections), line.GetValue(disk));
            return Task.FromResult((Exit.Ok, ServerTuning.For(machine)));
        });
    }
}
