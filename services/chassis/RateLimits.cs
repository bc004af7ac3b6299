using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace OpenReadings.Chassis;

/// <summary>
/// Requests per minute for each person (or for each address while nobody is signed in), and fewer for sensitive routes
/// by address, where the 2^64 addresses of one IPv6 subscriber (a /64) are one. Counted in each replica. Every answer says what is left, as draft-ietf-httpapi-ratelimit-headers.
/// </summary>
public static class RateLimits
{
    /// <summary>The policy of routes that check or make credentials.</summary>
    public const string Sensitive = "sensitive";

    /// <summary>The policy of routes for programs with a secret: by the client that proves itself, and sensitive for all others.</summary>
    public const string Clients = "clients";
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    internal static void Add(IServiceCollection services, IConfiguration config)
    {
        int perUser = config.GetValue("Limits:RequestsPerMinute", 6000), perAddress = config.GetValue("Limits:AddressPerMinute", 6000);
        int sensitive = config.GetValue("Limits:SensitivePerMinute", 300), perClient = config.GetValue("Limits:ClientPerMinute", 6000);
        var global = PartitionedRateLimiter.Create<HttpContext, string>(http => http.Features.Get<VerifiedToken>() is { } token
            ? Of($"user {token.Subject}", perUser)
            : Of($"address {NetworkOf(http)}", perAddress));
        services.AddSingleton(new Allowance(global, perUser, perAddress));
        services.AddRateLimiter(options =>
        {
            options.GlobalLimiter = global;
            // Proof costs the one who has it nothing, and nobody else gets into its budget.
            options.AddPolicy(Clients, http => http.RequestServices.GetRequiredService<IProveClients>().ClientOf(http.Request) is { } client
                ? Of($"client {client}", perClient)
                : Of($"sensitive {NetworkOf(http)}", sensitive));
            options.AddPolicy(Sensitive, http => Of($"sensitive {NetworkOf(http)}", sensitive));
            options.OnRejected = async (context, ct) =>
            {
                var wait = context.Lease.TryGetMetadata(MetadataName.RetryAfter, out var after) ? after : Window;
                context.HttpContext.Response.Headers.RetryAfter =
                    Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
                await Problems.AnswerAsync(context.HttpContext, context.HttpContext.GetEndpoint(),
                    Problems.Of(429, "quota-exceeded", "Too many requests. Wait as long as Retry-After says."));
            };
        });
    }

    internal static void UseHeaders(WebApplication app) => app.Use(async (http, next) =>
    {
        var allowance = http.RequestServices.GetRequiredService<Allowance>();
        var signedIn = http.Features.Get<VerifiedToken>() is not null;
        var (name, quota) = signedIn ? ("user", allowance.PerUser) : ("address", allowance.PerAddress);
        var left = allowance.Limiter.GetStatistics(http)?.CurrentAvailablePermits ?? quota;
        http.Response.Headers["RateLimit-Policy"] = string.Create(CultureInfo.InvariantCulture, $"\"{name}\";q={quota};w={(int)Window.TotalSeconds}");
        http.Response.Headers["RateLimit"] = string.Create(CultureInfo.InvariantCulture, $"\"{name}\";r={Math.Max(0, left - 1)}");
        await next(http);
    });

    /// <summary>Where a request comes from, as far as it tells one subscriber from another: an IPv4 address, an IPv6 /64.</summary>
    public static IPNetwork NetworkOf(HttpContext http)
    {
        var address = http.Connection.RemoteIpAddress ?? IPAddress.None;
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (address.AddressFamily == AddressFamily.InterNetwork) return new(address, 32);
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        bytes[8..].Clear();
        return new(new IPAddress(bytes), 64);
    }

    private static RateLimitPartition<string> Of(string key, int permits) => RateLimitPartition.GetFixedWindowLimiter(
        key, _ => new FixedWindowRateLimiterOptions { PermitLimit = permits, Window = Window, QueueLimit = 0 });

    /// <summary>Of a service that has clients: which of them a request proves to come from; null for none.</summary>
    public interface IProveClients
    {
        string? ClientOf(HttpRequest request);
    }

    internal sealed record Allowance(PartitionedRateLimiter<HttpContext> Limiter, int PerUser, int PerAddress);
}
