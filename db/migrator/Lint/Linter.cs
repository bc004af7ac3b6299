namespace OpenReadings.Migrator.Lint;

/// <summary>Reads all scripts of a service in their order and says what the rules object to.</summary>
internal static class Linter
{
    public static readonly IReadOnlyList<Rule> Rules = [.. UnsafeChanges.All, .. RowSecurity.All, .. Portability.All];
    private static readonly Rule Syntax = new("syntax", Severity.Error, "PostgreSQL's parser does not accept it", "SQL");
    private static readonly Rule SameTime = new("duplicate-timestamp", Severity.Error, "Two branches made scripts at the same second, and their order is not said", "another time for one of them");
    private static readonly Rule Unused = new("unused-allow", Severity.Warning, "Nothing is there that it allows", "remove it");
    private static readonly Rule Reasonless = new("allow-without-reason", Severity.Error, "A reader cannot judge it", "-- migrate: allow RULE REASON");

    /// <summary>The rules that look at more than one place, and so stand in no list.</summary>
    public static readonly IReadOnlyList<Rule> Others = [Syntax, SameTime, Unused, Reasonless];

    /// <summary>What is left after <c>allow</c> lines and the baseline. Needs libpg_query.</summary>
    public static IReadOnlyList<Finding> Run(string scriptsRoot, string service, bool strict = false)
    {
        var baseline = Baseline.Read(scriptsRoot);
        return [.. Of([.. Source.Of(scriptsRoot, service)], strict).Where(finding => !baseline.Covers(finding))];
    }

    internal static IReadOnlyList<Finding> Of(IReadOnlyList<Source> sources, bool strict)
    {
        var (world, found) = (new World(), new List<Finding>());
        foreach (var source in sources)
        {
            foreach (var rule in Rules.Where(rule => rule.File is not null))
                foreach (var (offset, what) in rule.File!(source)) Add(rule, source.At(offset), what);
            Walk(source, world, Add);
        }
        foreach (var rule in Rules.Where(rule => rule.Schema is not null))
            foreach (var (where, what) in rule.Schema!(world)) Add(rule, where, what);
        foreach (var same in sources.Where(source => source.Name.Length > 14).GroupBy(source => source.Name[..14]).Where(same => same.Count() > 1))
            foreach (var source in same.Skip(1)) Add(SameTime, source.At(0), $"{same.First().Name} and {source.Name}");

        return [.. Allowed(sources, found).OrderBy(finding => finding.Where.Source.File, StringComparer.Ordinal).ThenBy(finding => finding.Where.Line)];

        void Add(Rule rule, Where where, string what) => found.Add(new(rule, strict && rule.IsPortability ? Severity.Error : rule.Severity, where, what));
    }

    private static void Walk(Source source, World world, Action<Rule, Where, string> add)
    {
        IReadOnlyList<Statement> statements;
        try
        {
            statements = SqlSplitter.Split(source.Text);
        }
        catch (SqlSplitException e)
        {
            add(Syntax, source.At(e.Offset), e.Message);
            return;
        }
        var (made, before) = (new HashSet<string>(), new List<Node>());
        foreach (var statement in statements)
        {
            try
            {
                foreach (var node in PgQuery.Parse(statement.Text))
                {
                    var step = new Step(source, node, statement.Text, source.At(statement.Offset), world, made, before);
                    foreach (var rule in Linter.Rules.Where(rule => rule.Statement is not null))
                        foreach (var what in rule.Statement!(step)) add(rule, step.Where, what);
                    world.Apply(step);
                    if (node.Kind == "CreateStmt") made.Add(node.Relation());
                    if (node.Kind == "CreateTableAsStmt") made.Add(node["into"].Relation("rel"));
                    before.Add(node);
                }
            }
            catch (SqlSyntaxException e)
            {
                add(Syntax, source.At(statement.Offset + e.Offset), e.Message);
            }
        }
    }

    private static IEnumerable<Finding> Allowed(IReadOnlyList<Source> sources, List<Finding> found)
    {
        var allows = sources.SelectMany(source => source.Notes.Select(note => (source, note, Words: note.Text.Split(' ', 3))))
            .Where(allow => allow.Words is ["allow", ..]).ToList();
        var used = new HashSet<Note>();
        foreach (var finding in found)
        {
            var allow = allows.FirstOrDefault(allow => allow.source == finding.Where.Source && allow.Words.Length == 3 && allow.Words[1] == finding.Rule.Id);
            if (allow.note is null) yield return finding;
            else used.Add(allow.note);
        }
        foreach (var (source, note, words) in allows)
        {
            if (words.Length < 3) yield return new(Reasonless, Reasonless.Severity, new(source, note.Line), note.Text);
            else if (!used.Contains(note)) yield return new(Unused, Unused.Severity, new(source, note.Line), note.Text);
        }
    }
}

/// <summary>
/// <c>db/lint-baseline.txt</c>: what landed scripts, which are never edited, may keep, and what they made in a database. A line is a
/// rule, the name of a file or of an object, and a reason.
/// </summary>
internal sealed class Baseline
{
    private readonly HashSet<(string Rule, string Name)> entries = [];

    public IEnumerable<(string Rule, string Name)> Entries => entries;

    public static Baseline Read(string scriptsRoot)
    {
        var (baseline, file) = (new Baseline(), Path.GetFullPath(Path.Combine(scriptsRoot, "..", "lint-baseline.txt")));
        if (!File.Exists(file)) return baseline;
        var number = 0;
        foreach (var line in File.ReadLines(file))
        {
            number++;
            if (line.Length == 0 || line[0] == '#') continue;
            if (line.Split(' ', 3, StringSplitOptions.RemoveEmptyEntries) is not [var rule, var name, _])
                throw MigrationException.Usage($"{file}:{number}: a line is RULE FILE REASON.");
            baseline.entries.Add((rule, name));
        }
        return baseline;
    }

    public bool Covers(Finding finding) => entries.Contains((finding.Rule.Id, finding.Where.Source.Name));
}
