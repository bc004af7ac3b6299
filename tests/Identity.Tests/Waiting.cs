namespace OpenReadings.Identity.Tests;

/// <summary>For what comes of itself, and soon: after an answer is out, or by a round in the background.</summary>
public static class Waiting
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    public static Task UntilAsync(Func<bool> holds) => UntilAsync(() => Task.FromResult(holds()));

    public static async Task UntilAsync(Func<Task<bool>> holds)
    {
        var ct = TestContext.Current.CancellationToken;
        for (var since = TimeProvider.System.GetTimestamp(); !await holds(); await Task.Delay(20, ct))
            if (TimeProvider.System.GetElapsedTime(since) > Patience) throw new TimeoutException();
    }
}
