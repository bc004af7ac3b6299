using System.Globalization;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace OpenReadings.Chassis;

/// <summary>
/// Requests per minute for each person (or for each address while nobody is signed in), and fewer for sensitive routes
/// by address. Counted in each replica. Every answer says what is left, as draft-ietf-httpapi-ratelimit-headers.
/// </summary>
public static class RateLimits
{
    /// <summary>The policy of routes that check or make credentials.</summary>
    public const string Sensitive = "sensitive";
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    internal static void Add(IServiceCollection services, IConfiguration config)
    {
        int perUser = config.GetValue("Limits:RequestsPerMinute", 6000), perAddress = config.GetValue("Limits:AddressPerMinute", 6000);
        var sensitive = config.GetValue("Limits:SensitivePerMinute", 300);
        var global = PartitionedRateLimiter.Create<HttpContext, string>(http => http.Features.Get<VerifiedToken>() is { } token
            ? Of($"user {token.Subject}", perUser)
            : Of($"address {http.Connection.RemoteIpAddress}", perAddress));
        services.AddSingleton(new Allowance(global, perUser, perAddress));
        services.AddRateLimiter(options =>
        {
            options.GlobalLimiter = global;
            options.AddPolicy(Sensitive, http => Of($"sensitive {http.Connection.RemoteIpAddress}", sensitive));
            options.OnRejected = async (context, ct) =>
            {
                var wait = context.Lease.TryGetMetadata(MetadataName.RetryAfter, out var after) ? after : Window;
                context.HttpContext.Response.Headers.RetryAfter =
                    Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
                await Problems.Of(429, "quota-exceeded", "Too many requests. Wait as long as Retry-After says.").ExecuteAsync(context.HttpContext);
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

    private static RateLimitPartition<string> Of(string key, int permits) => RateLimitPartition.GetFixedWindowLimiter(
        key, _ => new FixedWindowRateLimiterOptions { PermitLimit = permits, Window = Window, QueueLimit = 0 });

    internal sealed record Allowance(PartitionedRateLimiter<HttpContext> Limiter, int PerUser, int PerAddress);
}
