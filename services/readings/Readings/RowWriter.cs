using System.Buffers;
using System.Buffers.Text;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;

namespace OpenReadings.Readings;

/// <summary>
/// Writes rows of readings into the response without an object or a text for each of them: numbers as short as they read
/// back, times as they were given.
/// </summary>
internal sealed class RowWriter : IDisposable
{
    private const int FlushAt = 48 * 1024;
    private readonly PipeWriter to;
    private readonly byte[][] names;                            // "systolic": with the quotes and the colon, escaped once
    private readonly int longestRow;
    private byte[] buffer;
    private int used;

    public RowWriter(PipeWriter to, Metric[] metrics)
    {
        this.to = to;
        names = Array.ConvertAll(metrics, metric => Encoding.UTF8.GetBytes($"\"{JsonEncodedText.Encode(metric.Name)}\":"));
        longestRow = 128 + names.Sum(name => 2 * name.Length + 80);
        buffer = ArrayPool<byte>.Shared.Rent(FlushAt + longestRow);
    }

    public void Raw(ReadOnlySpan<byte> text)
    {
        if (used + text.Length > buffer.Length) Spill();
        if (text.Length > buffer.Length) to.Write(text);
        else
        {
            text.CopyTo(buffer.AsSpan(used));
            used += text.Length;
        }
    }

    /// <summary>{"at":"…","values":{…}}, and "written_by":{…} where there is somebody to name</summary>
    public void Json(ReadingPage page, int row)
    {
        Room();
        Append("{\"at\":\""u8);
        used += Timestamp.Format(buffer.AsSpan(used), page.At(row), page.Offset(row));
        Append("\",\"values\":{"u8);
        var (first, isTold) = (true, false);
        for (var i = 0; i < names.Length; i++)
        {
            var value = page.Value(row, i);
            if (double.IsNaN(value)) continue;
            if (!first) buffer[used++] = (byte)',';
            first = false;
            Append(names[i]);
            Number(value);
        }
        for (var i = 0; page.HasWriters && i < names.Length; i++)
        {
            if (page.WriterOf(row, i) is not { } writer) continue;
            Append(isTold ? ","u8 : "},\"written_by\":{"u8);
            isTold = true;
            Append(names[i]);
            buffer[used++] = (byte)'"';
            Utf8Formatter.TryFormat(writer, buffer.AsSpan(used), out var written);
            used += written;
            buffer[used++] = (byte)'"';
        }
        Append("}}"u8);
    }

    /// <summary>at,1,2 and an empty field where a row has no value.</summary>
    public void Csv(ReadingPage page, int row)
    {
        Room();
        used += Timestamp.Format(buffer.AsSpan(used), page.At(row), page.Offset(row));
        for (var i = 0; i < names.Length; i++)
        {
            buffer[used++] = (byte)',';
            var value = page.Value(row, i);
            if (!double.IsNaN(value)) Number(value);
        }
        Append("\r\n"u8);
    }

    public async ValueTask FlushAsync(CancellationToken ct)
    {
        Spill();
        await to.FlushAsync(ct);
    }

    public bool IsFull => used >= FlushAt;

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
    }

    private void Room()
    {
        if (used + longestRow > buffer.Length) Spill();
    }

    private void Append(ReadOnlySpan<byte> text)
    {
        text.CopyTo(buffer.AsSpan(used));
        used += text.Length;
    }

    private void Number(double value)
    {
        Utf8Formatter.TryFormat(value, buffer.AsSpan(used), out var written);
        used += written;
    }

    private void Spill()
    {
        to.Write(buffer.AsSpan(0, used));
        used = 0;
    }
}
