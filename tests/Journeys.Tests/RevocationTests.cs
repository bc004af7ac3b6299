using System.Net;
using OpenReadings.Support;

namespace OpenReadings.Journeys;

public sealed class RevocationTests(RunningPlatform platform)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_login_that_was_ended_soon_opens_nothing_in_any_service()
    {
        var ada = await platform.SignUpAsync();
        string[] paths = ["/readings/v1/sources", "/sync/v1/imports", "/identity/v1/me"];
        foreach (var path in paths) Assert.Equal(HttpStatusCode.OK, (await ada.Http.GetAsync(path, Ct)).StatusCode);
        (await ada.Http.DeleteAsync("/identity/v1/logins/current", Ct)).EnsureSuccessStatusCode();
        // How soon is measured by the benchmark: half a second, when nothing else runs.
        foreach (var path in paths)
            await PersonTests.UntilAsync(async () => (await ada.Http.GetAsync(path, Ct)).StatusCode == HttpStatusCode.Unauthorized, 20);
        foreach (var path in paths) Assert.Equal(HttpStatusCode.Unauthorized, (await ada.Http.GetAsync(path, Ct)).StatusCode);
    }
}
