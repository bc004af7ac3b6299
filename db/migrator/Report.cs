using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OpenReadings.Migrator;

/// <summary>What one run did to one database. There is one on every outcome.</summary>
public sealed class Report
{
    internal static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private readonly Stopwatch clock = Stopwatch.StartNew();

    public Guid RunId { get; init; } = Guid.CreateVersion7();
    public required string Service { get; init; }
    public string? Database { get; private set; }
    public string? Host { get; private set; }
    public string Schema { get; init; } = "public";
    public required string Command { get; init; }
    public DateTimeOffset Started { get; init; } = DateTimeOffset.UtcNow;
    public long DurationMs { get; private set; }
    [JsonIgnore] public ExitCode Exit { get; private set; }
    [JsonIgnore] public bool Failed => Exit is not (ExitCode.Ok or ExitCode.Pending);
    [JsonPropertyName("exit_code")] public int Code => (int)Exit;
    public string Result { get; private set; } = "ok";
    public string? Message { get; private set; }
    public LockReport? Lock { get; set; }
    public List<ScriptReport> Scripts { get; init; } = [];
    public ScriptError? Error { get; private set; }
    public List<string> Warnings { get; init; } = [];

    /// <summary>What was found out, to be read above the last words.</summary>
    [JsonIgnore] public List<string> Lines { get; init; } = [];

    /// <summary>What was asked for and nothing else: SQL, a schema, a digest. Then stdout is that alone.</summary>
    public string? Document { get; internal set; }

    /// <summary>Runs the body and writes down how it ended, whatever happens in it.</summary>
    internal async Task<Report> OfAsync(
        Func<CancellationToken, Task> body, TimeSpan? maxDuration, CancellationToken ct)
    {
        using var span = Telemetry.Spans.StartActivity($"migrate {Command}");
        span?.SetTag("service", Service);
        using var budget = CancellationTokenSource.CreateLinkedTokenSource(ct);
        if (maxDuration is { } most && most > TimeSpan.Zero) budget.CancelAfter(most);
        try
        {
            await body(budget.Token);
        }
        catch (MigrationException e)
        {
            End(e.Exit, e.Message, e.Error);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested && budget.IsCancellationRequested)
        {
            End(ExitCode.Transient, $"It took longer than {maxDuration}. What was not committed is rolled back.");
        }
        catch (OperationCanceledException)
        {
            End(ExitCode.Interrupted, "Interrupted. What was not committed is rolled back.");
        }
        catch (Exception e) when (e is Npgsql.NpgsqlException or TimeoutException)
        {
            End(ExitCode.Transient, $"The connection broke: {e.Message}");
        }
        catch (Exception e)
        {
            End(ExitCode.Failed, $"This should not happen: {e}");
        }
        DurationMs = clock.ElapsedMilliseconds;
        span?.SetStatus(Failed ? ActivityStatusCode.Error : ActivityStatusCode.Ok, Result);
        return this;
    }

    internal void On(Session session) => (Database, Host) = (session.Database, session.Host);

    internal void End(ExitCode exit, string message, ScriptError? error = null)
    {
        (Exit, Message, Error) = (exit, message, error);
        Result = JsonNamingPolicy.SnakeCaseLower.ConvertName(exit.ToString());
    }

    /// <summary>What was found, a line each, and how that ends; or that nothing was.</summary>
    internal void EndWith(IReadOnlyList<string> findings, ExitCode exit, string well)
    {
        if (findings.Count == 0) End(ExitCode.Ok, well);
        else End(exit, $"{string.Join('\n', findings)}\n{findings.Count} findings");
    }

    internal void Print(TextWriter output, TextWriter error)
    {
        foreach (var line in Lines) output.WriteLine(line);
        output.Write(Document);
        (Failed || Document is not null ? error : output).WriteLine(this);
    }

    /// <summary>The last words of a run, for a person.</summary>
    public override string ToString()
    {
        var place = Database is null ? "" : $" ({Database} at {Host}, {DurationMs} ms)";
        return Failed
            ? $"{Error?.ToString() ?? Message}\n{Service}: {Result}, exit {Code}{place}"
            : $"{Service}: {Message}{place}";
    }
}

/// <summary>How long the run waited for its turn, and for whom.</summary>
public sealed record LockReport(long WaitedMs, string? Holder);

/// <summary>One script in the report of a run.</summary>
public sealed record ScriptReport
{
    public required string Name { get; init; }
    public required string State { get; init; }
    public string? Mode { get; init; }
    public Phase? Phase { get; init; }
    public string? RenamedFrom { get; init; }
    public string? Sha256 { get; init; }
    public int? Statements { get; init; }
    public long? Rows { get; init; }
    public long? DurationMs { get; init; }
    public int? Retries { get; init; }
    public IReadOnlyList<string>? Locks { get; init; }
    public DateTimeOffset? AppliedAt { get; init; }
    public string? AppliedBy { get; init; }
}
