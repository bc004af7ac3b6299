namespace OpenReadings.Chassis;

/// <summary>What was published and the broker has not confirmed yet. The library's own tracking was seen to stall for ever, and marks every message.</summary>
public sealed class Confirms(ulong first, int count)
{
    private readonly TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<ulong> open = [.. Enumerable.Range(0, count).Select(i => first + (ulong)i)];

    /// <summary>Done when all are confirmed; fails with the first that is not.</summary>
    public Task All => done.Task;

    public void Confirm(ulong tag, bool multiple)
    {
        lock (open)
        {
            if (multiple) open.RemoveWhere(candidate => candidate <= tag);
            else open.Remove(tag);
            if (open.Count == 0) done.TrySetResult();
        }
    }

    public void Fail(Exception why)
    {
        if (done.TrySetException(why)) _ = done.Task.Exception;   // seen, also when nobody awaits any more
    }
}
