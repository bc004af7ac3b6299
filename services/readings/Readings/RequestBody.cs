using System.Buffers;
using Microsoft.AspNetCore.Http.Features;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>The whole body of a request in one pooled array, less than 50 MB of it.</summary>
internal sealed class RequestBody(BodyMemory.Share memory) : IDisposable
{
    public const int Limit = 50_000_000;
    // What is too large is read to its end, so that the sender is there for the answer; but not for ever.
    private const long DrainLimit = 4L * Limit;
    private byte[] buffer = ArrayPool<byte>.Shared.Rent(16 * 1024);
    private int length;

    public ReadOnlySpan<byte> Bytes => buffer.AsSpan(0, length);

    public static async Task<RequestBody> ReadAsync(HttpContext http, CancellationToken ct)
    {
        var size = http.Features.Get<IHttpMaxRequestBodySizeFeature>();
        if (size is { IsReadOnly: false }) size.MaxRequestBodySize = DrainLimit;
        var body = new RequestBody(http.RequestServices.GetRequiredService<BodyMemory>().Begin(CurrentUser.Of(http).Id));
        try
        {
            await body.FillAsync(http.Request.Body, ct);
            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        memory.Dispose();
    }

    private async Task FillAsync(Stream from, CancellationToken ct)
    {
        long total = 0;
        while (true)
        {
            if (length == buffer.Length) Grow();
            var read = await from.ReadAsync(buffer.AsMemory(length), ct);
            if (read == 0) break;
            total += read;
            if (total < Limit) length += read;                  // beyond it, the same place is written again and again
        }
        if (total >= Limit) throw new ProblemException(413, "body-too-large", "A body is smaller than 50 MB, and nothing was stored. Send several requests.");
    }

    private void Grow()
    {
        memory.Grow(buffer.Length);
        var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        buffer.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }
}
