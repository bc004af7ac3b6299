using System.Buffers;

namespace OpenReadings.Sync.Files;

/// <summary>
/// The part of a stream that a parser looks at: it moves forward only, knows where it is (byte and line), and never grows
/// past its limit. Damaged compression ends the stream early and is told by <see cref="CutShort"/>, so what was read stays.
/// </summary>
public sealed class ByteWindow(Stream stream, int limit = 1 << 20, long offset = 0, long line = 1) : IDisposable
{
    private const int First = 128 * 1024;
    private byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Min(First, limit));
    private int start;
    private int end;

    /// <summary>Where the window begins in the stream.</summary>
    public long Offset { get; private set; } = offset;

    /// <summary>The line on which the window begins, from 1.</summary>
    public long Line { get; private set; } = line;

    /// <summary>The stream has nothing more to give.</summary>
    public bool Ended { get; private set; }

    /// <summary>The stream ended because its compression is damaged or cut.</summary>
    public bool CutShort { get; private set; }

    /// <summary>What can be looked at now.</summary>
    public ReadOnlySpan<byte> Rest => buffer.AsSpan(start, end - start);

    /// <summary>Reads more behind <see cref="Rest"/>; false when the stream has ended or the window is as large as it may be.</summary>
    public bool More()
    {
        if (Ended) return false;
        if (start > 0 && (start == end || start > buffer.Length / 2))
        {
            Rest.CopyTo(buffer);
            (start, end) = (0, end - start);
        }

        if (end == buffer.Length && !MakeRoom()) return false;
        try
        {
            var read = stream.Read(buffer, end, buffer.Length - end);
            end += read;
            Ended = read == 0;
        }
        catch (InvalidDataException)
        {
            CutShort = Ended = true;
        }

        return !Ended;
    }

    /// <summary>Leaves the next bytes behind, counting their lines.</summary>
    public void Advance(int count)
    {
        Line += buffer.AsSpan(start, count).Count((byte)'\n');
        Offset += count;
        start += count;
    }

    /// <summary>Goes on at a later place, where the given line begins.</summary>
    public void SkipTo(long offset, long line)
    {
        if (stream.CanSeek && offset > Offset + Rest.Length)
        {
            stream.Position = offset;
            (start, end, Ended, Offset) = (0, 0, false, offset);
        }

        while (Offset < offset)
        {
            Advance((int)Math.Min(Rest.Length, offset - Offset));
            if (Offset < offset && !More()) break;
        }

        Line = line;
    }

    public void Dispose()
    {
        if (buffer.Length == 0) return;
        stream.Dispose();
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        (start, end, Ended) = (0, 0, true);
    }

    private bool MakeRoom()
    {
        var used = end - start;
        if (start > 0)
        {
            Rest.CopyTo(buffer);
            (start, end) = (0, used);
            return true;
        }

        if (used >= limit) return false;
        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(limit, used * 2L));
        Rest.CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        (buffer, start, end) = (larger, 0, used);
        return true;
    }
}
