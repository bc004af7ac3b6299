using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace OpenReadings.Migrator.Lint;

/// <summary>What PostgreSQL's own parser says against a statement, and at which character of it.</summary>
internal sealed class SqlSyntaxException(int offset, string message) : Exception(message)
{
    public int Offset { get; } = offset;
}

/// <summary>The parser of PostgreSQL itself, as a library (libpg_query): what it accepts, the server accepts.</summary>
internal static partial class PgQuery
{
    private const string Library = "libpg_query";
    private static readonly JsonDocumentOptions Deep = new() { MaxDepth = 2000 };

    static PgQuery() => NativeLibrary.SetDllImportResolver(typeof(PgQuery).Assembly, Resolve);

    /// <summary>Finds the library now, so that a machine without it is told what to install.</summary>
    public static void Prepare()
    {
        try
        {
            Parse("select 1");
        }
        catch (DllNotFoundException e)
        {
            throw MigrationException.Usage(
                "libpg_query, PostgreSQL's parser, is missing: apt-get install libpg-query1504.0.", e);
        }
    }

    /// <exception cref="SqlSyntaxException">It is no SQL.</exception>
    public static IReadOnlyList<Node> Parse(string sql)
    {
        var answer = pg_query_parse(Terminated(sql));
        try
        {
            if (answer.Error != 0) throw Failure(sql, answer.Error);
            using var tree = JsonDocument.Parse(Marshal.PtrToStringUTF8(answer.Tree)!, Deep);
            return tree.RootElement.TryGetProperty("stmts", out var statements)
                ? [.. statements.Clone().EnumerateArray().Select(raw => Node.Of(raw.GetProperty("stmt")))]
                : [];
        }
        finally
        {
            pg_query_free_parse_result(answer);
        }
    }

    // The position counts characters of the text from 1.
    private static SqlSyntaxException Failure(string sql, nint error)
    {
        var said = Marshal.PtrToStructure<Error>(error);
        var offset = Math.Clamp(said.CursorPosition - 1, 0, sql.Length);
        return new SqlSyntaxException(offset, Marshal.PtrToStringUTF8(said.Message) ?? "syntax error");
    }

    private static byte[] Terminated(string text) => Encoding.UTF8.GetBytes(text.Replace('\0', ' ') + '\0');

    // Debian 12 has the parser of PostgreSQL 15, later ones that of 16 and 17; each reads what we write.
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Library) return 0;
        foreach (var candidate in new[] { "libpg_query.so.1504.0", "libpg_query.so.1605.1", "libpg_query.so", Library })
            if (NativeLibrary.TryLoad(candidate, assembly, path, out var handle)) return handle;
        return 0;
    }

    // Filled by the library.
#pragma warning disable CS0649
    private struct Result
    {
        public nint Tree;
        public nint Warnings;
        public nint Error;
    }

    private struct Error
    {
        public nint Message;
        public nint Function;
        public nint File;
        public int Line;
        public int CursorPosition;
        public nint Context;
    }
#pragma warning restore CS0649

    [LibraryImport(Library)]
    private static partial Result pg_query_parse(byte[] sql);

    [LibraryImport(Library)]
    private static partial void pg_query_free_parse_result(Result result);
}
