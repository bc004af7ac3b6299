using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace OpenReadings.Benchmarks;

/// <summary>
/// One HTTP/1.1 connection that costs next to nothing: requests are bytes made beforehand, one is under way at a time. The
/// machine has two cores, and what the client takes, the service lacks.
/// </summary>
internal sealed class Wire : IDisposable
{
    private readonly Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly ArrayBufferWriter<byte> body = new(1 << 16);
    private byte[] buffer = new byte[1 << 16];
    private int start, end;

    public Wire(Uri address) => socket.Connect(address.Host, address.Port);

    /// <summary>The body of the last answer.</summary>
    public ReadOnlySpan<byte> Body => body.WrittenSpan;

    public static byte[] Request(string method, string path, string? token, string? json = null)
    {
        var authorization = token is null ? "" : $"Authorization: Bearer {token}\r\n";
        var content = json is null ? "" : $"Content-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(json)}\r\n";
        return Encoding.UTF8.GetBytes(
            $"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}{content}\r\n{json}");
    }

    /// <summary>Sends a request and reads the whole answer, which must be 2xx.</summary>
    public void Send(ReadOnlySpan<byte> request)
    {
        while (request.Length > 0) request = request[socket.Send(request)..];
        body.ResetWrittenCount();
        var status = int.Parse(Line()[9..12], CultureInfo.InvariantCulture);
        var (length, isChunked) = (0, false);
        for (var line = Line(); line.Length > 0; line = Line())
        {
            if (line.StartsWith("Content-Length: "u8)) length = int.Parse(line[16..], CultureInfo.InvariantCulture);
            else if (line.StartsWith("Transfer-Encoding: chunked"u8)) isChunked = true;
        }
        if (isChunked)
        {
            for (var size = ChunkSize(); size > 0; size = ChunkSize())
            {
                Take(size);
                Line();
            }
            Line();
        }
        else Take(length);
        if (status is < 200 or > 299)
            throw new MeasurementFailedException($"HTTP {status}: {Encoding.UTF8.GetString(Body[..Math.Min(400, Body.Length)])}");
    }

    /// <summary>Sends readings, all of which must be stored.</summary>
    public void Store(ReadOnlySpan<byte> request, int count)
    {
        Send(request);
        if (!Utf8Parser.TryParse(Body["{\"stored\":".Length..], out int stored, out _) || stored != count)
            throw new MeasurementFailedException($"Not all was stored: {Encoding.UTF8.GetString(Body[..Math.Min(400, Body.Length)])}");
    }

    private int ChunkSize() => Utf8Parser.TryParse(Line(), out int size, out _, 'x')
        ? size
        : throw new MeasurementFailedException("The answer's chunks are malformed.");

    private ReadOnlySpan<byte> Line()
    {
        while (true)
        {
            var length = buffer.AsSpan(start, end - start).IndexOf("\r\n"u8);
            if (length >= 0)
            {
                start += length + 2;
                return buffer.AsSpan(start - length - 2, length);
            }
            Fill();
        }
    }

    private void Take(int count)
    {
        while (count > 0)
        {
            if (start == end) Fill();
            var part = Math.Min(count, end - start);
            body.Write(buffer.AsSpan(start, part));
            (start, count) = (start + part, count - part);
        }
    }

    private void Fill()
    {
        if (start == end) start = end = 0;
        if (end == buffer.Length)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
            if (end == buffer.Length) Array.Resize(ref buffer, end * 2);
        }
        var received = socket.Receive(buffer.AsSpan(end));
        if (received == 0) throw new MeasurementFailedException("The service closed the connection.");
        end += received;
    }

    public void Dispose() => socket.Dispose();
}
