namespace OpenReadings.Identity.Tests;

public sealed class SecrecyTests(SecrecyTests.OwnService service) : IClassFixture<SecrecyTests.OwnService>
{
    public sealed class OwnService : IdentityService;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_that_opens_anything_is_ever_logged()
    {
        var person = await Person.SignedInAsync(service);
        await person.TrySignInAsync("Not-for-any-log-9");
        var stolen = person.Tokens.RefreshToken;
        await service.RefreshAsync(stolen);
        await service.RefreshAsync(stolen);
        await service.RefreshAsync("rt_not-for-any-log");
        await service.PostAsync("accounts", new { email = "not-for-any-log", password = "not-for-any-log", name = 7 });
        await service.WithToken(person.Tokens.AccessToken + "x").GetAsync("/identity/v1/me", Ct);
        await person.ChangePasswordAsync(person.Password, "Not-for-any-log-2");
        await person.DeleteAccountAsync("Not-for-any-log-2");
        // A database that fails in the middle is when programs talk most.
        await service.SqlAsync("alter table passwords rename to gone");
        await person.TrySignInAsync("Not-for-any-log-2");
        await service.PostAsync("accounts", new { email = person.Email, password = "Not-for-any-log-2" });
        await service.SqlAsync("alter table gone rename to passwords");

        Assert.True(service.Log.Lines.Count > 100, "The log is too quiet for this test to mean anything.");
        Assert.Contains(service.Log.Lines, line =>
            line.Contains("A used refresh token came again", StringComparison.Ordinal));
        Assert.Empty(service.Leaks());
    }
}

public sealed class DocumentationTests(IdentityService service)
{
    [Fact]
    public async Task Every_operation_has_a_name_a_summary_and_an_example() =>
        Assert.Empty(await service.UndocumentedOperationsAsync());
}
