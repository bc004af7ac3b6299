using System.Text.Json;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.DependencyInjection;
using OpenReadings.Catalog.SeriesTypes;
using OpenReadings.Support;

namespace OpenReadings.CatalogTests;

public sealed class ServiceTests(CatalogService catalog)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_consumer_that_comes_late_hears_of_every_type_at_the_next_announcement()
    {
        await using var late = await Outsider.ConnectAsync(catalog.Broker, "catalog.events");
        await catalog.Services.GetRequiredService<AnnounceSeriesTypes>().AnnounceAsync(Ct);
        await catalog.Relay.SendBatchAsync(Ct);

        var heard = new Dictionary<string, JsonElement>();
        while (heard.Count < 93)
        {
            var message = await late.NextAsync(message => message.RoutingKey == "series-type.defined.v1");
            var body = JsonDocument.Parse(message.Body).RootElement;
            heard[body.GetProperty("subject").GetString()!] = body.GetProperty("data");
        }
        var pressure = heard["blood_pressure_diastolic"];
        Assert.Equal("mm[Hg]", pressure.GetProperty("unit").GetString());
        Assert.Equal("blood_pressure", pressure.GetProperty("panel").GetString());
        Assert.Equal("average", pressure.GetProperty("aggregation").GetString());
        Assert.True(pressure.GetProperty("version").GetInt32() >= 1);
        Assert.Equal("sum", heard["hydration"].GetProperty("aggregation").GetString());
    }

    [Fact]
    public async Task Every_operation_is_documented() => Assert.Empty(await catalog.UndocumentedOperationsAsync());

    [Fact]
    public void Nothing_but_reading_is_open_to_anybody() =>
        Assert.All(catalog.Routes().Where(entry => entry.Method != "GET"),
            entry => Assert.NotEmpty(entry.Route.Metadata.OfType<IAuthorizeData>()));

    [Fact]
    public async Task No_table_of_the_running_service_is_left_unprotected() =>
        Assert.Empty(await RlsGuard.UnprotectedTablesAsync(catalog.Database));
}
