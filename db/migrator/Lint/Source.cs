using System.Text;
using System.Text.RegularExpressions;

namespace OpenReadings.Migrator.Lint;

/// <summary>A file of db/scripts as it lies on the disk, with what its leading comments tell lint.</summary>
internal sealed partial record Source(string Folder, string Path, byte[] Bytes)
{
    public string Name => System.IO.Path.GetFileName(Path);
    public string File => IsInCatalog ? Path : System.IO.Path.GetRelativePath(Environment.CurrentDirectory, Path);

    /// <summary>No file but an object of a database, which has no lines.</summary>
    public bool IsInCatalog { get; private init; }

    public static Source InCatalog(string service, string name) => new(service, $"{service}/{name}", []) { IsInCatalog = true };

    public string Text { get; } = Encoding.UTF8.GetString(Bytes).TrimStart('\ufeff');

    public IReadOnlyList<Note> Notes => field ??= ReadNotes();
    public bool NoTransaction => Notes.Any(note => note.Text == "no-transaction");
    public bool IsContract => Notes.Any(note => note.Text == "phase contract");

    public int LineOf(int offset) => Text.AsSpan(0, Math.Clamp(offset, 0, Text.Length)).Count('\n') + 1;

    public Where At(int offset) => new(this, LineOf(offset));

    /// <summary>The shared scripts by name, then the service's by name: as they are applied.</summary>
    public static IEnumerable<Source> Of(string root, string service) => new[] { "shared", service }
        .Where(folder => Directory.Exists(System.IO.Path.Combine(root, folder)))
        .SelectMany(folder => Directory
            .EnumerateFiles(System.IO.Path.Combine(root, folder), "*.sql", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)
            .Select(path => new Source(folder, path, System.IO.File.ReadAllBytes(path))));

    private List<Note> ReadNotes()
    {
        var notes = new List<Note>();
        var lines = Text.Split('\n');
        for (var n = 0; n < lines.Length; n++)
        {
            if (lines[n].Trim() is { Length: > 0 } line && !line.StartsWith("--", StringComparison.Ordinal)) break;
            if (Header().Match(lines[n]) is not { Success: true } match) continue;
            // A reason may hold a semicolon; other headers are divided by it.
            var said = match.Groups[1].Value;
            var items = said.StartsWith("allow ", StringComparison.Ordinal) ? [said] : said.Split(';');
            notes.AddRange(items.Select(item => new Note(n + 1, Blanks().Replace(item.Trim(), " "))));
        }
        return notes;
    }

    [GeneratedRegex(@"^--\s*migrate:\s*(.*?)\s*$")]
    private static partial Regex Header();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}

/// <summary>One <c>-- migrate:</c> line of a script.</summary>
internal sealed record Note(int Line, string Text);

/// <summary>A line of a script.</summary>
internal sealed record Where(Source Source, int Line);
