using Dapper;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OpenReadings.Catalog.SeriesTypes;
using OpenReadings.Chassis;
using OpenReadings.Support;
using Listed = OpenReadings.Units.SeriesType;

namespace OpenReadings.CatalogTests;

/// <summary>A database without a running service, emptied before each test: the list is everybody's, so no user keeps
/// two tests apart.</summary>
public sealed class DefinitionTests(DefinitionTests.EmptyDatabase empty)
    : IClassFixture<DefinitionTests.EmptyDatabase>, IAsyncLifetime
{
    private static readonly IReadOnlyList<Listed> All = Units.SeriesTypes.All;
    private readonly NpgsqlDataSource app = NpgsqlDataSource.Create(empty.Database.App);
    private readonly NpgsqlConnection migrator = new(empty.Database.Migrator);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await migrator.ExecuteAsync("truncate series_types, outbox");

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        await migrator.DisposeAsync();
    }

    [Fact]
    public async Task The_first_start_defines_and_announces_all_and_the_second_finds_nothing_to_do()
    {
        Assert.Equal(93, await Replica().DefineAsync(All, 1, Ct));
        Assert.Equal(0, await Replica().DefineAsync(All, 1, Ct));

        Assert.Equal(93, await AnnouncedAsync());
        Assert.Equal([1], await VersionsAsync());
    }

    [Fact]
    public async Task Replicas_that_start_together_define_every_type_once()
    {
        var counts = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Replica().DefineAsync(All, 1, Ct)));

        Assert.Equal(93, counts.Sum());
        Assert.Equal(93, await AnnouncedAsync());
        Assert.Equal([1], await VersionsAsync());
    }

    [Fact]
    public async Task A_changed_type_gets_the_next_version_and_only_it_is_announced()
    {
        await Replica().DefineAsync(All, 1, Ct);
        await migrator.ExecuteAsync("delete from outbox");

        Assert.Equal(1, await Replica().DefineAsync(With("hydration", type => type with { Maximum = 40_000 }), 2, Ct));

        var (subject, data) = await migrator.QuerySingleAsync<(string, string)>(
            "select subject, data::text from outbox");
        Assert.Equal("hydration", subject);
        Assert.Contains("\"version\":2", data, StringComparison.Ordinal);
        Assert.Contains("\"maximum\":40000", data, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_older_program_does_not_undo_what_a_newer_one_defined()
    {
        await Replica().DefineAsync(All, 1, Ct);
        await Replica().DefineAsync(With("hydration", type => type with { Name = "Water" }), 2, Ct);

        Assert.Equal(0, await Replica().DefineAsync(All, 1, Ct));
        Assert.Equal("Water", await migrator.ExecuteScalarAsync<string>(
            "select name from series_types where code = 'hydration'"));
    }

    [Fact]
    public async Task Announcing_again_changes_nothing_and_says_the_same()
    {
        await Replica().DefineAsync(All, 1, Ct);
        var before = await SaidAsync();
        await migrator.ExecuteAsync("delete from outbox");

        Assert.Equal(93, await Announcer().AnnounceAsync(Ct));

        Assert.Equal(before, await SaidAsync());
        Assert.Equal([1], await VersionsAsync());
    }

    [Fact]
    public void The_first_announcements_follow_each_other_quickly_and_then_come_hourly()
    {
        var pauses = new List<double>();
        for (var pause = TimeSpan.Zero; pauses.Count < 12; pauses.Add(pause.TotalSeconds))
            pause = AnnounceSeriesTypes.PauseAfter(pause);
        Assert.Equal([5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600], pauses);
    }

    [Theory]
    [InlineData("insert into series_types select 'x', 999, '', '', '1', null, 'sum'")]
    [InlineData("update series_types set unit = 'kg'")]
    [InlineData("delete from series_types")]
    [InlineData("truncate series_types")]
    public async Task The_application_writes_no_series_type_but_by_defining_it(string sql)
    {
        await Replica().DefineAsync(All, 1, Ct);
        await using var connection = await app.OpenConnectionAsync(Ct);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => connection.ExecuteAsync(sql));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    [Fact]
    public async Task Nobody_but_the_application_defines_series_types()
    {
        await using var relay = new NpgsqlConnection(empty.Database.Relay);
        var refused = await Assert.ThrowsAsync<PostgresException>(
            () => relay.ExecuteAsync("select define_series_types('[]', 1)"));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    [Fact]
    public async Task No_table_is_left_unprotected()
    {
        Assert.Empty(await RlsGuard.UnprotectedTablesAsync(empty.Database));
        Assert.Empty(await RlsGuard.ExcessRightsAsync(empty.Database, "catalog"));
    }

    private DefineSeriesTypes Replica() =>
        new(new Database(app, new OutboxSignal()), NullLogger<DefineSeriesTypes>.Instance);

    private AnnounceSeriesTypes Announcer() =>
        new(new Database(app, new OutboxSignal()), TimeProvider.System, NullLogger<AnnounceSeriesTypes>.Instance);

    private static List<Listed> With(string code, Func<Listed, Listed> change) =>
        [.. All.Select(type => type.Code == code ? change(type) : type)];

    private Task<int> AnnouncedAsync() => migrator.ExecuteScalarAsync<int>(
        "select count(*)::int from outbox where event_type = 'series-type.defined.v1'");

    private async Task<IEnumerable<int>> VersionsAsync() =>
        await migrator.QueryAsync<int>("select distinct version from series_types order by 1");

    private async Task<IEnumerable<string>> SaidAsync() =>
        await migrator.QueryAsync<string>("select subject || data::text from outbox order by id");

    /// <summary>Migrated and nothing more.</summary>
    public sealed class EmptyDatabase : IAsyncLifetime
    {
        public TestDatabase Database { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Database = await TestDatabase.CreateAsync("catalog");

        public ValueTask DisposeAsync() => Database.DisposeAsync();
    }
}
