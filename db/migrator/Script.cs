using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace OpenReadings.Migrator;

/// <summary>One file of db/scripts.</summary>
internal sealed partial record Script(string Name, string Folder, string Path, string Text, Header Header)
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public string Sha256 { get; } = Hash(Text);

    /// <summary>Where messages say the file is: from the working directory, so that a terminal can open it.</summary>
    public string File => System.IO.Path.GetRelativePath(Environment.CurrentDirectory, Path);

    /// <summary>A view, function or grant that runs again whenever its text changes, after all others.</summary>
    public bool IsRepeatable => Folder == Repeatable;

    /// <summary>The shared scripts by name, then the service's by name.</summary>
    public static IReadOnlyList<Script> LoadAll(string root, string service)
    {
        if (!Directory.Exists(root)) throw MigrationException.Usage($"There is no folder {root}.");
        string[] folders = service == "shared" ? [service] : ["shared", service];
        var scripts = folders.SelectMany(folder => LoadFolder(root, folder)).ToList();

        if (scripts.GroupBy(script => script.Name).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw MigrationException.Invalid($"{twice.Key} is in both shared and {service}: a name is applied once.");
        return scripts;
    }

    /// <summary>db/repeatable: the shared ones by name, then the service's by name.</summary>
    public static IReadOnlyList<Script> LoadRepeatables(string root, string service) =>
    [
        .. new[] { "shared", service }.Distinct().SelectMany(folder => FilesOf(Beside(root, Repeatable, folder)))
            .Select(path => Load(path, Repeatable, RepeatableName(), "a repeatable script is named verb_noun.sql")
                with { Name = $"{Repeatable}/{System.IO.Path.GetFileName(path)}" }),
    ];

    /// <summary>db/rollback: what undoes the script, under the same name; null if nothing does.</summary>
    public Script? LoadRollback(string root)
    {
        var path = Beside(root, "rollback", Folder, Name);
        return System.IO.File.Exists(path) ? Load(path, Folder, ValidName(), NamedLike) : null;
    }

    public static IEnumerable<string> RollbacksOf(string root, string service) =>
        new[] { "shared", service }.Distinct().SelectMany(folder => FilesOf(Beside(root, "rollback", folder)));

    private const string Repeatable = "repeatable";
    private const string NamedLike = "a script is named 20261121093000_verb_noun.sql";

    private static string Beside(string root, params string[] parts) =>
        System.IO.Path.GetFullPath(System.IO.Path.Combine([root, "..", .. parts]));

    private static IEnumerable<Script> LoadFolder(string root, string folder) =>
        FilesOf(System.IO.Path.Combine(root, folder)).Select(path => Load(path, folder, ValidName(), NamedLike));

    private static IEnumerable<string> FilesOf(string directory) => !Directory.Exists(directory) ? []
        : Directory.EnumerateFiles(directory)
            .Where(path => path.EndsWith(".sql", StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal);

    private static Script Load(string path, string folder, Regex validName, string rule)
    {
        var name = System.IO.Path.GetFileName(path);
        if (!validName.IsMatch(name)) throw MigrationException.Invalid($"{path}: {rule}.");
        try
        {
            var text = Utf8.GetString(System.IO.File.ReadAllBytes(path)).TrimStart('\ufeff');
            return new Script(name, folder, path, text, Header.Parse(text));
        }
        catch (DecoderFallbackException e)
        {
            throw MigrationException.Invalid($"{path}: not UTF-8.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw MigrationException.Usage($"{path}: {e.Message}", e);
        }
        catch (FormatException e)
        {
            throw MigrationException.Usage($"{path}:{e.Message}", e);
        }
    }

    /// <summary>The statements, refusing what would escape from the runner's transaction or its connection.</summary>
    public IReadOnlyList<Statement> Statements()
    {
        try
        {
            var statements = SqlSplitter.Split(Text);
            foreach (var statement in statements)
            {
                if (EndsTransaction().IsMatch(statement.Head))
                    throw new SqlSplitException(statement.Offset, "Only the runner begins and ends transactions.");
                if (CopyFromClient().IsMatch(statement.Text))
                    throw new SqlSplitException(statement.Offset, "COPY … FROM STDIN needs psql. Write INSERT.");
            }
            return statements;
        }
        catch (SqlSplitException e)
        {
            throw new MigrationException(ExitCode.Invalid, e.Message, ScriptError.Of(this, e.Offset, e.Message), e);
        }
    }

    // Editors and git may change line ends and trailing blanks; that is not a change of the script.
    private static string Hash(string text)
    {
        var normal = string.Join('\n', text.Split('\n').Select(line => line.TrimEnd(' ', '\t', '\r'))).TrimEnd('\n');
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(normal)));
    }

    [GeneratedRegex(@"^[0-9]{14}_[a-z0-9_]{1,180}\.sql$")]
    public static partial Regex ValidName();

    [GeneratedRegex(@"^[a-z0-9_]{1,180}\.sql$")]
    private static partial Regex RepeatableName();

    [GeneratedRegex(@"^(begin|commit|end|abort|start transaction|prepare transaction|rollback(?! to))\b")]
    private static partial Regex EndsTransaction();

    [GeneratedRegex(@"^copy\s[^;]*?\sfrom\s+stdin\b", RegexOptions.IgnoreCase)]
    private static partial Regex CopyFromClient();
}
