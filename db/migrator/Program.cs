using System.CommandLine;
using System.Runtime.InteropServices;
using OpenReadings.Migrator;

var line = new Cli().Build().Parse(args);
if (line.Errors.Count > 0)
{
    foreach (var error in line.Errors) Console.Error.WriteLine(error.Message);
    Console.Error.WriteLine("migrate --help says what there is.");
    if (args.Contains("json"))
        Console.WriteLine(Report.OfUsage(string.Join(' ', line.Errors.Select(error => error.Message))));
    return (int)ExitCode.Usage;
}

// An evicted pod and an impatient person are the same: the statement is cancelled, and what is open rolls back.
using var stop = new CancellationTokenSource();
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var telemetry = Telemetry.Start();
var settings = new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false };
return await line.InvokeAsync(settings, stop.Token);

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
