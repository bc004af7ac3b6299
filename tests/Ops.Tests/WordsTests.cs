namespace OpenReadings.Ops.Tests;

public sealed class WordsTests
{
    [Theory]
    [InlineData("select * from t where name = 'Ada' and age > 37", "select * from t where name = ? and age > ?")]
    [InlineData("select 'it''s', \"Odd '1' name\", t1.a from readings_2026_11 t1", "select ?, \"Odd '1' name\", t1.a from readings_2026_11 t1")]
    [InlineData("select $1, 1.5e-3, -7", "select $1, ?, -?")]
    [InlineData("insert into t values ('cut off in the mid", "insert into t values (?")]
    [InlineData(@"select e'a\'b secret', E'\\', U&'\0441'", "select ?, ?, ?")]
    [InlineData(@"select e'cut off \", "select ?")]
    [InlineData("do $body$ select 'x' $$ y $$ $body$; select 1", "do ?; select ?")]
    [InlineData("do $$ secret", "do ?")]
    [InlineData("select 1 -- for Ada\n, 2 /* and 'Bob' */ , 3 /* cut", "select ? , ? , ?")]
    [InlineData("alter role ada password 'hunter2'", "alter role ada password ?")]
    public void A_statement_is_shown_without_what_somebody_wrote_into_it(string sql, string shown) => Assert.Equal(shown, Words.WithoutLiterals(sql));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1 kB")]
    [InlineData(1_500_000, "1.4 MB")]
    [InlineData(5e12, "4.5 TB")]
    [InlineData(-2_000_000, "-1.9 MB")]
    public void Bytes_are_told_as_people_say_them(double bytes, string said) => Assert.Equal(said, Words.Bytes(bytes));
}
