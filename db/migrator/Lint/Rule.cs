namespace OpenReadings.Migrator.Lint;

internal enum Severity { Warning, Error }

/// <summary>What one rule looks at, and what it says against it. What it does not look at is null.</summary>
internal sealed record Rule(string Id, Severity Severity, string Why, string SafeForm)
{
    /// <summary>Asked for each statement, with the schema as it is before it.</summary>
    public Func<Step, IEnumerable<string>>? Statement { get; init; }

    /// <summary>Asked once, for the schema that all scripts together make. Says which object, and what.</summary>
    public Func<World, IEnumerable<(Where Where, string What)>>? Schema { get; init; }

    /// <summary>Asked once for each file.</summary>
    public Func<Source, IEnumerable<(int Offset, string What)>>? File { get; init; }

    /// <summary>About what DbUp makes of the script: an error only under --strict-dbup.</summary>
    public bool IsPortability { get; init; }
}

/// <summary>One statement of one script; the schema as it is before it; the tables that the script itself made, which nobody
/// uses yet; and the script's statements before it.</summary>
internal sealed record Step(Source Source, Node Node, string Text, Where Where, World World, IReadOnlySet<string> Made, IReadOnlyList<Node> Before)
{
    public string Kind => Node.Kind;
    public bool IsNew(string name) => Made.Contains(name);

    /// <summary>The parts of an ALTER TABLE of a table that is in use.</summary>
    public IEnumerable<Node> Alters(params string[] subtypes) => Kind != "AlterTableStmt" || IsNew(Node.Relation())
        ? []
        : Node.All("cmds").Where(command => subtypes.Contains(command.Text("subtype")));
}

internal sealed record Finding(Rule Rule, Severity Severity, Where Where, string What)
{
    public override string ToString() =>
        $"{Where.Source.File}:{(Where.Source.IsInCatalog ? "" : $"{Where.Line}:")} {(Severity == Severity.Error ? "error" : "warning")} {Rule.Id}: {What}. {Rule.Why}. Instead: {Rule.SafeForm}.";
}
