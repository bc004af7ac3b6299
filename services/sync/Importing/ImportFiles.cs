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
    public async Task<(string Temporary, long Bytes)> ReceiveAsync(Stream body, bool isGzip, CancellationToken ct)
    {
        var temporary = Path.Combine(folder, $"{Guid.NewGuid():N}.part");
        try
        {
            await using var file = new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous, BufferSize = 0, UnixCreateMode = OwnerOnly,
            });
            await using var gzip = isGzip ? new GZipStream(body, CompressionMode.Decompress, leaveOpen: true) : null;
            var bytes = await CopyAsync(gzip ?? body, file, ct);
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

    private async Task<long> CopyAsync(Stream body, FileStream file, CancellationToken ct)
    {
        var buffer = new byte[256 * 1024];
        var bytes = 0L;
        while (true)
        {
            var read = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, ct);
            bytes += read;
            if (bytes > options.MaxBytes) throw TooLarge();
            await file.WriteAsync(buffer.AsMemory(0, read), ct);
            if (read < buffer.Length) return bytes;
        }
    }

    public ProblemException TooLarge() => new(413, "file-too-large", $"A file may have {options.MaxBytes} bytes.");
}
