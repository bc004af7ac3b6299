using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using OpenReadings.Units;

namespace OpenReadings.CatalogTests;

public sealed class SeriesTypeTests(CatalogService catalog)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task All_ninety_three_come_in_one_answer_to_anybody()
    {
        var listed = (await catalog.GetAsync("/catalog/v1/series-types")).GetProperty("series_types");

        Assert.Equal(SeriesTypes.All.Select(type => type.Code), Codes(listed));
        Assert.All(listed.EnumerateArray(), type => Assert.True(type.GetProperty("version").GetInt32() >= 1));
    }

    [Fact]
    public async Task A_token_does_no_harm()
    {
        using var http = catalog.SignedInAs(Guid.NewGuid());
        using var response = await http.GetAsync(new Uri("/catalog/v1/series-types", UriKind.Relative), Ct);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task A_series_type_says_all_there_is_to_know()
    {
        var type = await catalog.GetAsync("/catalog/v1/series-types/blood_pressure_systolic");

        Assert.Equal(22, type.GetProperty("number").GetInt32());
        Assert.Equal("blood_respiratory", type.GetProperty("category").GetString());
        Assert.Equal("Systolic blood pressure", type.GetProperty("name").GetString());
        Assert.Equal("mm[Hg]", type.GetProperty("unit").GetString());
        Assert.Equal("8480-6", type.GetProperty("loinc").GetString());
        Assert.Equal("average", type.GetProperty("aggregation").GetString());
        Assert.Equal(40, type.GetProperty("minimum").GetDouble());
        Assert.Equal(300, type.GetProperty("maximum").GetDouble());
        Assert.Equal("blood_pressure", type.GetProperty("panel").GetString());
        Assert.Equal(JsonValueKind.Null, type.GetProperty("substance").ValueKind);
    }

    [Fact]
    public async Task A_code_that_is_none_is_not_found()
    {
        var (status, problem) = await catalog.RefusedAsync("/catalog/v1/series-types/recovery_score");
        Assert.Equal(404, status);
        Assert.Equal("series-type-not-found", problem.GetProperty("type").GetString());
    }

    [Theory]
    [InlineData("category=running", 7)]
    [InlineData("category=activity_distance", 5)]
    [InlineData("category=nothing", 0)]
    [InlineData("q=heart_rate", 6)]
    [InlineData("q=Heart%20RATE", 6)]
    [InlineData("q=8867-4", 1)]
    [InlineData("q=rmssd", 1)]
    [InlineData("q=%25", 0)]
    [InlineData("q=", 93)]
    [InlineData("q=%20steps%20", 1)]
    [InlineData("category=heart&q=variability", 2)]
    [InlineData("category=body_composition&q=heart", 0)]
    public async Task Filters_narrow_the_list(string query, int count) =>
        Assert.Equal(count, (await catalog.GetAsync($"/catalog/v1/series-types?{query}"))
            .GetProperty("series_types").GetArrayLength());

    [Fact]
    public async Task A_text_that_is_too_long_is_refused_by_name()
    {
        var (status, problem) = await catalog.RefusedAsync($"/catalog/v1/series-types?q={new string('x', 101)}");
        Assert.Equal(400, status);
        Assert.Equal("validation-failed", problem.GetProperty("type").GetString());
        Assert.Equal("/q", problem.GetProperty("errors")[0].GetProperty("pointer").GetString());
    }

    [Theory]
    [InlineData("/catalog/v1/series-types")]
    [InlineData("/catalog/v1/series-types?category=heart")]
    [InlineData("/catalog/v1/series-types/heart_rate")]
    [InlineData("/catalog/v1/units")]
    public async Task What_a_client_has_already_is_not_sent_again(string path)
    {
        using var http = catalog.Anonymous();
        using var first = await http.GetAsync(new Uri(path, UriKind.Relative), Ct);
        var tag = first.Headers.ETag!;
        Assert.False(tag.IsWeak);
        Assert.NotEqual(0, first.Content.Headers.ContentLength);

        using var same = await AskAsync(tag);
        Assert.Equal(HttpStatusCode.NotModified, same.StatusCode);
        Assert.Equal(tag, same.Headers.ETag);
        Assert.Empty(await same.Content.ReadAsByteArrayAsync(Ct));

        using var other = await AskAsync(new EntityTagHeaderValue("\"something-else\""));
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);

        async Task<HttpResponseMessage> AskAsync(EntityTagHeaderValue known)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { IfNoneMatch = { known } } };
            return await http.SendAsync(request, Ct);
        }
    }

    [Fact]
    public async Task Different_filters_have_different_tags()
    {
        using var http = catalog.Anonymous();
        using var heart = await http.GetAsync(new Uri("/catalog/v1/series-types?category=heart", UriKind.Relative), Ct);
        using var other = await http.GetAsync(new Uri("/catalog/v1/series-types?category=other", UriKind.Relative), Ct);
        Assert.NotEqual(heart.Headers.ETag, other.Headers.ETag);
    }

    [Fact]
    public async Task The_licence_of_LOINC_is_said_where_its_codes_are_listed() =>
        Assert.Contains("https://loinc.org/license",
            (await catalog.GetAsync("/catalog/v1/series-types")).GetProperty("loinc_notice").GetString());

    private static IEnumerable<string?> Codes(JsonElement list) =>
        list.EnumerateArray().Select(type => type.GetProperty("code").GetString());
}
