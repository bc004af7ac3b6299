using Npgsql;
using OpenReadings.Ops.Maintenance;

namespace OpenReadings.Ops.Tests.Maintenance;

public sealed class ReindexTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task An_invalid_index_is_rebuilt_and_what_a_broken_off_build_left_is_dropped()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await given.DoAsync("create table words (id int, word text); insert into words values (1, 'a'), (1, 'b'); create index words_by_word on words (word)");
        await Assert.ThrowsAsync<PostgresException>(() => given.DoAsync("create unique index concurrently words_id on words (id)"));
        await Assert.ThrowsAsync<PostgresException>(() => given.DoAsync("create unique index concurrently words_by_word_ccnew on words (id)"));
        await given.DoAsync("update words set id = 2 where word = 'b'");

        await using var database = await given.OpenAsync();
        var done = await ReindexVerb.RunAsync(database, new(), Patience, _ => { }, Given.Ct);
        Assert.Equal([("words_by_word_ccnew", "dropped"), ("words_id", "rebuilt")], done.Select(index => (index.Index, index.Did)));
        Assert.Equal(0, await given.AskAsync<long>("select count(*) from pg_index where not indisvalid"));
        Assert.Empty(await ReindexVerb.RunAsync(database, new(), Patience, _ => { }, Given.Ct));
    }

    [Fact]
    public async Task It_does_not_begin_behind_an_old_transaction()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await given.DoAsync("create table words (id int primary key)");
        await using var old = await given.InTransactionAsync("insert into words values (1)");
        await given.UntilAsync($"now() - xact_start > interval '200 ms' from pg_stat_activity where pid = {old.ProcessID}");
        await using var database = await given.OpenAsync();
        var refused = await Assert.ThrowsAsync<OpsException>(() =>
            ReindexVerb.RunAsync(database, new(Table: "words"), TimeSpan.FromMilliseconds(200), _ => { }, Given.Ct));
        Assert.Contains($"process {old.ProcessID},", refused.Message, StringComparison.Ordinal);
        Assert.Equal("words_pkey", await given.AskAsync<string>(IndexesOfWords));
    }

    [Fact]
    public async Task A_build_that_waits_too_long_gives_up_and_the_next_run_clears_up_after_it()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await given.DoAsync("create table words (id int primary key)");
        await using var database = await given.OpenAsync();
        // It begins between the look for old ones and the build.
        NpgsqlConnection? young = null;
        var refused = await Assert.ThrowsAsync<OpsException>(() =>
            ReindexVerb.RunAsync(database, new(Table: "words"), TimeSpan.FromMilliseconds(500), _ => young = Begin(given), Given.Ct));
        Assert.Contains("The next run drops", refused.Message, StringComparison.Ordinal);
        await young!.DisposeAsync();
        await database.DisposeAsync();

        await using var again = await given.OpenAsync();
        var done = await ReindexVerb.RunAsync(again, new(Table: "words"), Patience, _ => { }, Given.Ct);
        Assert.Equal([("words_pkey_ccnew", "dropped"), ("words_pkey", "rebuilt")], done.Select(index => (index.Index, index.Did)));
        Assert.Equal("words_pkey", await given.AskAsync<string>(IndexesOfWords));
    }

    private static NpgsqlConnection Begin(Given given) => given.InTransactionAsync("insert into words values (1)").GetAwaiter().GetResult();

    private const string IndexesOfWords = "select string_agg(indexrelid::regclass::text, ',') from pg_index where indrelid = 'words'::regclass";

    [Fact]
    public async Task All_indexes_of_a_partitioned_table_are_rebuilt_one_by_one()
    {
        await using var given = await Given.DatabaseAsync("readings");
        await using var database = await given.OpenAsync();
        var before = await given.AskAsync<int>("select relfilenode::int from pg_class where relname = 'readings_2020_pkey'");
        var done = await ReindexVerb.RunAsync(database, new(Table: "readings"), Patience, _ => { }, Given.Ct);
        Assert.Contains(done, index => index is { Index: "readings_2020_pkey", Did: "rebuilt" });
        Assert.NotEqual(before, await given.AskAsync<int>("select relfilenode::int from pg_class where relname = 'readings_2020_pkey'"));
    }

    [Fact]
    public async Task Two_at_once_are_one_too_many()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await using var other = await given.InTransactionAsync("select pg_advisory_lock(hashtextextended('openreadings reindex', 0))");
        await using var database = await given.OpenAsync();
        var refused = await Assert.ThrowsAsync<OpsException>(() => ReindexVerb.RunAsync(database, new(), Patience, _ => { }, Given.Ct));
        Assert.Contains("Another reindex", refused.Message, StringComparison.Ordinal);
    }
}
