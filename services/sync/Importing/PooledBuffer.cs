using System.Buffers;

namespace OpenReadings.Sync.Importing;

/// <summary>Bytes that grow in arrays of the shared pool.</summary>
public sealed class PooledBuffer(int first = 4096) : IBufferWriter<byte>, IDisposable
{
    private byte[] bytes = ArrayPool<byte>.Shared.Rent(first);

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => bytes.AsMemory(0, Length);

    public void Append(ReadOnlySpan<byte> more)
    {
        more.CopyTo(GetSpan(more.Length));
        Length += more.Length;
    }

    /// <summary>Appends <c>"text",</c>. The text needs no escapes.</summary>
    public void AppendQuoted(ReadOnlySpan<byte> text)
    {
        var to = GetSpan(text.Length + 3);
        to[0] = (byte)'"';
        text.CopyTo(to[1..]);
        to[text.Length + 1] = (byte)'"';
        to[text.Length + 2] = (byte)',';
        Length += text.Length + 3;
    }

    public void Advance(int count) => Length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return bytes.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return bytes.AsSpan(Length);
    }

    /// <summary>Takes back the last bytes.</summary>
    public void Shorten(int count) => Length -= count;

    public void Dispose()
    {
        if (bytes.Length > 0) ArrayPool<byte>.Shared.Return(bytes);
        (bytes, Length) = ([], 0);
    }

    private void Reserve(int more)
    {
        if (bytes.Length - Length >= more) return;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Length + more, bytes.Length * 2));
        Written.Span.CopyTo(larger);
        ArrayPool<byte>.Shared.Return(bytes);
        bytes = larger;
    }
}

/// <summary>A list in arrays of the shared pool.</summary>
public sealed class PooledList<T> : IDisposable where T : unmanaged
{
    private T[] items = ArrayPool<T>.Shared.Rent(256);

    public int Count { get; private set; }

    public ReadOnlySpan<T> Items => items.AsSpan(0, Count);

    public void Add(T item)
    {
        if (Count == items.Length) Grow();
        items[Count++] = item;
    }

    public void Dispose()
    {
        if (items.Length > 0) ArrayPool<T>.Shared.Return(items);
        (items, Count) = ([], 0);
    }

    private void Grow()
    {
        var larger = ArrayPool<T>.Shared.Rent(items.Length * 2);
        Items.CopyTo(larger);
        ArrayPool<T>.Shared.Return(items);
        items = larger;
    }
}
