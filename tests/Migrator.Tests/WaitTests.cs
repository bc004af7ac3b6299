using System.Net;
using System.Net.Sockets;

namespace OpenReadings.Migrator.Tests;

public sealed class WaitTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_database_that_does_not_answer_is_tried_ten_times_with_a_line_for_each_and_ends_with_1()
    {
        var (log, pauses) = (new List<string>(), 0);
        // Bound and not listening: nobody else can take the port meanwhile.
        using var closed = new Socket(SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));

        var report = await Wait.RunAsync(At(closed), new Patience { PauseAsync = Pause }, log.Add, Ct);

        Assert.Equal((ExitCode.Unreachable, 1, "unreachable"), (report.Exit, report.Code, report.Result));
        Assert.Equal(9, pauses);
        Assert.Equal(10, log.Count);
        Assert.All(log, (line, n) => Assert.Matches(
            $@"^waiting for nothing at 127\.0\.0\.1:\d+, try {n + 1} of 10: Failed to connect", line));

        Task Pause(CancellationToken ct)
        {
            pauses++;
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task A_port_that_is_open_and_says_nothing_is_not_a_database()
    {
        using var silent = new Socket(SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        silent.Listen();
        var log = new List<string>();
        var patience = new Patience
        {
            Attempts = 2,
            ConnectTimeout = TimeSpan.FromMilliseconds(200),
            PauseAsync = _ => Task.CompletedTask,
        };

        Assert.Equal(ExitCode.Unreachable, (await Wait.RunAsync(At(silent), patience, log.Add, Ct)).Exit);
        Assert.Equal(2, log.Count);
    }

    [Fact]
    public async Task A_database_that_comes_up_meanwhile_is_found()
    {
        await using var service = await TestService.CreateAsync(bootstrap: false);
        var log = new List<string>();

        var patience = new Patience { PauseAsync = _ => service.BootstrapAsync() };

        var report = await Wait.RunAsync(service.Target, patience, log.Add, Ct);

        Assert.Equal(ExitCode.Ok, report.Exit);
        Assert.Contains("password authentication failed", Assert.Single(log), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_pause_is_one_to_five_seconds_by_chance_and_ends_when_the_run_is_stopped()
    {
        using var stop = new CancellationTokenSource();
        var pauses = Enumerable.Range(0, 5).Select(_ => new Patience().PauseAsync(stop.Token)).ToList();

        Assert.All(pauses, pause => Assert.False(pause.IsCompleted));
        await stop.CancelAsync();
        foreach (var pause in pauses) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pause);
    }

    [Theory]
    [InlineData("postgres://ada:secret@db/readings")]
    [InlineData("Host=db;Database=readings;Pasword=secret")]
    [InlineData("Host=db;Password=secret")]
    public async Task A_connection_string_that_cannot_be_read_is_never_shown(string text)
    {
        var report = await Wait.RunAsync(new Target("readings", ".", text), new Patience(), _ => { }, Ct);

        Assert.Equal(ExitCode.Usage, report.Exit);
        Assert.DoesNotContain("secret", report.ToString(), StringComparison.Ordinal);
    }

    private static Target At(Socket socket)
    {
        var port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        return new("readings", ".", $"Host=127.0.0.1;Port={port};Database=nothing;Username=nobody;Password=secret");
    }
}
