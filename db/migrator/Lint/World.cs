using System.Text.RegularExpressions;

namespace OpenReadings.Migrator.Lint;

/// <summary>A table as the scripts so far made it.</summary>
internal sealed class Table(string name, Where where)
{
    public string Name => name;
    public Where Where => where;
    public Dictionary<string, string> Columns { get; } = [];

    /// <summary>The columns of each index and key, in their order.</summary>
    public List<IReadOnlyList<string>> Indexes { get; } = [];
    public List<(IReadOnlyList<string> Columns, Where Where)> ForeignKeys { get; } = [];
    public bool HasRowSecurity { get; set; }
    public bool IsForced { get; set; }
    public int Policies { get; set; }
    public string? PartitionOf { get; set; }

    public bool IsIndexed(IReadOnlyList<string> columns) =>
        Indexes.Any(index => index.Count >= columns.Count && columns.All(index.Take(columns.Count).Contains));
}

/// <summary>
/// The schema that the scripts so far make, as far as it can be read from their text. SQL that is put together at run time is
/// read for the words that matter here: row-level security that a DO block turns on counts for the tables it names.
/// </summary>
internal sealed class World
{
    public const string UserColumn = "user_id";
    private readonly Dictionary<string, string> volatilities = [];

    public Dictionary<string, Table> Tables { get; } = [];
    public List<(string Table, IReadOnlyList<string> Columns, Where Where)> PolicyColumns { get; } = [];
    public bool SetsDefaultPrivileges { get; private set; }
    public List<Where> Schemas { get; } = [];

    /// <summary>A function whose volatility no script says is VOLATILE if a script made it, and unknown otherwise.</summary>
    public bool IsVolatile(string function) => volatilities.TryGetValue(function, out var volatility)
        ? volatility == "volatile"
        : function is "random" or "clock_timestamp" or "timeofday" or "nextval" or "gen_random_uuid" or "uuid_generate_v4";

    public void Apply(Step step)
    {
        var node = step.Node;
        switch (step.Kind)
        {
            case "CreateStmt": Create(node, step.Where); break;
            case "AlterTableStmt": Alter(node, step.Where); break;
            case "IndexStmt" when Tables.TryGetValue(node.Relation(), out var table):
                table.Indexes.Add([.. node.All("indexParams").Select(element => element.Text("name"))]);
                break;
            case "CreatePolicyStmt" when Tables.TryGetValue(node["table"].RelationName, out var table):
                table.Policies++;
                PolicyColumns.Add((table.Name, [.. node["qual"].Descend().Where(one => one.Kind == "ColumnRef").SelectMany(one => one.Words("fields"))], step.Where));
                break;
            case "CreateFunctionStmt":
                volatilities[node.Name("funcname")] = node.All("options").Where(option => option.Text("defname") == "volatility")
                    .Select(option => option["arg"].Text("sval")).FirstOrDefault() ?? "volatile";
                break;
            case "DropStmt" when node.Text("removeType") == "OBJECT_TABLE":
                foreach (var dropped in node.Dropped()) Tables.Remove(dropped);
                break;
            case "AlterDefaultPrivilegesStmt": SetsDefaultPrivileges = true; break;
            case "CreateSchemaStmt": Schemas.Add(step.Where); break;
            case "DoStmt" or "CallStmt" or "SelectStmt": Guess(step.Text); break;
        }
    }

    private void Create(Node node, Where where)
    {
        var table = Tables[node.Relation()] = new Table(node.Relation(), where);
        if (node["partbound"].Exists) table.PartitionOf = node.All("inhRelations").Select(parent => parent.RelationName).FirstOrDefault();
        foreach (var element in node.All("tableElts"))
        {
            if (element.Kind == "ColumnDef")
            {
                table.Columns[element.Text("colname")] = element.TypeName;
                foreach (var constraint in element.All("constraints")) Constrain(table, constraint, [element.Text("colname")], where);
            }
            else if (element.Kind == "Constraint") Constrain(table, element, element.Words("keys"), where);
        }
    }

    private void Alter(Node node, Where where)
    {
        if (!Tables.TryGetValue(node.Relation(), out var table)) return;
        foreach (var command in node.All("cmds"))
        {
            var definition = command["def"];
            switch (command.Text("subtype"))
            {
                case "AT_AddColumn":
                    table.Columns[definition.Text("colname")] = definition.TypeName;
                    foreach (var constraint in definition.All("constraints")) Constrain(table, constraint, [definition.Text("colname")], where);
                    break;
                case "AT_DropColumn": table.Columns.Remove(command.Text("name")); break;
                case "AT_AddConstraint": Constrain(table, definition, definition.Words("keys"), where); break;
                case "AT_EnableRowSecurity": table.HasRowSecurity = true; break;
                case "AT_DisableRowSecurity": table.HasRowSecurity = false; break;
                case "AT_ForceRowSecurity": table.IsForced = true; break;
                case "AT_NoForceRowSecurity": table.IsForced = false; break;
                case "AT_AttachPartition" when Tables.TryGetValue(definition["name"].RelationName, out var part): part.PartitionOf = table.Name; break;
            }
        }
    }

    private static void Constrain(Table table, Node constraint, IReadOnlyList<string> columns, Where where)
    {
        switch (constraint.Text("contype"))
        {
            case "CONSTR_PRIMARY" or "CONSTR_UNIQUE": table.Indexes.Add(columns); break;
            case "CONSTR_FOREIGN":
                table.ForeignKeys.Add((constraint.Words("fk_attrs") is { Count: > 0 } attributes ? attributes : columns, where));
                break;
        }
    }

    private void Guess(string text)
    {
        var (enables, forces) = (text.Contains("enable row level security", StringComparison.OrdinalIgnoreCase), text.Contains("force row level security", StringComparison.OrdinalIgnoreCase));
        var ownRows = text.Contains("own_rows", StringComparison.Ordinal);
        var policies = text.Contains("create policy", StringComparison.OrdinalIgnoreCase);
        if (!enables && !forces && !ownRows && !policies) return;
        foreach (var table in Tables.Values.Where(table => Regex.IsMatch(text, $@"\b{Regex.Escape(table.Name)}\b")))
        {
            table.HasRowSecurity |= enables || ownRows;
            table.IsForced |= forces || ownRows;
            if (policies || ownRows) table.Policies++;
        }
    }
}
