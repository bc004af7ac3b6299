using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace OpenReadings.Migrator.Tests;

public sealed class PoolerTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pooler_in_between_is_refused_at_once()
    {
        await using var service = await TestService.CreateAsync();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var pooling = PoolAsync(listener);
        var address = new NpgsqlConnectionStringBuilder(service.ConnectionString("migrator"))
        {
            Host = "127.0.0.1",
            Port = ((IPEndPoint)listener.LocalEndpoint).Port,
        };

        var report = await Wait.RunAsync(
            service.Target with { ConnectionString = address.ConnectionString }, new Patience(), service.AddToLog, Ct);
        await pooling;

        Assert.Equal(ExitCode.Usage, report.Exit);
        Assert.StartsWith("A connection pooler stands in between", report.Message, StringComparison.Ordinal);
        Assert.Empty(service.Log);
    }

    // What every pooler does: it gives its clients a process id of its own, and not that of the server behind it.
    private static async Task PoolAsync(TcpListener listener)
    {
        using var client = await listener.AcceptTcpClientAsync(Ct);
        using var server = new TcpClient(TestService.Superuser.Host!, TestService.Superuser.Port);
        var forward = client.GetStream().CopyToAsync(server.GetStream(), Ct);
        var buffer = new byte[65536];
        int length;
        while ((length = await server.GetStream().ReadAsync(buffer, Ct)) > 0)
        {
            var key = buffer.AsSpan(0, length).IndexOf("K\0\0\0\f"u8);
            if (key >= 0) buffer[key + 5] ^= 1;
            await client.GetStream().WriteAsync(buffer.AsMemory(0, length), Ct);
            if (forward.IsCompleted) break;
        }
    }
}
