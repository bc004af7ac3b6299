using System.ComponentModel;
using System.Security.Cryptography;
using System.Threading.Channels;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Passwords;

/// <summary>
/// Hashes and checks passwords in a process of its own, on threads that give way to everybody else's. One hash takes tens of milliseconds of a
/// core and 19 MiB: sign-ins may fill these threads and a short queue (then 503 <c>busy</c>), but never what serves everybody else.
/// </summary>
public sealed class PasswordHasher : IHostedService, IDisposable
{
    // One core less than there are; where many share little memory, a quarter of that.
    private static readonly int UsualThreads = (int)Math.Clamp(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4 / Argon2.Memory, 1, Math.Max(1, Environment.ProcessorCount - 1));
    private readonly ILogger<PasswordHasher> log;
    private readonly HashingProcess process;
    private readonly Channel<Func<Task>> waiting;
    private readonly int threads;
    private string nobodys = "";
    private long done;

    public PasswordHasher(IConfiguration config, ILogger<PasswordHasher> log)
    {
        this.log = log;
        threads = Math.Max(1, config.GetValue("Passwords:Threads", UsualThreads));
        process = new(threads, config.GetValue("Passwords:Niceness", 19));
        waiting = Channel.CreateBounded<Func<Task>>(config.GetValue("Passwords:Waiting", 50));
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        Argon2.Prepare();                                   // a machine without libsodium says so now
        try
        {
            nobodys = await process.HashAsync(Guid.NewGuid().ToString()).WaitAsync(cancellationToken);     // at the first sign-in it would show in that one's time
        }
        catch (Exception e) when (e is IOException or Win32Exception)
        {
            throw new StartRefusedException($"The process that hashes passwords does not run: {e.Message}");
        }
        for (var i = 0; i <= threads; i++) _ = WorkAsync();      // one more than are hashed at a time: it is there when one of them is done
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>How many were hashed or checked: a sign-in does one, whether the account exists or not.</summary>
    public long Done => Interlocked.Read(ref done);

    /// <summary>Of the process that does it.</summary>
    public int? ProcessId => process.Id;

    public Task<string> HashAsync(string password, CancellationToken ct) => RunAsync(() => process.HashAsync(password), ct);

    /// <summary>Of a password that nobody knows: whoever wants one chooses it by mail.</summary>
    public Task<string> HashNobodysAsync(CancellationToken ct) => HashAsync(Convert.ToHexString(RandomNumberGenerator.GetBytes(32)), ct);

    /// <summary>A hash of null stands for no account: the same work is done, and the answer is no.</summary>
    public async Task<bool> IsRightAsync(string? hash, string password, CancellationToken ct) =>
        await RunAsync(() => process.VerifyAsync(hash ?? nobodys, password), ct) && hash is not null;

    private Task<T> RunAsync<T>(Func<Task<T>> work, CancellationToken ct)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var taken = waiting.Writer.TryWrite(async () =>
        {
            // Nobody waits for it any more: the work would only hold up those who still do.
            if (ct.IsCancellationRequested)
            {
                result.TrySetCanceled(ct);
                return;
            }
            try
            {
                var answer = await work();
                Interlocked.Increment(ref done);            // before the caller goes on, who may ask for the number
                result.TrySetResult(answer);
            }
            catch (Exception e) when (e is IOException or Win32Exception)
            {
                log.LogWarning("A password was not hashed: {Reason}", e.Message);
                result.TrySetException(Busy());
            }
            catch (Exception e) { result.TrySetException(e); }
        });
        return taken ? result.Task : throw Busy();
    }

    private async Task WorkAsync()
    {
        await foreach (var work in waiting.Reader.ReadAllAsync()) await work();
    }

    private static ProblemException Busy() => new(503, "busy", "Too many people are signing in. Try again in a moment.");

    public void Dispose()
    {
        waiting.Writer.TryComplete();
        process.Dispose();
    }
}
