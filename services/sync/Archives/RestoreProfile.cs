using System.Net.Http.Headers;
using OpenReadings.Chassis;
using OpenReadings.Sync.Files;
using OpenReadings.Sync.Importing;

namespace OpenReadings.Sync.Archives;

/// <summary>
/// Brings back name, time zone, preferences and picture from an archive, as the archive is given: with the person's own token, since no
/// service may change an account by itself. An archive that a key or an application sends leaves the account as it is.
/// </summary>
public static class RestoreProfile
{
    private const int Most = 2 << 20;

    public static async Task FromAsync(Stream file, FileLimits limits, HttpRequest request, IHttpClientFactory clients, CancellationToken ct)
    {
        var content = new FileContent(file, limits);
        try
        {
            // Each name once: a zip can hold one a hundred thousand times, and each would be a call.
            foreach (var entry in ArchiveReader.EntriesOf(content).DistinctBy(entry => entry.Name))
            {
                var path = entry.Name switch { "data/profile.json" => "/identity/v1/me", "data/preferences.json" => "/identity/v1/me/preferences", "data/avatar" => "/identity/v1/me/avatar", _ => null };
                if (path is null) continue;
                using var stream = content.Open(entry);
                var bytes = new byte[Most];
                var length = stream.ReadAtLeast(bytes, Most, throwOnEndOfStream: false);
                await ChangeAsync(path, bytes[..length], request, clients, ct);
            }
        }
        catch (FileRefusedException e)
        {
            throw new ProblemException(422, e.Type, e.Message);
        }
        catch (InvalidDataException)
        {
            throw new ProblemException(422, "wrong-format", "The zip is damaged.");
        }
        catch (PausedException e)
        {
            throw new ProblemException(503, "identity-unavailable", $"The account cannot be changed now, and nothing was imported: {e.Message}. Try again shortly.");
        }
    }

    private static async Task ChangeAsync(string path, byte[] change, HttpRequest request, IHttpClientFactory clients, CancellationToken ct)
    {
        var isPicture = path.EndsWith("/avatar", StringComparison.Ordinal);
        using var put = new HttpRequestMessage(isPicture ? HttpMethod.Put : HttpMethod.Patch, path)
        {
            Content = new ByteArrayContent(change) { Headers = { ContentType = new(isPicture ? "application/octet-stream" : "application/json") } },
        };
        put.Headers.Authorization = AuthenticationHeaderValue.Parse(request.Headers.Authorization.ToString());
        using var response = await Calls.SendAsync(clients.CreateClient("identity"), put, "identity", ct);
        if (response.IsSuccessStatusCode) return;
        using var problem = await Calls.ReadAsync(response, ct);
        if ((int)response.StatusCode is 401 or 408 or 429 or >= 500) throw new PausedException($"identity answered {(int)response.StatusCode}");
        if (isPicture) return;      // one that is not taken any more is no reason to keep the readings out
        throw new ProblemException(422, "invalid-profile", $"Profile or preferences of the archive cannot be brought back, and nothing was imported: {Calls.Text(problem, "detail")}");
    }
}
