using System.Diagnostics;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace OpenReadings.Benchmarks;

/// <summary>Sign-ins against nothing but their hashing, and what other requests feel of them.</summary>
internal static partial class SignIns
{
    private const int Clients = 4;
    private static readonly double[] Shares = [0.5, 0.9, 0.99];
    private const string Password = "Correct horse 7 battery";

    public static async Task<IReadOnlyList<Figure>> MeasureAsync(Bench bench)
    {
        var platform = bench.Platform;
        using var http = new HttpClient { BaseAddress = platform.Address("identity") };
        var people = new byte[Clients][];
        for (var i = 0; i < Clients; i++)
        {
            var account = new { email = $"{Guid.NewGuid():N}@example.org", password = Password };
            (await http.PostAsJsonAsync("/identity/v1/accounts", account)).EnsureSuccessStatusCode();
            people[i] = Wire.Request("POST", "/identity/v1/logins", null, JsonSerializer.Serialize(account));
        }
        using var person = await Person.SignUpAsync(platform);
        var question = Wire.Request("GET", "/identity/v1/me", await person.TokenAsync());
        using var asking = new Wire(platform.Address("identity"));
        var (turns, turn) = (bench.IsQuick ? 1 : 4, TimeSpan.FromSeconds(2));
        var (shares, rates, raws) = (new List<double>(), new List<double>(), new List<double>());
        // Of all rounds together: the slowest hundredth of one round is a dozen requests, and chance.
        var (alone, beside) = (new List<double>(), new List<double>());
        for (var round = 0; round <= bench.Rounds; round++)
        {
            // In short turns: what else the machine does within seconds would otherwise be taken for an effect.
            var (hashed, hashing, signedIn, signing) = (0, TimeSpan.Zero, 0, TimeSpan.Zero);
            for (var i = 0; i < turns; i++)
            {
                var (raw, took) = Hash(turn);
                (hashed, hashing) = (hashed + raw, hashing + took);
                Ask(asking, question, turn, alone);
                (raw, took) = await SignInAsync(platform, people, () => Thread.Sleep(turn));
                (signedIn, signing) = (signedIn + raw, signing + took);
                await SignInAsync(platform, people, () => Ask(asking, question, turn, beside));
            }
            if (round == 0)
            {
                alone.Clear();
                beside.Clear();
                continue;
            }
            rates.Add(signedIn / signing.TotalSeconds);
            raws.Add(hashed / hashing.TotalSeconds);
            shares.Add(rates[^1] / raws[^1]);
        }
        return
        [
            new Figure("sign_ins", ">=", 0.85, [.. shares],
                $"sign-ins over HTTP, {Clients} clients, on the one core that the service hashes on; a share of libsodium's Argon2id (19 MiB, two passes) alone on one core",
                $"{Statistics.Median(rates):F1} sign-ins/s against {Statistics.Median(raws):F1} hashes/s"),
            new Figure("sign_ins_p99", "<=", 1.2, [Statistics.Percentile(beside, 0.99) / Statistics.Percentile(alone, 0.99)],
                "p99 of GET /identity/v1/me, one after the other, while people sign in as fast as they can; a multiple of the same without, in turns of two seconds",
                $"p50, p90, p99, ms: {Times(beside)} against {Times(alone)} ({beside.Count} and {alone.Count} requests)"),
        ];
    }

    private static string Times(List<double> all) => string.Join(", ", Shares.Select(share => $"{Statistics.Percentile(all, share):F1}"));

    /// <summary>All sign in again and again while something else is done.</summary>
    private static async Task<(int SignIns, TimeSpan Took)> SignInAsync(Platform platform, byte[][] people, Action meanwhile)
    {
        using var stop = new CancellationTokenSource();
        var begun = Stopwatch.GetTimestamp();
        var done = people.Select(login => SignInUntilAsync(platform, login, stop.Token)).ToArray();
        meanwhile();
        await stop.CancelAsync();
        return ((await Task.WhenAll(done)).Sum(), Stopwatch.GetElapsedTime(begun));
    }

    private static Task<int> SignInUntilAsync(Platform platform, byte[] login, CancellationToken stop) => Task.Factory.StartNew(() =>
    {
        using var wire = new Wire(platform.Address("identity"));
        var done = 0;
        for (; !stop.IsCancellationRequested; done++) wire.Send(login);
        return done;
    }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static void Ask(Wire wire, byte[] question, TimeSpan during, List<double> milliseconds)
    {
        var first = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(first) < during)
        {
            var begun = Stopwatch.GetTimestamp();
            wire.Send(question);
            milliseconds.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            Thread.Sleep(2);
        }
    }

    private static (int Hashes, TimeSpan Took) Hash(TimeSpan during)
    {
        if (sodium_init() < 0) throw new MeasurementFailedException("libsodium could not be initialised.");
        var (secret, text, hashes, begun) = (Encoding.UTF8.GetBytes(Password), new byte[128], 0, Stopwatch.GetTimestamp());
        do
        {
            if (crypto_pwhash_str(text, secret, (ulong)secret.Length, 2, 19 * 1024 * 1024) != 0) throw new MeasurementFailedException("There is no memory to hash with.");
            hashes++;
        }
        while (Stopwatch.GetElapsedTime(begun) < during);
        return (hashes, Stopwatch.GetElapsedTime(begun));
    }

    [LibraryImport("libsodium.so.23")]
    private static partial int sodium_init();

    [LibraryImport("libsodium.so.23")]
    private static partial int crypto_pwhash_str(Span<byte> hash, ReadOnlySpan<byte> password, ulong length, ulong passes, nuint memory);
}
