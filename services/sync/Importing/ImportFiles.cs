using System.IO.Compression;
using OpenReadings.Chassis;

namespace OpenReadings.Sync.Importing;

/// <summary>The folder of files that wait to be imported. A name is made of ids only, never of what somebody sent.</summary>
public sealed class ImportFiles
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly ImportOptions options;
    private readonly string folder;

    public ImportFiles(ImportOptions options)
    {
        this.options = options;
        folder = Path.GetFullPath(options.Directory);
        Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
    }

    /// <summary>Takes a body of any size to the disk. The file counts for nothing before <see cref="Place"/>.</summary>
    public async Task<(string Temporary, long Bytes)> ReceiveAsync(Stream body, bool isGzip, Uploads.Upload upload, CancellationToken ct)
    {
        var temporary = Path.Combine(folder, $"{Guid.NewGuid():N}.part");
        try
        {
            await using var file = new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous, BufferSize = 0, UnixCreateMode = OwnerOnly,
            });
            var sent = new Counted(body);
            await using var gzip = isGzip ? new GZipStream(sent, CompressionMode.Decompress, leaveOpen: true) : null;
            var bytes = await CopyAsync(gzip ?? (Stream)sent, sent, file, upload, ct);
            file.Flush(flushToDisk: true);
            return (temporary, bytes);
        }
        catch (Exception e)
        {
            File.Delete(temporary);
            if (e is IOException { HResult: 28 }) throw new ProblemException(507, "storage-full", "There is no room for the file at the moment. Try again later.");
            if (e is InvalidDataException) throw new ProblemException(400, "malformed-encoding", "The body is not gzip, though its Content-Encoding says so.");
            throw;
        }
    }

    /// <summary>Makes a received file the import's own.</summary>
    public void Place(string temporary, Guid user, Guid import) => File.Move(temporary, PathOf(user, import), overwrite: true);

    public FileStream Open(Guid user, Guid import) => new(PathOf(user, import), new FileStreamOptions
    {
        Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 0, Options = FileOptions.SequentialScan,
    });

    public void Delete(Guid user, Guid import) => File.Delete(PathOf(user, import));

    public static void Discard(string temporary) => File.Delete(temporary);

    /// <summary>Removes whatever a person's imports left.</summary>
    public void DeleteAllOf(Guid user)
    {
        foreach (var file in Directory.EnumerateFiles(folder, $"{user:N}-*")) File.Delete(file);
    }

    /// <summary>What lies here and was not written to for a while: the import that it belongs to, or none for half a file.</summary>
    public IEnumerable<(string Path, Guid User, Guid Import)> OlderThan(TimeSpan age)
    {
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(file) < age) continue;
            var parts = Path.GetFileName(file).Split('-');
            if (parts.Length == 2 && Guid.TryParseExact(parts[0], "N", out var user) && Guid.TryParseExact(parts[1], "N", out var import)) yield return (file, user, import);
            else if (file.EndsWith(".part", StringComparison.Ordinal)) yield return (file, default, default);
        }
    }

    private string PathOf(Guid user, Guid import) => Path.Combine(folder, $"{user:N}-{import:N}");

    private async Task<long> CopyAsync(Stream body, Counted sent, FileStream file, Uploads.Upload upload, CancellationToken ct)
    {
        var buffer = new byte[256 * 1024];
        var bytes = 0L;
        while (true)
        {
            var read = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, ct);
            bytes += read;
            if (bytes > options.MaxBytes) throw TooLarge();
            if (options.Unpacked.IsBomb(bytes, sent.Bytes)) throw new ProblemException(422, "zip-bomb", "The compressed body grows beyond any sensible size.");
            upload.Grow(read);
            await file.WriteAsync(buffer.AsMemory(0, read), ct);
            if (read < buffer.Length) return bytes;
        }
    }

    /// <summary>What came over the line: with a compressed body, fewer bytes than are written.</summary>
    private sealed class Counted(Stream body) : Stream
    {
        public long Bytes { get; private set; }
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await body.ReadAsync(buffer, cancellationToken);
            Bytes += read;
            return read;
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

    public ProblemException TooLarge() => new(413, "file-too-large", $"A file may have {options.MaxBytes} bytes.");
}
