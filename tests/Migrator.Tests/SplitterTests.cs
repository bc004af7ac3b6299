namespace OpenReadings.Migrator.Tests;

public sealed class SplitterTests
{
    private static string[] Split(string sql) => [.. SqlSplitter.Split(sql).Select(statement => statement.Text)];

    [Theory]
    [InlineData("a; b", "a|b")]
    [InlineData("a;;\n;b;", "a|b")]
    [InlineData("", "")]
    [InlineData("-- nothing; here\n/* nor; here */", "")]
    [InlineData("select ';', \"x;y\"; b", "select ';', \"x;y\"|b")]
    [InlineData("select 'it''s; ok'; b", "select 'it''s; ok'|b")]
    [InlineData(@"select 'C:\'; b", @"select 'C:\'|b")]
    [InlineData(@"select E'a\';b'; c", @"select E'a\';b'|c")]
    [InlineData(@"select e'it''s \\'; c", @"select e'it''s \\'|c")]
    [InlineData(@"select U&'d\0061t;a'; c", @"select U&'d\0061t;a'|c")]
    [InlineData("do $$ begin; end; $$; b", "do $$ begin; end; $$|b")]
    [InlineData("do $body$ a; $$ b; $$ c; $body$; d", "do $body$ a; $$ b; $$ c; $body$|d")]
    [InlineData("do $tag$ it's $tag$; b", "do $tag$ it's $tag$|b")]
    [InlineData("select $1; b", "select $1|b")]
    [InlineData("select a$b$c; d$b$", "select a$b$c|d$b$")]
    [InlineData("select 1 -- it's; one\n; b", "select 1|b")]
    [InlineData("select 1 -- it's; one\n + 1; b", "select 1 -- it's; one\n + 1|b")]
    [InlineData("select /* a; /* b; */ c; */ 1; d", "select /* a; /* b; */ c; */ 1|d")]
    [InlineData("create rule r as on insert to t do (a; b); c", "create rule r as on insert to t do (a; b)|c")]
    [InlineData("-- why\nselect 1;\r\n-- and\r\nselect 2", "select 1|select 2")]
    [InlineData("begin; atomic; end", "begin|atomic|end")]
    public void A_script_is_cut_at_the_semicolons_that_end_statements(string sql, string expected) =>
        Assert.Equal(expected.Split('|', StringSplitOptions.RemoveEmptyEntries), Split(sql));

    [Theory]
    [InlineData("create function f() returns int begin atomic select 1; select 2; end")]
    [InlineData("CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 3; END")]
    [InlineData("create procedure p() begin /* here */ atomic insert into t values ('end;'); end")]
    public void The_body_of_a_sql_standard_function_stays_whole(string sql) =>
        Assert.Equal([sql, "select 9"], Split(sql + ";\nselect 9;"));

    [Theory]
    [InlineData("select 'a; b", 7, "'")]
    [InlineData("select \"a; b", 7, "\"")]
    [InlineData("x; /* a /* b */", 3, "comment")]
    [InlineData("do $body$ a; $$", 3, "$body$")]
    [InlineData(@"select E'a\'", 8, "'")]
    public void What_is_never_closed_is_an_error_where_it_began(string sql, int offset, string what)
    {
        var e = Assert.Throws<SqlSplitException>(() => Split(sql));

        Assert.Equal(offset, e.Offset);
        Assert.Contains(what, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_statement_knows_where_it_begins_and_its_first_words()
    {
        var statement = SqlSplitter.Split("a;\n-- why\n  CREATE Unique INDEX concurrently \"x\" on t (y)")[1];

        Assert.Equal(("create unique index concurrently on t", 12), (statement.Head, statement.Offset));
    }

    [Fact]
    public void A_long_script_is_cut_in_a_moment()
    {
        var script = string.Concat(Enumerable.Repeat("insert into t values (E'it''s', $$x$$);\n", 20_000));

        Assert.Equal(20_000, SqlSplitter.Split(script).Count);
    }
}
