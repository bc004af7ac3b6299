using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests;

public sealed class PreferenceTests(IdentityService service)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_given_changes_what_is_not_stays_and_null_is_taken_away()
    {
        var ada = await Person.SignedInAsync(service);
        Assert.Equal("{}", (await ShowAsync(ada)).GetRawText());
        await ChangedAsync(ada, """{"units": "imperial", "language": "de-AT", "custom": {"org.example/chart": {"smooth": true, "days": [1, 2]}, "b": 1}}""");
        var after = await ChangedAsync(ada, """{"units": null, "theme": "dark", "week_start": "sunday", "custom": {"org.example/chart": {"days": []}, "b": null}}""");
        Same("""{"language": "de-AT", "theme": "dark", "week_start": "sunday", "custom": {"org.example/chart": {"days": []}}}""", after);
        Same(after.GetRawText(), await ShowAsync(ada));
        Same("""{"custom": {"a": "\\u0000 in words"}}""", await ChangedAsync(await Person.SignedInAsync(service), """{"custom": {"a": "\\u0000 in words"}}"""));
        Same("""{"language": "de-AT", "theme": "dark", "week_start": "sunday"}""", await ChangedAsync(ada, """{"custom": null}"""));
        Assert.Equal("{}", (await ShowAsync(await Person.SignedInAsync(service))).GetRawText());
    }

    [Theory]
    [InlineData("""[]""", "", "not-an-object")]
    [InlineData("""{"units": "furlongs"}""", "/units", "invalid-choice")]
    [InlineData("""{"units": 1}""", "/units", "invalid-choice")]
    [InlineData("""{"week_start": "MONDAY"}""", "/week_start", "invalid-choice")]
    [InlineData("""{"theme": ["dark"]}""", "/theme", "invalid-choice")]
    [InlineData("""{"language": "x"}""", "/language", "invalid-language")]
    [InlineData("""{"language": "de_AT"}""", "/language", "invalid-language")]
    [InlineData("""{"language": "de\n"}""", "/language", "invalid-language")]
    [InlineData("""{"colour~/": "red"}""", "/colour~0~1", "unknown-preference")]
    [InlineData("""{"custom": 3}""", "/custom", "not-an-object")]
    [InlineData("""{"custom": {"a b": 3}}""", "/custom/a b", "invalid-key")]
    [InlineData("""{"custom": {"": 3}}""", "/custom/", "invalid-key")]
    [InlineData("""{"custom": {"a": "\u0000"}}""", "/custom/a", "invalid-value")]
    [InlineData("""{"custom": {"a": ["\ud800"]}}""", "/custom/a", "invalid-value")]
    [InlineData("""{"theme": "\ud800"}""", "/theme", "invalid-choice")]
    [InlineData("""{"language": "\udfff"}""", "/language", "invalid-language")]
    public async Task What_is_no_preference_is_named_and_nothing_of_it_is_kept(string change, string pointer, string type)
    {
        var ada = await Person.SignedInAsync(service);
        await ChangedAsync(ada, """{"theme": "light"}""");
        var problem = await PatchAsync(ada, change).RefusedAsync(BadRequest, "validation-failed");
        Assert.Equal((pointer, type), (Assert.Single(problem.Errors!).Pointer, problem.Errors![0].Type));
        Same("""{"theme": "light"}""", await ShowAsync(ada));
    }

    [Theory]
    [InlineData("""{"\ud800": 1}""")]
    [InlineData("""{"custom": {"\ud800": 1}}""")]
    [InlineData("""{"custom": {"a": {"\ud800": 1}}}""")]
    [InlineData("""{"theme": "light", "theme": "dark"}""")]
    [InlineData("""{"custom": {"a": 1e999999}}""")]
    public async Task What_no_text_or_number_can_be_is_the_callers_fault(string change)
    {
        using var response = await PatchAsync(await Person.SignedInAsync(service), change);
        Assert.Equal(BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task There_is_a_limit_on_values_on_keys_and_on_the_whole()
    {
        var ada = await Person.SignedInAsync(service);
        string Custom(IEnumerable<(string Key, string Value)> all) => JsonSerializer.Serialize(new { custom = all.ToDictionary(one => one.Key, one => one.Value) });
        Assert.Equal("value-too-large", Assert.Single((await PatchAsync(ada, Custom([("a", new string('x', 4095))])).RefusedAsync(BadRequest, "validation-failed")).Errors!).Type);
        await ChangedAsync(ada, Custom(Enumerable.Range(0, 100).Select(i => ($"k{i}", "v"))));
        Assert.Equal("too-many-keys", Assert.Single((await PatchAsync(ada, Custom([("one-more", "v")])).RefusedAsync(BadRequest, "validation-failed")).Errors!).Type);
        Assert.Equal("too-large", Assert.Single((await PatchAsync(ada, Custom(Enumerable.Range(0, 20).Select(i => ($"k{i}", new string('x', 4000))))).RefusedAsync(BadRequest, "validation-failed")).Errors!).Type);
        Assert.Equal(100, (await ShowAsync(ada)).GetProperty("custom").EnumerateObject().Count());
    }

    [Fact]
    public async Task Programs_that_change_different_things_at_once_all_win()
    {
        var ada = await Person.SignedInAsync(service);
        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => PatchAsync(ada, JsonSerializer.Serialize(new { custom = new Dictionary<string, int> { [$"program-{i}"] = i } }))));
        Assert.All(answers, answer => Assert.Equal(OK, answer.StatusCode));
        Assert.Equal(16, (await ShowAsync(ada)).GetProperty("custom").EnumerateObject().Count());
    }

    private static void Same(string expected, JsonElement actual) =>
        Assert.True(JsonElement.DeepEquals(JsonDocument.Parse(expected).RootElement, actual), actual.GetRawText());

    private static Task<HttpResponseMessage> PatchAsync(Person person, string change) =>
        person.Http.PatchAsync("/identity/v1/me/preferences", new StringContent(change, Encoding.UTF8, "application/json"), Ct);

    private static async Task<JsonElement> ChangedAsync(Person person, string change)
    {
        using var response = await PatchAsync(person, change);
        Assert.Equal(OK, response.StatusCode);
        return await response.JsonAsync();
    }

    private static async Task<JsonElement> ShowAsync(Person person) => await person.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me/preferences", Ct);
}
