using Dapper;
using Npgsql;

namespace OpenReadings.ReadingsTests;

public sealed class ServiceTests(ReadingsService service)
{
    [Fact]
    public async Task Every_operation_is_documented() => Assert.Empty(await service.UndocumentedOperationsAsync());

    [Fact]
    public async Task Partitions_reach_months_ahead_and_making_them_again_makes_none()
    {
        await using var app = new NpgsqlConnection(service.Database.App);
        var until = DateTime.UtcNow.AddMonths(4);
        await app.ExecuteScalarAsync<int>("select make_readings_partitions(@until::date)", new { until });
        Assert.Equal(0, await app.ExecuteScalarAsync<int>("select make_readings_partitions(@until::date)", new { until }));
        Assert.Single(await service.TruthAsync<int>("select 1 from pg_class where relname = @name and relispartition", new { name = $"readings_{until:yyyy_MM}" }));
        var refused = await Assert.ThrowsAsync<PostgresException>(() => app.ExecuteScalarAsync<int>("select make_readings_partitions('2100-01-01')"));
        Assert.Equal("22023", refused.SqlState);
        // The tools of that function are not the app's.
        refused = await Assert.ThrowsAsync<PostgresException>(() => app.ExecuteAsync("select make_readings_partition('x', 'minvalue', 'maxvalue')"));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    [Fact]
    public async Task A_new_month_is_protected_like_the_others()
    {
        await using var app = new NpgsqlConnection(service.Database.App);
        await app.ExecuteScalarAsync<int>("select make_readings_partitions(@until::date)", new { until = DateTime.UtcNow.AddMonths(7) });
        Assert.Empty(await service.TruthAsync<string>(
            "select relname::text from pg_class where relispartition and relkind = 'r' and not (relrowsecurity and relforcerowsecurity)"));
    }
}
