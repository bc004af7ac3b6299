namespace OpenReadings.Migrator.Tests;

public sealed class HeaderTests
{
    [Fact]
    public void The_leading_comments_say_how_a_script_wants_to_run()
    {
        var header = Header.Parse("""
            -- Why.

            -- migrate: no-transaction
            -- migrate: lock-timeout 500ms retries 3 ; statement-timeout 1h
            -- migrate: irreversible because the old column is gone
            -- migrate: allow ban-drop-column unused since spring
            select 1;
            -- a comment below says nothing
            """);

        Assert.Equal(new Header() with { }, Header.Parse("select 1"));
        Assert.True(header.NoTransaction);
        Assert.Equal(
            (TimeSpan.FromMilliseconds(500), 3, TimeSpan.FromHours(1)),
            (header.LockTimeout!.Value, header.Retries!.Value, header.StatementTimeout!.Value));
    }

    [Theory]
    [InlineData("-- why\n-- migrate: no-transacton", "2: This is not a known header: no-transacton")]
    [InlineData("-- migrate: lock-timeout 5", "1: This is not a known header: lock-timeout 5")]
    [InlineData("-- migrate: lock-timeout 900h", "1: This is not a known header: lock-timeout 900h")]
    [InlineData("-- migrate: irreversible", "1: This is not a known header: irreversible")]
    [InlineData("-- migrate:", "1: This is not a known header: ")]
    [InlineData("select 1;\n-- migrate: no-transaction", "2: A migrate: line must stand above the first statement.")]
    public void A_header_that_is_not_understood_is_an_error(string text, string message) =>
        Assert.Equal(message, Assert.Throws<FormatException>(() => Header.Parse(text)).Message);
}
