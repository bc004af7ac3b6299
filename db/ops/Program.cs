using System.CommandLine;
using System.Runtime.InteropServices;
using OpenReadings.Ops;

var line = Cli.Build().Parse(args);
if (line.Errors.Count > 0)
{
    foreach (var error in line.Errors) Console.Error.WriteLine(error.Message);
    Console.Error.WriteLine("ops --help says what there is.");
    return (int)Exit.Usage;
}

using var stop = new CancellationTokenSource();
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
var settings = new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false };
return await line.InvokeAsync(settings, stop.Token);

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
