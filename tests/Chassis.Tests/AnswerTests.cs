using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Dapper;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OpenReadings.Chassis;
using OpenReadings.Support;

namespace OpenReadings.ChassisTests;

public sealed class AnswerTests(Notebook notebook)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("{\"id\": \"00000000-0000-0000-0000-000000000001\", \"text\": 7}", "malformed-json", "/text")]
    [InlineData("{\"id\": \"nonsense\", \"text\": \"x\"}", "malformed-json", "/id")]
    [InlineData("{\"id\": \"00000000-0000-0000-0000-000000000001\", \"text\": \"x\", \"text\": \"y\"}", "malformed-json", "/text")]
    [InlineData("{\"id\": \"00000000-0000-0000-0000-000000000001\", \"text\": \"12345678901234567890123456789012345678901\"}", "validation-failed", "/text")]
    [InlineData("{", "malformed-json", null)]
    public async Task A_bad_body_is_a_problem_that_points_at_the_field(string body, string type, string? pointer)
    {
        using var response = await SendAsync(HttpMethod.Post, "/notebook/v1/notes", new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        var problem = await ProblemAsync(response);
        Assert.Equal(type, problem.GetProperty("type").GetString());
        if (pointer is not null) Assert.Equal(pointer, problem.GetProperty("errors")[0].GetProperty("pointer").GetString());
    }

    [Theory]
    [InlineData("GET", "/nowhere", 404, "not-found")]
    [InlineData("DELETE", "/notebook/v1/notes", 405, "method-not-allowed")]
    [InlineData("GET", "/boom", 500, "internal-error")]
    public async Task Every_error_is_a_problem_with_a_stable_type_and_says_nothing_of_the_inside(string method, string path, int status, string type)
    {
        using var response = await SendAsync(new HttpMethod(method), path);
        Assert.Equal(status, (int)response.StatusCode);
        var problem = await ProblemAsync(response);
        Assert.Equal(type, problem.GetProperty("type").GetString());
        Assert.NotEmpty(problem.GetProperty("traceId").GetString()!);
        Assert.DoesNotContain("secret detail", problem.GetRawText());
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused()
    {
        using var response = await SendAsync(HttpMethod.Post, "/notebook/v1/notes", JsonContent.Create(new { id = Guid.NewGuid(), text = new string('x', 2 << 20) }));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Equal("body-too-large", (await ProblemAsync(response)).GetProperty("type").GetString());
    }

    [Fact]
    public async Task Pages_of_others_may_ask_only_where_they_are_named_and_never_with_cookies()
    {
        await using var app = await Notebook.StartAsync(notebook.Database, notebook.Broker, notebook.Identity, null, ("Cors:Origins:0", "https://lab.example"));
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        async Task<HttpResponseMessage> AskFirst(string origin)
        {
            using var request = new HttpRequestMessage(HttpMethod.Options, "/notebook/v1/notes") { Headers = { { "Origin", origin }, { "Access-Control-Request-Method", "POST" }, { "Access-Control-Request-Headers", "authorization" } } };
            return await http.SendAsync(request, Ct);
        }

        using var named = await AskFirst("https://lab.example");
        Assert.Equal("https://lab.example", named.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.False(named.Headers.Contains("Access-Control-Allow-Credentials"));
        foreach (var origin in new[] { "https://evil.example", "https://lab.example.evil.example", "http://lab.example", "null" })
        {
            using var other = await AskFirst(origin);
            Assert.False(other.Headers.Contains("Access-Control-Allow-Origin"), origin);
        }
    }

    [Fact]
    public async Task Where_the_platform_is_reached_by_https_browsers_are_told_to_stay_with_it()
    {
        await using var app = await Notebook.StartAsync(notebook.Database, notebook.Broker, notebook.Identity, null, ("Identity:Issuer", "https://readings.example/identity"));
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        foreach (var path in new[] { "/livez", "/notebook/v1/notes", "/nowhere", "/boom" })
            Assert.Equal("max-age=31536000; includeSubDomains", (await http.GetAsync(path, Ct)).Headers.GetValues("Strict-Transport-Security").Single());
        Assert.False((await notebook.Http.GetAsync("/livez", Ct)).Headers.Contains("Strict-Transport-Security"));
    }

    [Fact]
    public async Task What_was_revoked_is_refused_and_nothing_else_and_while_the_issuer_is_away_the_last_word_stays()
    {
        await using var issuer = await TestIdentity.StartAsync();
        using var http = new HttpClient();
        var clock = new ManualClock();
        using var revocations = new Revocations(http, new Uri(issuer.Jwks, "v1/revocations"), clock, NullLogger<Revocations>.Instance);
        using var keys = new JwksCache(http, issuer.Jwks, clock);
        var verifier = new TokenVerifier(keys, TestIdentity.Issuer, "notebook", clock);
        async Task<VerifiedToken> Of(Guid person) => (await verifier.VerifyAsync(issuer.TokenFor(person), Ct)).Token!;
        static string Mark(string kind, object id) => Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes($"{kind} {id}"))[..16]);

        var (ada, bob, eve) = (await Of(Guid.NewGuid()), await Of(Guid.NewGuid()), await Of(Guid.NewGuid()));
        issuer.Revoked.Add(new(Mark("login", ada.LoginId!), null));
        issuer.Revoked.Add(new(Mark("person", bob.Subject), bob.IssuedAt));
        issuer.Revoked.Add(new(Mark("person", eve.Subject), eve.IssuedAt.AddSeconds(-1)));
        Assert.False(revocations.Refuses(ada));
        await revocations.AskAsync(0, Ct);
        Assert.Equal((true, true, false), (revocations.Refuses(ada), revocations.Refuses(bob), revocations.Refuses(eve)));
        await issuer.DisposeAsync();
        await revocations.AskAsync(0, Ct);
        Assert.Equal((true, true, false), (revocations.Refuses(ada), revocations.Refuses(bob), revocations.Refuses(eve)));
    }

    [Fact]
    public async Task Each_person_has_an_allowance_of_their_own_and_is_told_what_is_left()
    {
        await using var app = await Notebook.StartAsync(notebook.Database, notebook.Broker, notebook.Identity, null, ("Limits:RequestsPerMinute", "5"));
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        var (ada, bob) = (notebook.Identity.TokenFor(Guid.NewGuid()), notebook.Identity.TokenFor(Guid.NewGuid()));
        async Task<HttpResponseMessage> Ask(string token)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/notebook/v1/notes") { Headers = { Authorization = new("Bearer", token) } };
            return await http.SendAsync(request, Ct);
        }

        for (var left = 4; left >= 0; left--)
        {
            using var answer = await Ask(ada);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal($"\"user\";r={left}", answer.Headers.GetValues("RateLimit").Single());
        }
        using var refused = await Ask(ada);
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Assert.Equal("quota-exceeded", (await ProblemAsync(refused)).GetProperty("type").GetString());
        using var other = await Ask(bob);
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
    }

    [Fact]
    public async Task It_is_ready_with_its_database_and_schema_and_live_without()
    {
        Assert.Equal("ready", await notebook.Http.GetStringAsync(new Uri("/readyz", UriKind.Relative), Ct));
        Assert.Equal("live", await notebook.Http.GetStringAsync(new Uri("/livez", UriKind.Relative), Ct));
    }

    [Fact]
    public async Task A_database_that_never_answers_is_tried_ten_times_and_then_the_start_is_refused()
    {
        await using var nowhere = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=x;Password=x;Timeout=5");
        var lines = new LogLines();
        using var factory = LoggerFactory.Create(logging => logging.AddProvider(lines));
        var gate = new SchemaGate(nowhere, ["20990101000000_later.sql"], new ManualClock(), factory.CreateLogger<SchemaGate>());
        var refused = await Assert.ThrowsAsync<StartRefusedException>(() => gate.StartingAsync(Ct));
        Assert.Contains("10 times", refused.Message);
        Assert.Equal(9, lines.Lines.Count(line => line.Contains("of 10 failed", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_schema_that_lacks_a_script_of_this_build_is_refused_by_name()
    {
        await using var source = NpgsqlDataSource.Create(notebook.Database.App);
        var gate = new SchemaGate(source, ["20261121100000_say_who_the_user_is.sql", "20990101000000_later.sql"], new ManualClock(), NullLogger<SchemaGate>.Instance);
        Assert.Contains("20990101000000_later.sql", (await Assert.ThrowsAsync<StartRefusedException>(() => gate.StartingAsync(Ct))).Message);
    }

    [Theory]
    [InlineData("-- migrate: phase contract\ndrop table t;", false)]
    [InlineData("-- Why.\n-- migrate: no-transaction; phase data\nupdate t set a = 1;", false)]
    [InlineData("-- migrate: env dev,staging\ninsert into t values (1);", false)]
    [InlineData("-- migrate: phase expand\ncreate table t ();", true)]
    [InlineData("-- In the phase contract this goes.\ncreate table t ();", true)]
    public void A_build_needs_no_script_that_comes_after_it(string script, bool needed) => Assert.Equal(needed, SchemaGate.IsNeeded(script));

    [Fact]
    public async Task A_pooled_connection_carries_nobody_to_the_next_request()
    {
        var (ada, bob) = (Guid.NewGuid(), Guid.NewGuid());
        await Task.WhenAll(Enumerable.Range(0, 100).Select(async i =>
        {
            var user = i % 2 == 0 ? ada : bob;
            using var request = Request(HttpMethod.Post, "/notebook/v1/notes", user, JsonContent.Create(new { id = Guid.NewGuid(), text = user.ToString()[..8] }));
            (await notebook.Http.SendAsync(request, Ct)).EnsureSuccessStatusCode();
            using var list = Request(HttpMethod.Get, "/notebook/v1/notes", user);
            using var answer = await notebook.Http.SendAsync(list, Ct);
            Assert.All(await answer.Content.ReadFromJsonAsync<string[]>(Ct) ?? [], text => Assert.Equal(user.ToString()[..8], text));
        }));
        await using var app = new NpgsqlConnection(notebook.Database.App);
        Assert.Equal(0, await app.ExecuteScalarAsync<int>("select count(*)::int from notes"));
        var refused = await Assert.ThrowsAsync<PostgresException>(() => app.ExecuteAsync(
            "insert into notes (user_id, note_id) values (@ada, gen_random_uuid())", new { ada }));
        Assert.Equal("42501", refused.SqlState);
    }

    [Fact]
    public async Task Nothing_in_the_shared_schema_is_left_unprotected()
    {
        Assert.Empty(await RlsGuard.UnprotectedTablesAsync(notebook.Database));
        Assert.Empty(await RlsGuard.ExcessRightsAsync(notebook.Database, "notebook"));
    }

    [Fact]
    public async Task A_departed_user_can_begin_nothing_again()
    {
        await using var migrator = new NpgsqlConnection(notebook.Database.Migrator);
        var gone = Guid.NewGuid();
        await migrator.ExecuteAsync(
            """
            create table if not exists diaries (user_id uuid not null default app_user_id(), diary_id uuid, primary key (user_id, diary_id));
            create or replace trigger refuse_departed_user before insert on diaries for each row execute function refuse_departed_user();
            insert into departed_users (user_id) values (@gone);
            """, new { gone });
        var refused = await Assert.ThrowsAsync<PostgresException>(() => migrator.ExecuteAsync(
            "insert into diaries values (@gone, gen_random_uuid())", new { gone }));
        Assert.Equal("user_departed", refused.ConstraintName);
        await migrator.ExecuteAsync("drop table diaries");
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content = null)
    {
        using var request = Request(method, path, Guid.NewGuid(), content);
        return await notebook.Http.SendAsync(request, Ct);
    }

    private HttpRequestMessage Request(HttpMethod method, string path, Guid user, HttpContent? content = null) => new(method, path)
    {
        Content = content, Headers = { Authorization = new AuthenticationHeaderValue("Bearer", notebook.Identity.TokenFor(user)) },
    };

    private static async Task<JsonElement> ProblemAsync(HttpResponseMessage response)
    {
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        return await response.Content.ReadFromJsonAsync<JsonElement>(Ct);
    }
}
