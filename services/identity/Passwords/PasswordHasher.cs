using System.Collections.Concurrent;
using System.Security.Cryptography;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Passwords;

/// <summary>
/// Hashes and checks passwords on threads of its own. One hash takes tens of milliseconds of a core and 19 MiB:
/// sign-ins may fill these threads and a short queue (then 503 <c>busy</c>), but never the thread pool that serves
/// everybody else.
/// </summary>
public sealed class PasswordHasher(IConfiguration config) : IHostedService, IDisposable
{
    private readonly int threads = config.GetValue("Passwords:Threads", Math.Max(1, Environment.ProcessorCount - 1));
    private readonly int niceness = config.GetValue("Passwords:Niceness", 19);
    private readonly BlockingCollection<Action> waiting = new(config.GetValue("Passwords:Waiting", 50));
    private readonly Lazy<string> nobodys = new(() => Argon2.Hash(Guid.NewGuid().ToString()));
    private long done;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        Argon2.Prepare();                                   // a machine without libsodium says so now
        _ = nobodys.Value;                                  // at the first sign-in it would show in that one's time
        for (var i = 0; i < threads; i++) new Thread(Work) { IsBackground = true, Name = $"passwords {i}" }.Start();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>How many were hashed or checked: a sign-in does one, whether the account exists or not.</summary>
    public long Done => Interlocked.Read(ref done);

    public Task<string> HashAsync(string password, CancellationToken ct) => RunAsync(() => Argon2.Hash(password), ct);

    /// <summary>Of a password that nobody knows: whoever wants one chooses it by mail.</summary>
    public Task<string> HashNobodysAsync(CancellationToken ct) => HashAsync(Convert.ToHexString(RandomNumberGenerator.GetBytes(32)), ct);

    /// <summary>A hash of null stands for no account: the same work is done, and the answer is no.</summary>
    public async Task<bool> IsRightAsync(string? hash, string password, CancellationToken ct) =>
        await RunAsync(() => Argon2.Verify(hash ?? nobodys.Value, password), ct) && hash is not null;

    private Task<T> RunAsync<T>(Func<T> work, CancellationToken ct)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var taken = waiting.TryAdd(() =>
        {
            // Nobody waits for it any more: the work would only hold up those who still do.
            if (ct.IsCancellationRequested)
            {
                result.TrySetCanceled(ct);
                return;
            }
            try
            {
                var answer = work();
                Interlocked.Increment(ref done);            // before the caller goes on, who may ask for the number
                result.TrySetResult(answer);
            }
            catch (Exception e) { result.TrySetException(e); }
        });
        return taken
            ? result.Task
            : throw new ProblemException(503, "busy", "Too many people are signing in. Try again in a moment.");
    }

    private void Work()
    {
        Scheduling.GiveWay(niceness);
        foreach (var work in waiting.GetConsumingEnumerable()) work();
    }

    public void Dispose() => waiting.CompleteAdding();
}
