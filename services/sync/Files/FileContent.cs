using System.IO.Compression;
using System.Text;
using OpenReadings.Sync.Importing;

namespace OpenReadings.Sync.Files;

/// <summary>How much a compressed file may hold.</summary>
/// <param name="MostBytes">Of one file, decompressed.</param>
/// <param name="MostTimes">Decompressed bytes for each compressed one, past the first 16 MiB.</param>
/// <param name="MostEntries">Files in one zip.</param>
public sealed record FileLimits(long MostBytes = 64L << 30, int MostTimes = 100, int MostEntries = 100_000)
{
    private const long Harmless = 16 << 20;

    /// <summary>Have a few bytes grown to more than anybody measures?</summary>
    public bool IsBomb(long unpacked, long packed) => unpacked > MostBytes || (unpacked > Harmless && unpacked / MostTimes > packed);
}

/// <summary>The text within an uploaded file: as it is, in gzip, or in a zip. Told by content, never by name.</summary>
public sealed class FileContent(Stream file, FileLimits limits)
{
    private const int Beginning = 4096;
    private ZipEntry? entry;

    /// <summary>Opens the text from its beginning; <paramref name="isIt"/> says which of a zip's files is meant.</summary>
    public Stream Open(Func<ReadOnlyMemory<byte>, bool> isIt)
    {
        file.Position = 0;
        var mark = new byte[4];
        var read = file.ReadAtLeast(mark, mark.Length, throwOnEndOfStream: false);
        file.Position = 0;
        if (read >= 2 && mark is [0x1f, 0x8b, ..]) return new Guarded(new GZipStream(file, CompressionMode.Decompress, leaveOpen: true), file, limits);
        if (mark is not [0x50, 0x4b, 3 or 5, 4 or 6]) return new Plain(file);
        entry ??= Find(isIt);
        return new Guarded(ZipEntries.Open(file, entry), file, limits);
    }

    /// <summary>The files of a zip, by name and place.</summary>
    public List<ZipEntry> Entries()
    {
        var mark = new byte[4];
        file.Position = 0;
        if (file.ReadAtLeast(mark, mark.Length, throwOnEndOfStream: false) < 4 || mark is not [0x50, 0x4b, 3 or 5, 4 or 6])
            throw new FileRefusedException("wrong-format", "This is not an archive: it is no zip.");
        try
        {
            return [.. ZipEntries.Of(file, limits.MostEntries)];
        }
        catch (InvalidDataException)
        {
            throw new FileRefusedException("wrong-format", "The zip is damaged.");
        }
    }

    /// <summary>Opens one of <see cref="Entries"/>.</summary>
    public Stream Open(ZipEntry which) => new Guarded(ZipEntries.Open(file, which), file, limits);

    /// <summary>The first bytes of a text that is open at its beginning.</summary>
    public static ReadOnlyMemory<byte> BeginningOf(Stream text)
    {
        var bytes = new byte[Beginning];
        try
        {
            return bytes.AsMemory(0, text.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
        }
        catch (InvalidDataException)
        {
            return default;
        }
    }

    private ZipEntry Find(Func<ReadOnlyMemory<byte>, bool> isIt)
    {
        try
        {
            foreach (var candidate in ZipEntries.Of(file, limits.MostEntries))
            {
                if (candidate.Name.EndsWith('/')) continue;
                var at = file.Position;
                using var text = ZipEntries.Open(file, candidate);
                if (isIt(BeginningOf(text))) return candidate;
                file.Position = at;
            }
        }
        catch (InvalidDataException)
        {
            throw new FileRefusedException("wrong-format", "The zip is damaged.");
        }

        throw new FileRefusedException("wrong-format", "The zip holds no file of the format that was said.");
    }

    /// <summary>What the beginning of a file of another kind looks like; null when it may be text.</summary>
    public static string? LooksLike(ReadOnlySpan<byte> beginning)
    {
        var text = beginning.StartsWith("\uFEFF"u8) ? beginning[3..] : beginning;
        text = text.TrimStart(" \t\r\n"u8);
        if (text.StartsWith("\u0089PNG"u8[1..]) || beginning is [0x89, 0x50, 0x4e, 0x47, ..]) return "a PNG image";
        if (beginning is [0xff, 0xd8, 0xff, ..]) return "a JPEG image";
        if (text.StartsWith("%PDF"u8)) return "a PDF";
        if (text.StartsWith("SQLite format 3"u8)) return "an SQLite database";
        if (beginning is [0xd0, 0xcf, 0x11, 0xe0, ..]) return "an old Office document";
        if (text.StartsWith("{"u8) || text.StartsWith("["u8)) return "JSON";
        if (text.StartsWith("<"u8)) return "XML";
        foreach (var b in beginning)
            if (b is < 9 or (> 13 and < 27) or (> 27 and < 32)) return "a binary file";
        return null;
    }

    /// <summary>The encoding that a byte order mark says; null without one, or for UTF-8.</summary>
    public static Encoding? MarkedEncoding(ReadOnlySpan<byte> beginning) =>
        beginning is [0xff, 0xfe, ..] ? Encoding.Unicode : beginning is [0xfe, 0xff, ..] ? Encoding.BigEndianUnicode : null;

    private abstract class Forward : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

    // The file itself is its caller's to close.
    private sealed class Plain(Stream file) : Forward
    {
        public override bool CanSeek => true;
        public override long Length => file.Length;
        public override long Position { get => file.Position; set => file.Position = value; }
        public override int Read(byte[] buffer, int offset, int count) => file.Read(buffer, offset, count);
    }

    /// <summary>Stops a file that a few bytes blow up to more than anybody measures.</summary>
    private sealed class Guarded(Stream text, Stream file, FileLimits limits) : Forward
    {
        private readonly long began = file.Position;
        private long bytes;

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = text.Read(buffer, offset, count);
            bytes += read;
            if (limits.IsBomb(bytes, file.Position - began))
                throw new FileRefusedException("zip-bomb", "The compressed file grows beyond any sensible size.");
            return read;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) text.Dispose();
            base.Dispose(disposing);
        }
    }
}
