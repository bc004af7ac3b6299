using System.Net;
using System.Net.Sockets;

namespace OpenReadings.Support;

/// <summary>For whoever has to know its port before it listens.</summary>
public static class Ports
{
    /// <summary>Below those that the kernel gives to connections: one of them would be gone before it is used.</summary>
    public static int Free()
    {
        while (true)
        {
            using var listener = new TcpListener(IPAddress.Loopback, Random.Shared.Next(20_000, 32_000));
            try
            {
                listener.Start();
                return ((IPEndPoint)listener.LocalEndpoint).Port;
            }
            catch (SocketException) { }
        }
    }
}
