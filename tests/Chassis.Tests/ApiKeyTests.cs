using System.Net;
using System.Text;
using OpenReadings.Chassis;

namespace OpenReadings.ChassisTests;

/// <summary>What services ask identity about keys.</summary>
public sealed class ApiKeyTests
{
    private static readonly string Key = WithChecksum($"or_live_k3J9x0QmZ2aB_{new string('x', 43)}");
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Many_who_come_with_one_key_at_a_moment_ask_once()
    {
        var (identity, clock) = (new Identity(), new Clock());
        var keys = new ApiKeys(new HttpClient(identity), new Uri("http://identity.invalid/introspect"), clock);
        for (var round = 1; round <= 3; round++)
        {
            identity.Hold();
            var all = Enumerable.Range(0, 100).Select(_ => Task.Run(async () => await keys.VerifyAsync(Key, Ct))).ToList();
            await identity.AskedAsync();
            // One that goes away, the first perhaps, takes the answer from nobody.
            using var gone = new CancellationTokenSource();
            var left = keys.VerifyAsync(Key, gone.Token).AsTask();
            await gone.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
            identity.Answer();
            Assert.All(await Task.WhenAll(all), token => Assert.NotNull(token));
            Assert.Equal(round, identity.Asked);
            clock.Now += TimeSpan.FromSeconds(1);
        }
    }

    [Fact]
    public async Task A_question_that_was_not_answered_is_asked_again_by_the_next()
    {
        var identity = new Identity { IsAway = true };
        var keys = new ApiKeys(new HttpClient(identity), new Uri("http://identity.invalid/introspect"), new Clock());
        Assert.Equal(503, (await Assert.ThrowsAsync<ProblemException>(async () => await keys.VerifyAsync(Key, Ct))).Status);
        identity.IsAway = false;
        identity.Answer();
        Assert.NotNull(await keys.VerifyAsync(Key, Ct));
        Assert.Equal(2, identity.Asked);
    }

    private static string WithChecksum(string key) => key + ApiKeys.Checksum(key);

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UtcNow;
        public override DateTimeOffset GetUtcNow() => Now;
    }

    private sealed class Identity : HttpMessageHandler
    {
        private TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously), answer = new();
        private int count;

        public int Asked => count;
        public bool IsAway { get; set; }

        public void Hold() => (asked, answer) = (new(TaskCreationOptions.RunContinuationsAsynchronously), new(TaskCreationOptions.RunContinuationsAsynchronously));
        public Task AskedAsync() => asked.Task;
        public void Answer() => answer.SetResult();

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref count);
            asked.TrySetResult();
            if (IsAway) throw new HttpRequestException("away");
            await answer.Task.WaitAsync(cancellationToken);
            return new(HttpStatusCode.OK) { Content = new StringContent("""{"active": true, "sub": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227", "key_id": "k", "scope": "readings:read"}""", Encoding.UTF8, "application/json") };
        }
    }
}
