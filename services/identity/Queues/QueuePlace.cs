using OpenReadings.Chassis;

namespace OpenReadings.Identity.Queues;

/// <summary>
/// Where the queues of applications are: a virtual host of their own, in which nothing of the platform is. BrokerManagement (a secret, with user and
/// password) makes them; without it there are none. Integrators:Address says how others reach the broker, and in its path which virtual host it is.
/// </summary>
public sealed class QueuePlace
{
    public QueuePlace(IConfiguration config)
    {
        Platform = new Uri(config["Broker"]!);
        Told = AddressOf(config, "Integrators:Address", "amqp", "amqps") ?? new UriBuilder(Platform.Scheme, Platform.Host, Platform.Port, "integrators").Uri;
        Vhost = Uri.UnescapeDataString(Told.AbsolutePath).Trim('/');
        if (Vhost.Length == 0) throw new StartRefusedException("Integrators:Address names no virtual host: amqps://mq.example.org:5671/integrators.");
        Integrators = new UriBuilder(Platform) { Path = Uri.EscapeDataString(Vhost) }.Uri;
        Management = AddressOf(config, "BrokerManagement", "http", "https");
    }

    /// <summary>Null where the platform makes no queues.</summary>
    public Uri? Management { get; }

    /// <summary>Where the platform's own events are, and where those of applications go.</summary>
    public Uri Platform { get; }
    public Uri Integrators { get; }

    /// <summary>How others reach the broker: no user in it.</summary>
    public Uri Told { get; }
    public string Vhost { get; }

    private static Uri? AddressOf(IConfiguration config, string key, params string[] schemes) => config[key]?.Trim() switch
    {
        null or "" => null,
        var text when Uri.TryCreate(text, UriKind.Absolute, out var address) && schemes.Contains(address.Scheme) => address,
        _ => throw new StartRefusedException($"The setting {key} is no address that begins with {string.Join(":// or ", schemes)}://."),
    };
}
