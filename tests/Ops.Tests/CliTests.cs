namespace OpenReadings.Ops.Tests;

public sealed class CliTests
{
    [Fact]
    public void What_nobody_knows_is_an_error_that_names_it()
    {
        var line = Cli.Build().Parse(["explode"]);
        Assert.Contains("explode", string.Join('\n', line.Errors.Select(error => error.Message)), StringComparison.Ordinal);
    }
}
