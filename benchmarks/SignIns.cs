using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text;

namespace OpenReadings.Benchmarks;

/// <summary>Sign-ins against nothing but their hashing, and what other requests feel of them.</summary>
internal static partial class SignIns
{
    private const int Clients = 4;
    private const string Password = "Correct horse 7 battery";

    public static async Task<IReadOnlyList<Figure>> MeasureAsync(Bench bench)
    {
        var platform = bench.Platform;
        using var http = new HttpClient { BaseAddress = platform.Address("identity") };
        var people = new string[Clients];
        for (var i = 0; i < Clients; i++)
        {
            people[i] = $"{Guid.NewGuid():N}@example.org";
            (await http.PostAsJsonAsync("/identity/v1/accounts", new { email = people[i], password = Password })).EnsureSuccessStatusCode();
        }
        using var person = await Person.SignUpAsync(platform);
        var token = await person.TokenAsync();
        var seconds = bench.IsQuick ? 2 : 6;
        var (shares, ratios, rates, raws) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (var round = 0; round <= bench.Rounds; round++)
        {
            var raw = HashesPerSecond(seconds);
            var alone = await LatenciesAsync(http, token, TimeSpan.FromSeconds(seconds), CancellationToken.None);
            using var stop = new CancellationTokenSource();
            var (done, begun) = (0, Stopwatch.GetTimestamp());
            var signing = people.Select(async email =>
            {
                while (!stop.IsCancellationRequested)
                {
                    using var answer = await http.PostAsJsonAsync("/identity/v1/logins", new { email, password = Password });
                    answer.EnsureSuccessStatusCode();
                    Interlocked.Increment(ref done);
                }
            }).ToArray();
            var beside = await LatenciesAsync(http, token, TimeSpan.FromSeconds(seconds), CancellationToken.None);
            var rate = done / Stopwatch.GetElapsedTime(begun).TotalSeconds;
            await stop.CancelAsync();
            await Task.WhenAll(signing);
            if (round == 0) continue;
            shares.Add(rate / raw);
            ratios.Add(Statistics.Percentile(beside, 0.99) / Statistics.Percentile(alone, 0.99));
            rates.Add(rate);
            raws.Add(raw);
        }
        return
        [
            new Figure("sign_ins", ">=", 0.85, [.. shares],
                $"sign-ins over HTTP, {Clients} clients, on the one core that the service hashes on, while others ask; a share of libsodium's Argon2id (19 MiB, two passes) alone on one core",
                $"{Statistics.Median(rates):F1} sign-ins/s against {Statistics.Median(raws):F1} hashes/s"),
            new Figure("sign_ins_p99", "<=", 1.2, [.. ratios], "p99 of GET /identity/v1/me, one after the other, while people sign in as fast as they can; a multiple of the same without", ""),
        ];
    }

    private static async Task<List<double>> LatenciesAsync(HttpClient http, string token, TimeSpan during, CancellationToken ct)
    {
        var (found, until) = (new List<double>(), Stopwatch.GetTimestamp() + (long)(during.TotalSeconds * Stopwatch.Frequency));
        while (Stopwatch.GetTimestamp() < until)
        {
            var begun = Stopwatch.GetTimestamp();
            using var request = new HttpRequestMessage(HttpMethod.Get, "/identity/v1/me") { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", token) } };
            using var answer = await http.SendAsync(request, ct);
            answer.EnsureSuccessStatusCode();
            found.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            await Task.Delay(2, ct);
        }
        return found;
    }

    private static double HashesPerSecond(int seconds)
    {
        if (sodium_init() < 0) throw new MeasurementFailedException("libsodium could not be initialised.");
        var (secret, text, hashes, begun) = (Encoding.UTF8.GetBytes(Password), new byte[128], 0, Stopwatch.GetTimestamp());
        do
        {
            if (crypto_pwhash_str(text, secret, (ulong)secret.Length, 2, 19 * 1024 * 1024) != 0) throw new MeasurementFailedException("There is no memory to hash with.");
            hashes++;
        }
        while (Stopwatch.GetElapsedTime(begun).TotalSeconds < seconds);
        return hashes / Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }

    [LibraryImport("libsodium.so.23")]
    private static partial int sodium_init();

    [LibraryImport("libsodium.so.23")]
    private static partial int crypto_pwhash_str(Span<byte> hash, ReadOnlySpan<byte> password, ulong length, ulong passes, nuint memory);
}
