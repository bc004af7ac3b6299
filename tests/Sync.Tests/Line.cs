using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace OpenReadings.SyncTests;

/// <summary>
/// The network between two services: passes every request on as it is, until a test says what happens to the requests of
/// one person. A disturbance gets the number of the person's writes so far, from 1; it may wait, and answers a status
/// instead of the service, or null to let the request pass.
/// </summary>
public sealed class Line : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly HttpClient onward = new(new SocketsHttpHandler { AllowAutoRedirect = false });
    private readonly ConcurrentDictionary<Guid, Func<int, CancellationToken, Task<int?>>> disturbances = new();
    private readonly ConcurrentDictionary<Guid, int> writes = new();

    private Line(WebApplication app) => this.app = app;

    public Uri Address => new(app.Urls.First());

    public static async Task<Line> ToAsync(Uri service)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null);
        var line = new Line(builder.Build());
        line.app.Run(http => line.PassAsync(http, service));
        await line.app.StartAsync();
        return line;
    }

    public void Disturb(Guid user, Func<int, CancellationToken, Task<int?>> disturbance) => disturbances[user] = disturbance;

    public void Mend(Guid user) => disturbances.TryRemove(user, out _);

    /// <summary>How many batches a person's imports have sent.</summary>
    public int WritesOf(Guid user) => writes.GetValueOrDefault(user);

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        onward.Dispose();
    }

    private async Task PassAsync(HttpContext http, Uri service)
    {
        var payload = http.Request.Headers.Authorization.ToString().Split('.')[1];
        var user = JsonDocument.Parse(Base64Url.DecodeFromChars(payload)).RootElement.GetProperty("sub").GetGuid();
        if (HttpMethods.IsPost(http.Request.Method))
        {
            var number = writes.AddOrUpdate(user, 1, (_, before) => before + 1);
            if (disturbances.TryGetValue(user, out var disturb) && await disturb(number, http.RequestAborted) is { } status)
            {
                http.Response.StatusCode = status;
                if (status == 429) http.Response.Headers.RetryAfter = "1";
                return;
            }
        }

        using var request = new HttpRequestMessage(new HttpMethod(http.Request.Method), new Uri(service, http.Request.Path + http.Request.QueryString));
        if (!HttpMethods.IsGet(http.Request.Method))
        {
            request.Content = new StreamContent(http.Request.Body);
            request.Content.Headers.TryAddWithoutValidation("Content-Type", http.Request.ContentType);
        }

        request.Headers.TryAddWithoutValidation("Authorization", http.Request.Headers.Authorization.ToString());
        using var response = await onward.SendAsync(request, http.RequestAborted);
        http.Response.StatusCode = (int)response.StatusCode;
        http.Response.ContentType = response.Content.Headers.ContentType?.ToString();
        await response.Content.CopyToAsync(http.Response.Body, http.RequestAborted);
    }
}
