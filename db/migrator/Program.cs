using System.Runtime.InteropServices;
using OpenReadings.Migrator;

// An evicted pod and an impatient person are the same: the statement is cancelled, and what is open rolls back.
using var stop = new CancellationTokenSource();
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var telemetry = Telemetry.Start();
return await Cli.RunAsync(args, Console.Out, Console.Error, stop.Token);

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
