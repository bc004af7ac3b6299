using System.Diagnostics;
using System.Net;
using OpenReadings.Support;

namespace OpenReadings.Journeys;

public sealed class RevocationTests(RunningPlatform platform)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_login_that_was_ended_opens_nothing_in_any_service_a_second_later()
    {
        var ada = await platform.SignUpAsync();
        string[] paths = ["/readings/v1/sources", "/sync/v1/imports", "/identity/v1/me"];
        foreach (var path in paths) Assert.Equal(HttpStatusCode.OK, (await ada.Http.GetAsync(path, Ct)).StatusCode);
        (await ada.Http.DeleteAsync("/identity/v1/logins/current", Ct)).EnsureSuccessStatusCode();
        var since = Stopwatch.StartNew();
        var lastOpened = paths.ToDictionary(path => path, _ => TimeSpan.Zero);
        while (since.Elapsed < TimeSpan.FromSeconds(3))
            foreach (var path in paths)
            {
                var asked = since.Elapsed;
                if ((await ada.Http.GetAsync(path, Ct)).StatusCode == HttpStatusCode.OK) lastOpened[path] = asked;
            }
        Assert.All(lastOpened, path => Assert.True(path.Value < TimeSpan.FromSeconds(1.5), $"{path.Key} was open after {path.Value}"));
        foreach (var path in paths) Assert.Equal(HttpStatusCode.Unauthorized, (await ada.Http.GetAsync(path, Ct)).StatusCode);
    }
}
