using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using OpenReadings.Ops.Access;
using OpenReadings.Ops.Backup;
using OpenReadings.Ops.Health;
using OpenReadings.Ops.Maintenance;
using OpenReadings.Ops.Metrics;
using OpenReadings.Ops.Pitr;
using OpenReadings.Ops.Pooling;
using OpenReadings.Ops.Queues;
using OpenReadings.Ops.Restore;
using OpenReadings.Ops.Sessions;
using OpenReadings.Ops.Standbys;
using OpenReadings.Ops.Tuning;

namespace OpenReadings.Ops;

/// <summary>What every verb shares: how it is told, and how it ends.</summary>
internal static class Cli
{
    public static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    public static readonly Option<bool> AsJson = new("--json")
    {
        Description = "One JSON document on stdout instead of text",
        Recursive = true,
    };

    public static RootCommand Build() => new("The rest of an operator's day with the databases of OpenReadings. "
        + "Where they are: ConnectionStrings__admin and its like, in the environment or as a file in SECRETS_DIRECTORY.")
    {
        AsJson,
        DoctorVerb.Verb(),
        MetricsVerb.Verb(),
        SlowVerb.Verb(),
        ExplainVerb.Verb(),
        LocksVerb.Verb(),
        MaintVerb.Verb(),
        TuneVerb.Verb(),
        QueueVerb.Verb(),
        new Command("backup", "Back up, look at backups, delete old ones") { RunBackup.Verb(), ListBackups.Verb(), VerifyBackups.Verb(), PruneBackups.Verb(), ExportSql.Verb() },
        RestoreDatabase.Verb(),
        Drill.Verb(),
        new Command("pitr", "Recovery to a point in time: base backups and archived WAL") { BaseBackup.Verb(), RestoreToTime.Verb(), PitrDrill.Verb() },
        PgBouncerVerb.Verb(),
        HbaVerb.Verb(),
        ReplicaVerb.Verb(),
        FailoverVerb.Verb(),
    };

    /// <summary>A verb that prints what it found, as text or as JSON, and ends as it says.</summary>
    public static Command Runs<T>(this Command verb, Func<ParseResult, Action<string>, CancellationToken, Task<(Exit Exit, T Answer)>> run)
        where T : notnull
    {
        verb.SetAction(async (line, ct) =>
        {
            var (output, error) = (line.InvocationConfiguration.Output, line.InvocationConfiguration.Error);
            try
            {
                var (exit, answer) = await run(line, error.WriteLine, ct);
                output.WriteLine(line.GetValue(AsJson) ? JsonSerializer.Serialize(answer, Json) : answer.ToString());
                return (int)exit;
            }
            catch (OpsException e)
            {
                return Fail(e.Exit, e.Message);
            }
            catch (OperationCanceledException)
            {
                return Fail(Exit.Interrupted, "Interrupted.");
            }
            catch (PostgresException e)
            {
                return Fail(Exit.Failed, $"{e.SqlState}: {e.MessageText}");
            }
            catch (Exception e) when (Stores.IsTrouble(e))
            {
                return Fail(Exit.Failed, e.Message);
            }
            catch (NpgsqlException e)
            {
                return Fail(Exit.Unreachable, $"The database cannot be reached: {e.Message}");
            }

            int Fail(Exit exit, string message)
            {
                error.WriteLine(message);
                if (line.GetValue(AsJson)) output.WriteLine(JsonSerializer.Serialize(new { exit_code = (int)exit, result = exit, message }, Json));
                return (int)exit;
            }
        });
        return verb;
    }
}
