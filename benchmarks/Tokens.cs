using System.Buffers.Text;
using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OpenReadings.Chassis;

namespace OpenReadings.Benchmarks;

/// <summary>How many tokens a core verifies that it has not seen before, and how long a login that was ended is still believed.</summary>
internal static class Tokens
{
    private const int Uses = 10;
    private const string Issuer = "http://bench.invalid/identity";

    public static async Task<IReadOnlyList<Figure>> VerificationAsync(Bench bench)
    {
        var count = bench.IsQuick ? 4000 : 9000;             // fewer than a verifier remembers
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = key.ExportParameters(false).Q;
        var jwks = JsonSerializer.SerializeToUtf8Bytes(new
        {
            keys = new[] { new { kty = "EC", crv = "P-256", use = "sig", alg = "ES256", kid = "k", x = Base64Url.EncodeToString(point.X), y = Base64Url.EncodeToString(point.Y) } },
        });
        using var http = new HttpClient(new Fixed(jwks));
        using var keys = new JwksCache(http, new Uri("http://bench.invalid/jwks.json"), TimeProvider.System);
        var (rates, fresh, signatures) = (new List<double>(), new List<double>(), new List<double>());
        for (var round = 0; round <= bench.Rounds; round++)
        {
            var tokens = Enumerable.Range(0, count).Select(_ => Token(key)).ToArray();
            var verifier = new TokenVerifier(keys, Issuer, "readings", TimeProvider.System);
            var begun = Cpu();
            await VerifyAsync(verifier, tokens);
            var first = Cpu() - begun;
            for (var again = 1; again < Uses; again++) await VerifyAsync(verifier, tokens);
            var spent = Cpu() - begun;
            var (content, signature) = (Encoding.ASCII.GetBytes(tokens[0][..tokens[0].LastIndexOf('.')]), Base64Url.DecodeFromChars(tokens[0].AsSpan(tokens[0].LastIndexOf('.') + 1)));
            begun = Cpu();
            for (var i = 0; i < count; i++)
                if (!key.VerifyData(content, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)) throw new MeasurementFailedException("A good signature was refused.");
            var raw = Cpu() - begun;
            if (round == 0) continue;
            rates.Add(Uses * count / spent);
            fresh.Add(count / first);
            signatures.Add(count / raw);
        }
        return
        [
            new Figure("token_verification", ">=", 20_000, [.. rates], $"access tokens verified a second of one core's time, each of which comes {Uses} times, as those of clients do",
                $"for the first time {Statistics.Median(fresh):F0}/s; bare signatures by the same library {Statistics.Median(signatures):F0}/s"),
        ];
    }

    public static async Task<IReadOnlyList<Figure>> RevocationAsync(Bench bench)
    {
        string[] asked = ["readings:/readings/v1/sources", "sync:/sync/v1/imports", "identity:/identity/v1/me"];
        var worst = new List<double>();
        for (var round = 0; round < bench.Rounds; round++)
        {
            using var person = await Person.SignUpAsync(bench.Platform);
            foreach (var one in asked) await person.SendAsync(HttpMethod.Get, one.Split(':')[0], one.Split(':')[1]);
            var token = await person.TokenAsync();
            await person.SendAsync(HttpMethod.Delete, "identity", "/identity/v1/logins/current");
            var ended = Stopwatch.GetTimestamp();
            using var http = new HttpClient { DefaultRequestHeaders = { Authorization = new("Bearer", token) } };
            worst.Add((await Task.WhenAll(asked.Select(async one =>
            {
                var address = new Uri(bench.Platform.Address(one.Split(':')[0]), one.Split(':')[1]);
                while (true)
                {
                    var at = Stopwatch.GetElapsedTime(ended).TotalMilliseconds;
                    using var answer = await http.GetAsync(address);
                    if (answer.StatusCode == HttpStatusCode.Unauthorized) return at;
                    if (at > 10_000) throw new MeasurementFailedException($"{one} was open for ten seconds.");
                }
            }))).Max());
        }
        return [new Figure("revocation", "<=", 1000, [.. worst], "milliseconds from the answer that ended a login until the last of three services has refused its token", "")];
    }

    private static async Task VerifyAsync(TokenVerifier verifier, string[] tokens)
    {
        foreach (var token in tokens)
            if ((await verifier.VerifyAsync(token, CancellationToken.None)).Token is null) throw new MeasurementFailedException("A good token was refused.");
    }

    private static string Token(ECDsa key)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var content = $"{Encode(new { alg = "ES256", typ = "at+jwt", kid = "k" })}.{Encode(new
        {
            iss = Issuer, aud = "openreadings", sub = Guid.NewGuid(), client_id = "openreadings", iat = now, nbf = now, exp = now + 600, jti = Guid.NewGuid(),
            scope = "openid profile readings:read readings:write sync:read sync:write catalog:read catalog:write", sid = Guid.NewGuid(), auth_time = now,
        })}";
        return $"{content}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(content), HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation))}";
    }

    private static string Encode<T>(T value) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(value));

    // Of this process: nothing else of it runs meanwhile, and other processes do not count.
    private static double Cpu() => Environment.CpuUsage.TotalTime.TotalSeconds;

    private sealed class Fixed(byte[] content) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent(content) });
    }
}
