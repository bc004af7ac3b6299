using System.Collections.Concurrent;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// The memory that bodies take while they are read and stored: bounded for all together (<c>Limits:BodyBytes</c>, 256 MB)
/// and to a quarter of it for one person, so that nobody can take it all. A body of 16 KB is never refused: a flood of
/// large ones does not hold up the small ones. Refused is what comes too much, with 503 and Retry-After.
/// </summary>
public sealed class BodyMemory(IConfiguration config)
{
    private readonly long most = config.GetValue("Limits:BodyBytes", 256L << 20);
    private readonly ConcurrentDictionary<Guid, long> people = new();
    private long taken;

    /// <summary>What the bodies of this person take now, beyond the first 16 KB of each.</summary>
    public long TakenBy(Guid user) => people.GetValueOrDefault(user);

    /// <summary>For one body of this person. Disposing gives back what it took.</summary>
    public Share Begin(Guid user) => new(this, user);

    private void Take(Guid user, long bytes)
    {
        var own = people.AddOrUpdate(user, bytes, (_, before) => before + bytes);
        if (Interlocked.Add(ref taken, bytes) <= most && own <= most / 4) return;
        Return(user, bytes);
        throw new ProblemException(503, "busy", "Too many large bodies are being read at this moment, and nothing of this one was stored. Send it again.");
    }

    private void Return(Guid user, long bytes)
    {
        Interlocked.Add(ref taken, -bytes);
        if (people.AddOrUpdate(user, 0, (_, before) => before - bytes) == 0) people.TryRemove(KeyValuePair.Create(user, 0L));
    }

    /// <summary>What one body takes.</summary>
    public sealed class Share : IDisposable
    {
        private readonly BodyMemory memory;
        private readonly Guid user;
        private long bytes;

        internal Share(BodyMemory memory, Guid user) => (this.memory, this.user) = (memory, user);

        /// <summary>So many bytes more; 503 when there is no room for them.</summary>
        public void Grow(long more)
        {
            memory.Take(user, more);
            bytes += more;
        }

        public void Dispose()
        {
            if (bytes > 0) memory.Return(user, bytes);
            bytes = 0;
        }
    }
}
