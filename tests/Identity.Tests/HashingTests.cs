using System.Diagnostics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using OpenReadings.Chassis;
using OpenReadings.Identity.Passwords;
using OpenReadings.Identity.Tests.OAuth;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

/// <summary>With a service of its own, because it counts and measures: one thread, and two that may wait.</summary>
public sealed class HashingTests(HashingTests.SmallService service) : IClassFixture<HashingTests.SmallService>
{
    public sealed class SmallService : IdentityService
    {
        protected override IEnumerable<KeyValuePair<string, string?>> Settings =>
            [.. base.Settings, new("Passwords:Threads", "1"), new("Passwords:Waiting", "2")];
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_unknown_address_costs_the_same_work_as_a_wrong_password()
    {
        var person = await Person.SignedUpAsync(service);
        Assert.Equal(1, await WorkOfAsync(() => person.TrySignInAsync("Not-for-any-log-9")));
        Assert.Equal(1, await WorkOfAsync(() => new Person(service).TrySignInAsync("Not-for-any-log-9")));
        Assert.Equal(1, await WorkOfAsync(() =>
            service.PostAsync("logins", new { email = "no address", password = "Not-for-any-log-9" })));
        Assert.Equal(1, await WorkOfAsync(() =>
            service.PostAsync("accounts", new { email = person.Email, password = "Not-for-any-log-9" })));
        Assert.Equal(1, await WorkOfAsync(() =>
            service.PostAsync("accounts", new { email = "fresh@example.org", password = "Not-for-any-log-9" })));
    }

    [Fact]
    public async Task And_takes_as_long()
    {
        var person = await Person.SignedUpAsync(service);
        List<double> wrong = [], unknown = [];
        for (var i = 0; i < 15; i++)
        {
            var place = $"203.0.113.{i}";                    // each with tries of its own
            wrong.Add(await TimeOfAsync(() => person.TrySignInAsync("Not-for-any-log-9", place)));
            unknown.Add(await TimeOfAsync(() => new Person(service).TrySignInAsync("Not-for-any-log-9", place)));
        }
        // Not hashing would make it a tenth. Of the quickest of each, because a busy machine only ever adds.
        Assert.InRange(unknown.Min() / wrong.Min(), 0.4, 2.5);
    }

    [Fact]
    public async Task Hashing_gives_way_to_what_else_the_machine_does()
    {
        using var passwords = await StartedAsync();
        // proc(5): the nineteenth of a thread's numbers, the name in brackets being the second.
        var niceness = Directory.GetDirectories($"/proc/{passwords.ProcessId}/task").Select(task => File.ReadAllText($"{task}/stat"))
            .Where(stat => stat.Contains("(passwords 0)", StringComparison.Ordinal)).Select(stat => stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[16]);
        Assert.Contains("7", niceness);
    }

    [Fact]
    public async Task The_process_that_hashes_knows_none_of_our_secrets_and_ends_with_us()
    {
        var passwords = await StartedAsync();
        using var process = Process.GetProcessById(passwords.ProcessId!.Value);
        var environment = (await File.ReadAllTextAsync($"/proc/{process.Id}/environ", Ct)).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(environment, setting => Assert.Matches("^(PATH|DOTNET_[A-Za-z_]+)=", setting));
        passwords.Dispose();
        await process.WaitForExitAsync(Ct);
    }

    [Fact]
    public async Task When_the_process_that_hashes_ends_whoever_waits_is_told_to_try_again_and_another_takes_its_place()
    {
        using var passwords = await StartedAsync();
        var hash = await passwords.HashAsync("Not-for-any-log-9", Ct);
        ProblemException? refusal = null;
        // Until the question was with it in time.
        for (var wait = 100; refusal is null; wait *= 2)
        {
            using var process = Process.GetProcessById(passwords.ProcessId!.Value);
            using (var stop = Process.Start("kill", ["-STOP", $"{process.Id}"])) await stop.WaitForExitAsync(Ct);
            var waiting = passwords.IsRightAsync(hash, "Not-for-any-log-9", Ct);
            await Task.WhenAny(waiting, Task.Delay(wait, Ct));
            process.Kill();
            try { Assert.True(await waiting); }
            catch (ProblemException e) { refusal = e; }
        }
        Assert.Equal((503, "busy"), (refusal.Status, refusal.Type));
        Assert.True(await passwords.IsRightAsync(hash, "Not-for-any-log-9", Ct));
        Assert.False(await passwords.IsRightAsync(hash, "Not-for-any-log-8", Ct));
    }

    private static async Task<PasswordHasher> StartedAsync()
    {
        var passwords = new PasswordHasher(new ConfigurationBuilder()
            .AddInMemoryCollection([new("Passwords:Threads", "1"), new("Passwords:Niceness", "7")]).Build(), NullLogger<PasswordHasher>.Instance);
        await passwords.StartAsync(Ct);
        return passwords;
    }

    [Fact]
    public async Task When_too_many_sign_in_at_once_they_are_told_to_wait_and_others_are_served()
    {
        var person = await Person.SignedInAsync(service);
        var signingIn = Enumerable.Range(0, 24).Select(place => person.TrySignInAsync(person.Password, $"203.0.113.{place}")).ToList();
        Assert.Equal(OK, (await person.Http.GetAsync("/identity/v1/me", Ct)).StatusCode);
        var answers = await Task.WhenAll(signingIn);
        Assert.Contains(answers, answer => answer.StatusCode == OK);
        var refused = answers.Where(answer => answer.StatusCode != OK).ToList();
        Assert.NotEmpty(refused);
        foreach (var answer in refused)
        {
            Assert.NotNull(answer.Headers.RetryAfter);
            await Task.FromResult(answer).RefusedAsync(ServiceUnavailable, "busy");
        }
    }

    [Fact]
    public async Task Whom_there_is_no_room_for_is_told_so_by_a_page_where_they_came_by_one()
    {
        var browsers = Enumerable.Range(0, 24).Select(_ => new Browser(service)).ToList();
        await Task.WhenAll(browsers.Select(browser => browser.GetAsync("/identity/sign-up")));
        await Task.WhenAll(browsers.Select(browser => browser.SendAsync(("email", $"{Guid.NewGuid():N}@example.org"), ("password", Person.FirstPassword))));
        Assert.Contains(browsers, browser => browser.Status == OK);
        var refused = browsers.Where(browser => browser.Status != OK).ToList();
        Assert.NotEmpty(refused);
        Assert.All(refused, browser => Assert.Equal(
            (ServiceUnavailable, "2", true), (browser.Status, browser.Headers.RetryAfter?.ToString(), browser.Html.Contains("<p>Too many people", StringComparison.Ordinal))));
        browsers.ForEach(browser => browser.Dispose());
    }

    private async Task<long> WorkOfAsync(Func<Task<HttpResponseMessage>> request)
    {
        var before = service.HashesDone();
        using var response = await request();
        return service.HashesDone() - before;
    }

    private static async Task<double> TimeOfAsync(Func<Task<HttpResponseMessage>> request)
    {
        var started = Stopwatch.GetTimestamp();
        using var response = await request();
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }
}
