using Npgsql;

namespace OpenReadings.Benchmarks;

/// <summary>What the measurements share.</summary>
internal sealed class Bench(Platform platform, Options options) : IDisposable
{
    private Task<Year>? year;
    private Task? grown;

    public Platform Platform => platform;
    public bool IsQuick => options.IsQuick;
    public string? Export => options.Export;
    public int Rounds => IsQuick ? 2 : 5;

    /// <summary>A person with a year of readings, loaded when first asked for.</summary>
    public Task<Year> YearAsync() => year ??= Year.LoadAsync(this);

    /// <summary>The same person in a second database, among a thousand others.</summary>
    public async Task GrownAsync() => await (grown ??= Grown.StartAsync(platform, await YearAsync()));

    /// <summary>Leaves no dirty page of what went before to be written while the next thing is timed.</summary>
    public Task SettleAsync() => platform.QueryAsync<object>("checkpoint");

    public void Dispose()
    {
        if (year is { IsCompletedSuccessfully: true }) year.Result.Dispose();
    }
}

/// <summary>Waits until the relay has sent everything.</summary>
internal sealed class Outbox : IDisposable
{
    private readonly NpgsqlConnection connection;
    private readonly NpgsqlCommand isFull;

    public Outbox(Platform platform)
    {
        connection = new NpgsqlConnection(platform.AsSuperuser("readings"));
        connection.Open();
        // By the index: the table is full of rows that are gone, and to look at them would disturb what is measured.
        isFull = new NpgsqlCommand("select exists (select from outbox order by id limit 1)", connection);
        isFull.Prepare();
    }

    public void WaitUntilEmpty()
    {
        while ((bool)isFull.ExecuteScalar()!) Thread.Sleep(5);
    }

    public void Dispose()
    {
        isFull.Dispose();
        connection.Dispose();
    }
}

internal static class Clients
{
    /// <summary>Two clients begin at the same moment; the seconds until both are through.</summary>
    public static double Run(Action<int> work, Action? afterwards = null)
    {
        using var begin = new Barrier(3);
        var clients = Enumerable.Range(0, 2).Select(client => Task.Factory.StartNew(() =>
        {
            begin.SignalAndWait();
            work(client);
        }, TaskCreationOptions.LongRunning)).ToArray();
        begin.SignalAndWait();
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        Task.WaitAll(clients);
        afterwards?.Invoke();
        return System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds;
    }
}
