using System.CommandLine;
using Npgsql;

namespace OpenReadings.Ops.Sessions;

/// <summary>
/// Runs a statement as the application would for one person, says how the database did it, and takes everything back. A
/// sequence does not go back, and while it runs it holds the locks it takes.
/// </summary>
internal static class ExplainVerb
{
    internal sealed record Plan(string Service, Guid User, IReadOnlyList<string> Lines)
    {
        public override string ToString() => string.Join('\n', Lines);
    }

    public static Command Verb()
    {
        var service = new Option<string>("--service", "-s")
        {
            Description = "Whose database", HelpName = string.Join('|', Settings.Services), Required = true,
        };
        service.AcceptOnlyFromAmong([.. Settings.Services]);
        var user = new Option<Guid>("--user", "-u")
        {
            Description = "The person as whom it runs: row-level security shows what they see", Required = true,
        };
        var plan = new Option<bool>("--plan-only") { Description = "Do not run it" };
        var seconds = new Option<int>("--timeout") { Description = "Seconds after which it is stopped", DefaultValueFactory = _ => 30 };
        var statement = new Argument<string>("statement") { Description = "One statement, or - for standard input" };
        return new Command("explain", "The plan of a statement, run as a person and rolled back") { service, user, plan, seconds, statement }
            .Runs(async (line, _, ct) =>
            {
                var sql = line.GetRequiredValue(statement);
                if (sql == "-") sql = await Console.In.ReadToEndAsync(ct);
                await using var database = await Place.Of(line.GetRequiredValue(service)).OpenAsync(ct);
                var limit = TimeSpan.FromSeconds(line.GetValue(seconds));
                return (Exit.Ok, await RunAsync(database, line.GetValue(user), sql, !line.GetValue(plan), limit, ct));
            });
    }

    public static async Task<Plan> RunAsync(
        ServiceDatabase database, Guid user, string sql, bool analyze, TimeSpan limit, CancellationToken ct)
    {
        await using var transaction = await database.Connection.BeginTransactionAsync(ct);
        await database.ExecuteAsync(
            "select set_config('role', @role, true), set_config('app.user_id', @user, true), set_config('statement_timeout', @limit, true)", ct,
            new { role = $"{database.Service}_app", user = user.ToString(), limit = $"{limit.TotalMilliseconds:0}ms" });
        // A batch command is sent as it is, and the server takes one statement at a time: none can end the transaction.
        await using var batch = new NpgsqlBatch(database.Connection, transaction);
        batch.BatchCommands.Add(new($"explain ({(analyze ? "analyze, buffers, " : "")}settings) {sql}"));
        List<string> lines = [];
        await using (var reader = await batch.ExecuteReaderAsync(ct))
        {
            while (await reader.ReadAsync(ct)) lines.Add(reader.GetString(0));
        }
        await transaction.RollbackAsync(ct);
        return new(database.Service, user, lines);
    }
}
