using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using OpenReadings.Sync.Importing;

namespace OpenReadings.Sync.Files;

/// <summary>A file within a zip.</summary>
/// <param name="Name">Its name as the zip says it: whatever somebody wrote, never a path to use.</param>
/// <param name="Header">Where its local header begins.</param>
/// <param name="Method">0 stored, 8 deflated.</param>
/// <param name="Compressed">Its length in the zip, or what is left of the zip where that is not known.</param>
public sealed record ZipEntry(string Name, long Header, int Method, long Compressed);

/// <summary>
/// The entries of a zip, one after the other: a directory of any size costs no memory. A zip that was cut has lost its
/// directory; its entries are then found by their local headers.
/// </summary>
public static class ZipEntries
{
    private const uint Local = 0x04034b50, Central = 0x02014b50;

    public static IEnumerable<ZipEntry> Of(Stream zip, int most)
    {
        var found = Directory(zip);
        if (found is not var (offset, count)) return ByLocalHeaders(zip, most);
        if (count > most) throw new FileRefusedException("zip-bomb", $"The zip has {count} files; {most} are the most.");
        return ByDirectory(zip, offset, count);
    }

    /// <summary>The entry's content, decompressed.</summary>
    public static Stream Open(Stream zip, ZipEntry entry)
    {
        Span<byte> header = stackalloc byte[30];
        if (!TryRead(zip, entry.Header, header) || BinaryPrimitives.ReadUInt32LittleEndian(header) != Local) throw new InvalidDataException();
        if ((header[6] & 1) != 0) throw new FileRefusedException("encrypted", "The zip is encrypted.");
        zip.Position = entry.Header + header.Length + BinaryPrimitives.ReadUInt16LittleEndian(header[26..]) + BinaryPrimitives.ReadUInt16LittleEndian(header[28..]);
        var raw = new Part(zip, entry.Compressed);
        return entry.Method switch
        {
            0 => raw,
            8 => new DeflateStream(raw, CompressionMode.Decompress),
            _ => throw new FileRefusedException("unsupported-compression", $"The zip uses compression method {entry.Method}; only deflate is read."),
        };
    }

    // The end record is the last thing in the file, before a comment of up to 64 KiB.
    private static (long Offset, long Count)? Directory(Stream zip)
    {
        var tail = new byte[(int)Math.Min(zip.Length, 22 + ushort.MaxValue)];
        if (!TryRead(zip, zip.Length - tail.Length, tail)) return null;
        var at = tail.AsSpan().LastIndexOf("PK\u0005\u0006"u8);
        if (at < 0 || tail.Length - at < 22) return null;
        long count = BinaryPrimitives.ReadUInt16LittleEndian(tail.AsSpan(at + 10)), offset = BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(at + 16));
        if (count != ushort.MaxValue && offset != uint.MaxValue) return (offset, count);
        var locator = at - 20;
        if (locator < 0 || BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(locator)) != 0x07064b50) return (offset, count);
        Span<byte> end64 = stackalloc byte[56];
        if (!TryRead(zip, (long)BinaryPrimitives.ReadUInt64LittleEndian(tail.AsSpan(locator + 8)), end64)
            || BinaryPrimitives.ReadUInt32LittleEndian(end64) != 0x06064b50) return null;
        return ((long)BinaryPrimitives.ReadUInt64LittleEndian(end64[48..]), (long)BinaryPrimitives.ReadUInt64LittleEndian(end64[32..]));
    }

    private static IEnumerable<ZipEntry> ByDirectory(Stream zip, long at, long count)
    {
        var header = new byte[46];
        for (var i = 0L; i < count; i++)
        {
            if (!TryRead(zip, at, header) || BinaryPrimitives.ReadUInt32LittleEndian(header) != Central) yield break;
            int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(28)), extraLength = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(30));
            var variable = new byte[nameLength + extraLength];
            if (!TryRead(zip, at + header.Length, variable)) yield break;
            at += header.Length + variable.Length + BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(32));
            yield return Entry(header, variable, nameLength);
        }
    }

    private static ZipEntry Entry(ReadOnlySpan<byte> header, ReadOnlySpan<byte> variable, int nameLength)
    {
        long compressed = BinaryPrimitives.ReadUInt32LittleEndian(header[20..]), local = BinaryPrimitives.ReadUInt32LittleEndian(header[42..]);
        var extra = variable[nameLength..];
        while (extra.Length >= 4)
        {
            int id = BinaryPrimitives.ReadUInt16LittleEndian(extra), size = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            if (extra.Length < 4 + size) break;
            if (id == 1)    // zip64: only what did not fit in 32 bits, in this order
            {
                var large = extra.Slice(4, size);
                if (BinaryPrimitives.ReadUInt32LittleEndian(header[24..]) == uint.MaxValue) Next(ref large);
                if (compressed == uint.MaxValue) compressed = Next(ref large);
                if (local == uint.MaxValue) local = Next(ref large);
            }

            extra = extra[(4 + size)..];
        }

        return new(Encoding.UTF8.GetString(variable[..nameLength]), local, BinaryPrimitives.ReadUInt16LittleEndian(header[10..]), compressed);
    }

    private static long Next(ref ReadOnlySpan<byte> large)
    {
        if (large.Length < 8) throw new InvalidDataException();
        var value = BinaryPrimitives.ReadInt64LittleEndian(large);
        large = large[8..];
        return value < 0 ? throw new InvalidDataException() : value;
    }

    private static IEnumerable<ZipEntry> ByLocalHeaders(Stream zip, int most)
    {
        var header = new byte[30];
        long at = 0;
        for (var i = 0; i < most && TryRead(zip, at, header) && BinaryPrimitives.ReadUInt32LittleEndian(header) == Local; i++)
        {
            var name = new byte[BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(26))];
            if (!TryRead(zip, at + header.Length, name)) yield break;
            var data = at + header.Length + name.Length + BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(28));
            long compressed = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(18));
            var isKnown = (header[6] & 8) == 0 && compressed != uint.MaxValue;    // else the sizes follow the data
            yield return new(Encoding.UTF8.GetString(name), at, BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(8)), isKnown ? compressed : long.MaxValue);
            at = isKnown ? data + compressed : NextHeader(zip, data);
        }
    }

    private static long NextHeader(Stream zip, long from)
    {
        var block = new byte[256 * 1024];
        for (var at = from; ; at += block.Length - 3)
        {
            zip.Position = Math.Min(at, zip.Length);
            var read = zip.ReadAtLeast(block, block.Length, throwOnEndOfStream: false);
            var found = block.AsSpan(0, read).IndexOf("PK\u0003\u0004"u8);
            if (found >= 0) return at + found;
            if (read < block.Length) return zip.Length;
        }
    }

    private static bool TryRead(Stream zip, long at, Span<byte> into)
    {
        if (at < 0 || at > zip.Length - into.Length) return false;
        zip.Position = at;
        return zip.ReadAtLeast(into, into.Length, throwOnEndOfStream: false) == into.Length;
    }

    /// <summary>A part of the zip, from where it stands.</summary>
    private sealed class Part(Stream zip, long length) : Stream
    {
        private long left = length;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = zip.Read(buffer, offset, (int)Math.Min(count, left));
            left -= read;
            return read;
        }

        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
