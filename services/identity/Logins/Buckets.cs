namespace OpenReadings.Identity.Logins;

/// <summary>
/// So many tries for each name, and one more after each pause. In memory that does not grow: names share a place in a table by a hash that
/// nobody outside can compute.
/// </summary>
/// <param name="most">Tries at once.</param>
/// <param name="refill">After which there is one more.</param>
/// <param name="clock">The time.</param>
public sealed class Buckets(int most, TimeSpan refill, TimeProvider clock)
{
    private readonly Lock gate = new();
    private readonly (double Used, long At)[] table = new (double, long)[1 << 17];

    public TimeSpan? Take(string name)
    {
        lock (gate)
        {
            ref var bucket = ref Of(name);
            if (bucket.Used + 1 > most) return (bucket.Used + 1 - most) * refill;
            bucket.Used++;
            return null;
        }
    }

    /// <summary>How long it takes until there is one; null where there is. Takes none.</summary>
    public TimeSpan? WaitOf(string name)
    {
        lock (gate)
        {
            ref var bucket = ref Of(name);
            return bucket.Used + 1 > most ? (bucket.Used + 1 - most) * refill : null;
        }
    }

    public void Return(string name)
    {
        lock (gate)
        {
            ref var bucket = ref Of(name);
            bucket.Used = Math.Max(0, bucket.Used - 1);
        }
    }

    public void Fill(string name)
    {
        lock (gate) Of(name).Used = 0;
    }

    // The framework's hash of a string is keyed anew in each process.
    private ref (double Used, long At) Of(string name)
    {
        ref var bucket = ref table[(uint)name.GetHashCode(StringComparison.Ordinal) % (uint)table.Length];
        var now = clock.GetTimestamp();
        bucket.Used = Math.Max(0, bucket.Used - (clock.GetElapsedTime(bucket.At, now) / refill));
        bucket.At = now;
        return ref bucket;
    }
}
