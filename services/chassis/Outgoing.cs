using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;
using Polly.Timeout;

namespace OpenReadings.Chassis;

/// <summary>Calls to other services: one named client and one pipeline for each. Never inside a transaction.</summary>
public static class Outgoing
{
    /// <summary>
    /// A named <see cref="HttpClient"/>: 30 s for each try, three retries with growing, jittered pauses on transport errors,
    /// 408, 5xx and 429 (Retry-After is honoured), and a breaker that stops asking a service that is down.
    /// Bodies must be repeatable (byte arrays, strings), because a retry sends them again.
    /// </summary>
    public static IHttpClientBuilder AddOutgoing(this IServiceCollection services, string name, Uri address)
    {
        var transient = new PredicateBuilder<HttpResponseMessage>()
            .Handle<HttpRequestException>().Handle<TimeoutRejectedException>()
            .HandleResult(response => response.StatusCode is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError);
        var pipeline = new ResiliencePipelineBuilder<HttpResponseMessage>()
            .AddRetry(new RetryStrategyOptions<HttpResponseMessage>
            {
                ShouldHandle = transient, MaxRetryAttempts = 3, BackoffType = DelayBackoffType.Exponential, UseJitter = true,
                Delay = TimeSpan.FromMilliseconds(200), MaxDelay = TimeSpan.FromSeconds(10),
                DelayGenerator = attempt => ValueTask.FromResult(attempt.Outcome.Result?.Headers.RetryAfter?.Delta),
            })
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions<HttpResponseMessage>
            {
                ShouldHandle = transient, FailureRatio = 0.9, MinimumThroughput = 20, BreakDuration = TimeSpan.FromSeconds(5),
            })
            .AddTimeout(TimeSpan.FromSeconds(30))
            .Build();
        return services
            .AddHttpClient(name, client =>
            {
                client.BaseAddress = address;
                client.Timeout = Timeout.InfiniteTimeSpan;    // the pipeline keeps the time, per try
            })
            .AddHttpMessageHandler(() => new Pipeline(pipeline));
    }

    private sealed class Pipeline(ResiliencePipeline<HttpResponseMessage> pipeline) : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            await pipeline.ExecuteAsync(async ct => await base.SendAsync(request, ct), cancellationToken);
    }
}
