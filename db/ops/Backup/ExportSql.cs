using System.CommandLine;
using System.Text;

namespace OpenReadings.Ops.Backup;

/// <summary>
/// Writes a service's database as SQL, to be read, compared or taken elsewhere; as the backup role, so no row is left out.
/// The file gets its name only when pg_dump ended well and its last words are in it. It is not encrypted.
/// </summary>
internal static class ExportSql
{
    private const string LastWords = "-- PostgreSQL database dump complete";

    public sealed record Answer(string Service, string File, long Bytes)
    {
        public override string ToString() => $"{Service}: {Bytes:N0} bytes of SQL in {File}, readable by anybody who has the file.";
    }

    public static Command Verb()
    {
        Option<string> service = new("--service", "-s") { Description = "The service", Required = true };
        Option<FileInfo> to = new("--to") { Description = "The file to write; it must not exist", HelpName = "FILE", Required = true };
        Option<bool> schemaOnly = new("--schema-only") { Description = "No rows" }, dataOnly = new("--data-only") { Description = "Rows only" };
        var verb = new Command("export", "Write a service's database as SQL") { service, to, schemaOnly, dataOnly };
        verb.Validators.Add(line =>
        {
            if (line.GetValue(schemaOnly) && line.GetValue(dataOnly)) line.AddError("--schema-only and --data-only together leave nothing.");
        });
        return verb.Runs(async (line, _, ct) => (Exit.Ok, await RunAsync(
            line.GetValue(service)!, line.GetValue(to)!.FullName, line.GetValue(schemaOnly) ? "--schema-only" : line.GetValue(dataOnly) ? "--data-only" : null, ct)));
    }

    public static async Task<Answer> RunAsync(string service, string file, string? part, CancellationToken ct)
    {
        if (File.Exists(file)) throw new OpsException(Exit.Refused, $"{file} is there already.");
        var unfinished = file + ".part";
        try
        {
            await using (var stream = new FileStream(unfinished, new FileStreamOptions
            {
                Mode = FileMode.Create, Access = FileAccess.ReadWrite, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
            {
                string[] options = ["--format=plain", "--lock-wait-timeout=60s", "--no-password"];
                await Tool.RunAsync(Tool.Client(Settings.Connection($"{service}_backup"), "pg_dump", [.. options, .. part is null ? [] : new[] { part }]),
                    null, output => output.CopyToAsync(stream, ct), ct);
                await RequireLastWordsAsync(stream, ct);
                stream.Flush(flushToDisk: true);
            }
            File.Move(unfinished, file);
        }
        finally
        {
            File.Delete(unfinished);
        }
        return new Answer(service, file, new FileInfo(file).Length);
    }

    private static async Task RequireLastWordsAsync(FileStream stream, CancellationToken ct)
    {
        var end = new byte[200];
        stream.Position = Math.Max(0, stream.Length - end.Length);
        var length = await stream.ReadAtLeastAsync(end, end.Length, throwOnEndOfStream: false, ct);
        if (!Encoding.UTF8.GetString(end, 0, length).Contains(LastWords, StringComparison.Ordinal))
            throw new OpsException(Exit.Failed, "pg_dump ended without its last words: the SQL is not whole.");
    }
}
