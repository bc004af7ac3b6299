using System.Net;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Amazon.S3.Transfer;

namespace OpenReadings.Ops.Backup;

/// <summary>Finds the store that a place names.</summary>
internal static class Stores
{
    /// <summary>What a folder or a bucket may throw when it is away, full or closed to us.</summary>
    public static bool IsTrouble(Exception e) =>
        e is IOException or UnauthorizedAccessException or AmazonServiceException or AmazonClientException or HttpRequestException;

    /// <summary>A folder, or <c>s3://bucket/prefix</c> at Amazon or, with AWS_ENDPOINT_URL, at any service that speaks S3.</summary>
    public static IStore Open(string place) => !place.StartsWith("s3://", StringComparison.Ordinal)
        ? new DirectoryStore(Path.GetFullPath(place))
        : Uri.TryCreate(place, UriKind.Absolute, out var bucket) && bucket.Host.Length > 0
            ? new S3Store(bucket, Settings.Find("AWS_ENDPOINT_URL") is { } endpoint ? new Uri(endpoint) : null)
            : throw new OpsException(Exit.Usage, $"{place} is no place for backups: a folder, or s3://bucket/prefix.");
}

/// <summary>Where sets are kept: names are <c>set/file</c>. What is there under its name is there whole.</summary>
internal interface IStore
{
    /// <summary>For people, and for counting copies: its kind and place, without credentials.</summary>
    string Description { get; }

    /// <summary>What fails together: one file system, or one bucket.</summary>
    string Medium { get; }
    bool IsOffSite { get; }
    Task PutAsync(string name, string file, CancellationToken ct);
    Task<Stream> OpenAsync(string name, CancellationToken ct);
    Task<IReadOnlyList<string>> ListAsync(CancellationToken ct);
    Task DeleteAsync(string name, CancellationToken ct);
}

/// <summary>A folder, one subfolder for each set. A file gets its name after its bytes are on the disk.</summary>
internal sealed class DirectoryStore(string root) : IStore
{
    private const string Unfinished = ".part";

    public string Description => root;
    public string Medium => DriveInfo.GetDrives().Select(drive => drive.RootDirectory.FullName)
        .Where(mount => Path.GetFullPath(root).StartsWith(mount, StringComparison.Ordinal)).MaxBy(mount => mount.Length) ?? "/";
    public bool IsOffSite => false;

    public async Task PutAsync(string name, string file, CancellationToken ct)
    {
        var path = Path.Combine(root, name);
        var folder = Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await using (var source = File.OpenRead(file))
        await using (var target = new FileStream(path + Unfinished, FileMode.Create))
        {
            await source.CopyToAsync(target, ct);
            target.Flush(flushToDisk: true);
        }
        File.Move(path + Unfinished, path);
        await SyncAsync(folder.FullName, ct);
        await SyncAsync(root, ct);
    }

    public Task<Stream> OpenAsync(string name, CancellationToken ct)
    {
        var path = Path.Combine(root, name);
        return File.Exists(path)
            ? Task.FromResult<Stream>(File.OpenRead(path))
            : throw new OpsException(Exit.Failed, $"{name} is missing in {root}.");
    }

    public Task<IReadOnlyList<string>> ListAsync(CancellationToken ct) => Task.FromResult<IReadOnlyList<string>>(
        !Directory.Exists(root) ? [] : [.. Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(root, path))]);

    public Task DeleteAsync(string name, CancellationToken ct)
    {
        var path = Path.Combine(root, name);
        if (!Directory.Exists(Path.GetDirectoryName(path))) return Task.CompletedTask;
        File.Delete(path);
        File.Delete(path + Unfinished);
        if (!Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(path)!).Any()) Directory.Delete(Path.GetDirectoryName(path)!);
        return Task.CompletedTask;
    }

    // A name is on the disk when its folder is, and .NET cannot open folders.
    private static Task SyncAsync(string folder, CancellationToken ct) => Tool.RunAsync(new("sync", [folder]), null, null, ct);
}

/// <summary>A bucket of an S3-compatible service. Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.</summary>
internal sealed class S3Store : IStore, IDisposable
{
    private readonly AmazonS3Client client;
    private readonly string bucket, prefix;

    public S3Store(Uri place, Uri? endpoint)
    {
        (bucket, prefix) = (place.Host, place.AbsolutePath.Trim('/') is { Length: > 0 } path ? path + "/" : "");
        var settings = new AmazonS3Config
        {
            // Asked for only where needed: other makers' servers do not know Amazon's newer checksums. Ours is SHA-256 anyway.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            AuthenticationRegion = Settings.Find("AWS_REGION") ?? "us-east-1",
        };
        if (endpoint is not null) (settings.ServiceURL, settings.ForcePathStyle) = (endpoint.ToString(), true);
        client = new AmazonS3Client(new BasicAWSCredentials(
            Settings.Need("AWS_ACCESS_KEY_ID"), Settings.Need("AWS_SECRET_ACCESS_KEY")), settings);
    }

    public string Description => $"s3://{bucket}/{prefix}";
    public string Medium => $"s3://{bucket}";
    public bool IsOffSite => true;

    public async Task PutAsync(string name, string file, CancellationToken ct)
    {
        using var transfer = new TransferUtility(client);
        await transfer.UploadAsync(new TransferUtilityUploadRequest { BucketName = bucket, Key = prefix + name, FilePath = file }, ct);
    }

    public async Task<Stream> OpenAsync(string name, CancellationToken ct)
    {
        try
        {
            return (await client.GetObjectAsync(bucket, prefix + name, ct)).ResponseStream;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            throw new OpsException(Exit.Failed, $"{name} is missing in {Description}.", e);
        }
    }

    public async Task<IReadOnlyList<string>> ListAsync(CancellationToken ct)
    {
        var names = new List<string>();
        var pages = client.Paginators.ListObjectsV2(new ListObjectsV2Request { BucketName = bucket, Prefix = prefix });
        await foreach (var found in pages.S3Objects.WithCancellation(ct)) names.Add(found.Key[prefix.Length..]);
        return names;
    }

    public Task DeleteAsync(string name, CancellationToken ct) => client.DeleteObjectAsync(bucket, prefix + name, ct);

    public void Dispose() => client.Dispose();
}
