using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OpenReadings.Chassis;

/// <summary>
/// What ends access tokens before they expire: a login that was ended, an account that was disabled or deleted. Identity is
/// asked what is new, and answers when something is. While it is away the last answer stays good: tokens are believed for ten minutes at most.
/// </summary>
public sealed class Revocations(HttpClient identity, Uri address, TimeProvider clock, ILogger<Revocations> log) : BackgroundService
{
    // Seconds that a question may stay open. A machine that is gone without a word is noticed that much later.
    private const int Wait = 3;
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(500), Patience = TimeSpan.FromSeconds(2), WorthSaying = TimeSpan.FromSeconds(5), Kept = TimeSpan.FromHours(1);
    private readonly ConcurrentDictionary<Guid, (DateTimeOffset IssuedUntil, DateTimeOffset KnownSince)> marks = [];
    private string next = "0";
    private DateTimeOffset? failsSince;
    private bool isSaid;

    /// <param name="Mark">First 16 bytes of the SHA-256 of <c>login &lt;id&gt;</c> or <c>person &lt;id&gt;</c>, base64.</param>
    /// <param name="IssuedUntil">Tokens issued until then are refused; null for all.</param>
    public sealed record Revocation(string Mark, DateTimeOffset? IssuedUntil);

    /// <param name="Revocations">What is new.</param>
    /// <param name="Next">What to ask with the next time.</param>
    public sealed record Answer(IReadOnlyList<Revocation> Revocations, string Next);

    /// <summary>How a login or a person is named in the list.</summary>
    internal static Guid Mark(string kind, Guid id) => new(SHA256.HashData(Encoding.UTF8.GetBytes($"{kind} {id}")).AsSpan(0, 16));

    /// <summary>Whether a token is refused before its time.</summary>
    public bool Refuses(VerifiedToken token) => !marks.IsEmpty && (IsMarked(token.PersonMark, token.IssuedAt) || IsMarked(token.LoginMark, token.IssuedAt));

    private bool IsMarked(Guid mark, DateTimeOffset issuedAt) => marks.TryGetValue(mark, out var found) && issuedAt <= found.IssuedUntil;

    /// <summary>A service that has just started knows what was revoked before it serves, if identity is there to say it.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await AskAsync(0, cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            var pause = Task.Delay(Again, clock, stoppingToken);
            await AskAsync(Wait, stoppingToken);
            await pause;
        }
    }

    /// <summary>
    /// Asks once, for what is new or will be within so many seconds. Fails quietly, but for five seconds without an answer: the next is half a second away.
    /// </summary>
    public async Task AskAsync(int wait, CancellationToken ct)
    {
        try
        {
            // Always the same question would be most of what a collector sees.
            using var quiet = OpenTelemetry.SuppressInstrumentationScope.Begin();
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
            limit.CancelAfter(TimeSpan.FromSeconds(wait) + Patience);
            var answer = (await identity.GetFromJsonAsync<Answer>(new Uri($"{address}?after={next}&wait={wait}"), Json.Options, limit.Token))!;
            var now = clock.GetUtcNow();
            foreach (var (mark, until) in answer.Revocations)
                marks.AddOrUpdate(new Guid(Convert.FromBase64String(mark)), (until ?? DateTimeOffset.MaxValue, now),
                    (_, known) => (known.IssuedUntil > until ? known.IssuedUntil : until ?? DateTimeOffset.MaxValue, now));
            foreach (var (mark, (_, since)) in marks)
                if (now - since > Kept) marks.TryRemove(mark, out _);
            next = answer.Next;
            if (isSaid) log.LogInformation("Revoked tokens are known again");
            (failsSince, isSaid) = (null, false);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            failsSince ??= clock.GetUtcNow();
            if (isSaid || clock.GetUtcNow() - failsSince < WorthSaying) return;
            isSaid = true;
            log.LogWarning("Which tokens were revoked cannot be asked at {Address}: the last answer stays good. {Reason}", address, e.Message);
        }
    }
}
