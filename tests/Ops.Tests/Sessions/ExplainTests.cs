using Npgsql;
using OpenReadings.Ops.Sessions;

namespace OpenReadings.Ops.Tests.Sessions;

public sealed class ExplainTests
{
    private static readonly Guid Ada = Guid.NewGuid(), Bob = Guid.NewGuid();
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_statement_runs_as_the_person_and_leaves_nothing_behind()
    {
        await using var given = await Given.DatabaseAsync("readings");
        await given.DoAsync($"insert into sources (user_id, source_id, name, kind) values ('{Ada}', gen_random_uuid(), 'Watch', 'watch'), ('{Ada}', gen_random_uuid(), 'Scale', 'scale')");
        await using var database = await given.OpenAsync();

        var hers = (await ExplainVerb.RunAsync(database, Ada, "select * from sources", analyze: true, Limit, Given.Ct)).ToString();
        var his = (await ExplainVerb.RunAsync(database, Bob, "select * from sources", analyze: true, Limit, Given.Ct)).ToString();
        Assert.Contains("rows=2 loops=1", hers, StringComparison.Ordinal);
        Assert.Contains("rows=0 loops=1", his, StringComparison.Ordinal);
        Assert.Contains("Buffers: shared", hers, StringComparison.Ordinal);

        await ExplainVerb.RunAsync(database, Ada, "delete from sources", analyze: true, Limit, Given.Ct);
        Assert.Equal(2, await given.AskAsync<long>("select count(*) from sources"));
        Assert.Equal("postgres", await database.OneAsync<string>("select current_user::text", Given.Ct));

        var planned = (await ExplainVerb.RunAsync(database, Ada, "select * from sources", analyze: false, Limit, Given.Ct)).ToString();
        Assert.DoesNotContain("actual", planned, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("select 1; commit; delete from sources", PostgresErrorCodes.SyntaxError)]
    [InlineData("drop table sources", PostgresErrorCodes.SyntaxError)]
    [InlineData("select * from schemaversions_meta", PostgresErrorCodes.InsufficientPrivilege)]
    [InlineData("select pg_sleep(60)", PostgresErrorCodes.QueryCanceled)]
    public async Task It_can_do_no_more_than_the_application(string sql, string state)
    {
        await using var given = await Given.DatabaseAsync("readings");
        await using var database = await given.OpenAsync();
        var refused = await Assert.ThrowsAsync<PostgresException>(() => ExplainVerb.RunAsync(database, Ada, sql, analyze: true, TimeSpan.FromMilliseconds(200), Given.Ct));
        Assert.Equal(state, refused.SqlState);
    }
}
