using System.Text.RegularExpressions;
using static OpenReadings.Migrator.Lint.Severity;

namespace OpenReadings.Migrator.Lint;

/// <summary>Changes that lock, rewrite, lose or break while programs run. Names as squawk has them, where it has one.</summary>
internal static partial class UnsafeChanges
{
    private const string Blocks = "It holds a lock that everybody waits for while the table is read";
    private const string OldPods = "Programs of the release before still use the old form";

    public static readonly Rule[] All =
    [
        new("require-concurrent-index-creation", Error, "Writers wait while the index is built", "create index concurrently, alone in a no-transaction script")
        {
            Statement = step => step.Kind == "IndexStmt" && !step.Node.Is("concurrent") && !step.IsNew(step.Node.Relation())
                ? [$"index {step.Node.Text("idxname")} on {step.Node.Relation()}"] : [],
        },
        new("require-concurrent-index-deletion", Error, "Everybody waits for the lock of the table", "drop index concurrently, alone in a no-transaction script")
        {
            Statement = step => step.Kind == "DropStmt" && step.Node.Text("removeType") == "OBJECT_INDEX" && !step.Node.Is("concurrent")
                ? [$"drop index {string.Join(", ", step.Node.Dropped())}"] : [],
        },
        new("require-concurrent-reindex", Error, "Everybody waits while the index is built anew", "reindex … concurrently, alone in a no-transaction script")
        {
            Statement = step => step.Kind == "ReindexStmt" && step.Node.All("params").All(option => option.Text("defname") != "concurrently")
                ? [$"reindex of {step.Node.Relation()}"] : [],
        },
        new("require-concurrent-partition-detach", Error, "Everybody who uses the parent waits", "detach partition … concurrently, alone in a no-transaction script")
        {
            Statement = step => step.Alters("AT_DetachPartition").Where(command => !command["def"].Is("concurrent"))
                .Select(command => $"detaches {command["def"]["name"].RelationName}"),
        },
        new("concurrent-in-transaction", Error, "PostgreSQL refuses it inside of a transaction (25001)", "-- migrate: no-transaction, and one statement in the script")
        {
            Statement = step => !step.Source.NoTransaction && IsConcurrent(step.Node) ? ["concurrently inside of a transaction"] : [],
        },
        new("constraint-missing-not-valid", Error, Blocks, "add constraint … not valid, and validate it in a later script")
        {
            Statement = step => AddedConstraints(step, "CONSTR_CHECK").Where(constraint => !constraint.Is("skip_validation"))
                .Select(constraint => $"check {constraint.Text("conname")} on {step.Node.Relation()}"),
        },
        new("adding-foreign-key-constraint", Error, "Both tables are locked while all rows are looked up", "add the column alone, the key not valid, and validate it in a later script")
        {
            Statement = step => AddedConstraints(step, "CONSTR_FOREIGN").Where(constraint => !constraint.Is("skip_validation"))
                .Concat(AddedColumns(step).SelectMany(column => column.All("constraints")).Where(constraint => constraint.Text("contype") == "CONSTR_FOREIGN"))
                .Select(constraint => $"foreign key of {step.Node.Relation()} to {constraint.Relation("pktable")}"),
        },
        new("adding-not-nullable-field", Error, Blocks, "check (c is not null) not valid, validate, set not null, drop the check")
        {
            Statement = step => step.Alters("AT_SetNotNull").Select(command => $"{step.Node.Relation()}.{command.Text("name")} becomes not null"),
        },
        new("adding-required-field", Error, "It fails where there are rows, and old programs write none", "let it be null, or give it a constant default")
        {
            Statement = step => AddedColumns(step).Where(column => Has(column, "CONSTR_NOTNULL") && !Has(column, "CONSTR_DEFAULT") && !Has(column, "CONSTR_GENERATED") && !Has(column, "CONSTR_IDENTITY"))
                .Select(column => $"{step.Node.Relation()}.{column.Text("colname")} is not null and has no default"),
        },
        new("adding-field-with-default", Error, "The whole table is written anew under a lock", "add the column, set the default, fill it in batches")
        {
            Statement = step => AddedColumns(step).Where(column => column.TypeName.Contains("serial", StringComparison.Ordinal) || Has(column, "CONSTR_GENERATED") || Has(column, "CONSTR_IDENTITY")
                    || column.All("constraints").Any(constraint => constraint.Text("contype") == "CONSTR_DEFAULT" && constraint["raw_expr"].Calls().Any(call => step.World.IsVolatile(call.Name("funcname")))))
                .Select(column => $"each row of {step.Node.Relation()} gets a {column.Text("colname")} of its own"),
        },
        new("changing-column-type", Error, "The table may be written anew, and programs expect the old type", "a new column, written beside the old one, then swapped")
        {
            Statement = step => step.Alters("AT_AlterColumnType").Where(command => command["def"].TypeName != "text" || TypeOf(step, command) is not "varchar")
                .Select(command => $"{step.Node.Relation()}.{command.Text("name")} becomes {command["def"].TypeName}"),
        },
        new("widening-column-type", Warning, "Programs may expect the narrower type", "be sure that they do not")
        {
            Statement = step => step.Alters("AT_AlterColumnType").Where(command => command["def"].TypeName == "text" && TypeOf(step, command) == "varchar")
                .Select(command => $"{step.Node.Relation()}.{command.Text("name")} becomes text"),
        },
        new("renaming-column", Error, OldPods, "a new column, written beside the old one, which goes in a later release") { Statement = step => Renames(step, "OBJECT_COLUMN") },
        new("renaming-table", Error, OldPods, "a view with the old name, or a new table") { Statement = step => Renames(step, "OBJECT_TABLE") },
        new("renaming-schema", Error, OldPods, "a new schema") { Statement = step => Renames(step, "OBJECT_SCHEMA") },
        new("renaming-enum-value", Error, OldPods, "a new value")
        {
            Statement = step => step.Kind == "AlterEnumStmt" && step.Node.Text("oldVal") != "" ? [$"{step.Node.Text("oldVal")} becomes {step.Node.Text("newVal")}"] : [],
        },
        new("ban-drop-column", Error, "What was in it is gone, and old programs still read it", "-- migrate: phase contract, a release after the last use")
        {
            Statement = step => step.Source.IsContract ? [] : step.Alters("AT_DropColumn").Select(command => $"drops {step.Node.Relation()}.{command.Text("name")}"),
        },
        new("ban-drop-table", Error, "What was in it is gone, and old programs still read it", "-- migrate: phase contract, a release after the last use")
        {
            Statement = step => step.Kind == "DropStmt" && step.Node.Text("removeType") == "OBJECT_TABLE" && !step.Source.IsContract && !step.Node.Dropped().All(step.IsNew)
                ? [$"drops {string.Join(", ", step.Node.Dropped())}"] : [],
        },
        new("ban-drop-database", Error, "Everything is gone", "nothing that a script should do") { Statement = step => step.Kind == "DropdbStmt" ? [$"drops the database {step.Node.Text("dbname")}"] : [] },
        new("ban-truncate-cascade", Error, "It empties tables that are not named", "truncate the tables by name")
        {
            Statement = step => step.Kind == "TruncateStmt" && step.Node.Text("behavior") == "DROP_CASCADE" ? ["truncate … cascade"] : [],
        },
        new("ban-drop-not-null", Warning, "Readers may not expect a null", "be sure that they do")
        {
            Statement = step => step.Alters("AT_DropNotNull").Select(command => $"{step.Node.Relation()}.{command.Text("name")} may be null"),
        },
        new("disallowed-unique-constraint", Error, "Its index is built under a lock", "create unique index concurrently, then add constraint … using index")
        {
            Statement = step => AddedKeys(step, "CONSTR_UNIQUE").Select(_ => $"unique constraint on {step.Node.Relation()}"),
        },
        new("adding-primary-key", Error, "Its index is built under a lock", "create unique index concurrently, then add primary key using index")
        {
            Statement = step => AddedKeys(step, "CONSTR_PRIMARY").Select(_ => $"primary key on {step.Node.Relation()}"),
        },
        new("adding-exclusion-constraint", Error, "Its index is built under a lock, and none can be built before", "a new table")
        {
            Statement = step => AddedConstraints(step, "CONSTR_EXCLUSION").Select(_ => $"exclusion constraint on {step.Node.Relation()}"),
        },
        new("require-lock-timeout", Error, "Whoever waits for a lock makes everybody behind it wait", "leave it to the runner, or say -- migrate: lock-timeout") { Statement = step => Sets(step, "lock_timeout") },
        new("require-statement-timeout", Error, "A statement that hangs holds its locks", "leave it to the runner, or say -- migrate: statement-timeout") { Statement = step => Sets(step, "statement_timeout") },
        new("statements-after-access-exclusive", Warning, "The lock on the table in use is held until all of it is done", "one hot table for each script, changed last")
        {
            Statement = step => !step.Source.NoTransaction && step.Kind is "UpdateStmt" or "DeleteStmt" or "InsertStmt" or "SelectStmt"
                && step.Before.FirstOrDefault(before => before.Kind == "AlterTableStmt" && !step.IsNew(before.Relation())) is { Exists: true } alter
                ? [$"runs while {alter.Relation()} is locked"] : [],
        },
        new("merge-alter-table", Warning, "Each takes the lock, and may have to wait, again", "one alter table with several parts")
        {
            Statement = step => step.Kind == "AlterTableStmt" && !step.IsNew(step.Node.Relation())
                && step.Before.Any(before => before.Kind == "AlterTableStmt" && before.Relation() == step.Node.Relation()) ? [$"{step.Node.Relation()} is altered again"] : [],
        },
        new("backfill-in-ddl-tx", Error, "The lock of the change is held for the whole update", "a no-transaction script that goes on in batches")
        {
            Statement = step => !step.Source.NoTransaction && step.Kind is "UpdateStmt" or "DeleteStmt" && !step.IsNew(step.Node.Relation())
                && step.Before.Any(before => before.Kind == "AlterTableStmt") && !IsNarrow(step.Node) ? [$"all rows of {step.Node.Relation()} after a change of a table"] : [],
        },
        new("transaction-nesting", Error, "The runner's transaction ends in the middle, and the journal with it", "leave transactions to the runner")
        {
            Statement = step => step.Kind == "TransactionStmt" && step.Node.Text("kind") is not ("TRANS_STMT_BEGIN" or "TRANS_STMT_START") ? [step.Text] : [],
        },
        new("ban-uncommitted-transaction", Error, "What follows is lost without an error when nobody commits", "leave transactions to the runner")
        {
            Statement = step => step.Kind == "TransactionStmt" && step.Node.Text("kind") is "TRANS_STMT_BEGIN" or "TRANS_STMT_START" ? [step.Text] : [],
        },
        new("prefer-robust-stmts", Error, "A no-transaction script that broke off runs again from where it broke", "if [not] exists; the runner looks whether the index is valid")
        {
            Statement = step => step.Source.NoTransaction
                && (step.Kind is "IndexStmt" or "CreateStmt" && !step.Node.Is("if_not_exists") || step.Kind == "DropStmt" && !step.Node.Is("missing_ok")) ? ["cannot run twice"] : [],
        },
        new("require-enum-value-ordering", Warning, "The value goes to the end, where it may not belong", "add value … before or after")
        {
            Statement = step => step.Kind == "AlterEnumStmt" && step.Node.Text("oldVal") == "" && step.Node.Text("newValNeighbor") == "" ? [$"value {step.Node.Text("newVal")}"] : [],
        },
        new("enum-value-used-in-transaction", Error, "A new value cannot be used before it is committed (55P04)", "two scripts")
        {
            Statement = step => step.Source.NoTransaction || step.Kind == "AlterEnumStmt" ? [] : step.Before.Where(before => before.Kind == "AlterEnumStmt" && before.Text("newVal") != ""
                && step.Text.Contains($"'{before.Text("newVal")}'", StringComparison.Ordinal)).Select(before => $"uses '{before.Text("newVal")}'"),
        },
        new("ban-create-domain-with-constraint", Warning, "A change of it looks at every column of the domain", "a check on the column")
        {
            Statement = step => step.Kind == "CreateDomainStmt" && step.Node.All("constraints").Any() ? [$"domain {step.Node.Name("domainname")}"] : [],
        },
        new("ban-alter-domain", Warning, "Every column of the domain is looked at under a lock", "a check on the column")
        {
            Statement = step => step.Kind == "AlterDomainStmt" ? [$"alters the domain {step.Node.Name("typeName")}"] : [],
        },
        new("prefer-bigint", Warning, "2 147 483 647 is fewer than it seems, and changing it writes the table anew", "bigint")
        {
            Statement = step => Columns(step).Where(column => column.TypeName is "int4" or "int2" or "serial" or "serial4" or "smallserial"
                && (Has(column, "CONSTR_PRIMARY") || column.TypeName.Contains("serial", StringComparison.Ordinal) || Has(column, "CONSTR_IDENTITY"))).Select(Named),
        },
        new("prefer-identity", Warning, "A serial's sequence has an owner and rights of its own", "generated always as identity")
        {
            Statement = step => Columns(step).Where(column => column.TypeName.Contains("serial", StringComparison.Ordinal)).Select(Named),
        },
        new("prefer-text", Warning, "Its limit cannot be changed without a lock, and saves nothing", "text with a check")
        {
            Statement = step => Columns(step).Where(column => column.TypeName == "varchar").Select(Named),
        },
        new("prefer-timestamptz", Warning, "It does not say which moment is meant", "timestamptz")
        {
            Statement = step => Columns(step).Where(column => column.TypeName is "timestamp" or "timetz").Select(Named),
        },
        new("prefer-jsonb", Warning, "It has no equality, so distinct and group by fail on it", "jsonb")
        {
            Statement = step => Columns(step).Where(column => column.TypeName == "json").Select(Named),
        },
        new("ban-char-field", Warning, "It is padded with blanks that come and go", "text")
        {
            Statement = step => Columns(step).Where(column => column.TypeName is "bpchar" or "char").Select(Named),
        },
        new("identifier-too-long", Error, "PostgreSQL cuts names at 63 bytes, and two may become one", "a shorter name")
        {
            // The parser has cut them already: the text tells.
            Statement = step => step.Kind.StartsWith("Create", StringComparison.Ordinal) || step.Kind is "IndexStmt" or "AlterTableStmt" or "ViewStmt" or "RenameStmt"
                ? LongWord().Matches(step.Text.Split("$$")[0]).Select(word => word.Value).Distinct() : [],
        },
        new("duplicate-column-assignments", Error, "PostgreSQL refuses it (42601)", "one assignment")
        {
            Statement = step => step.Kind == "UpdateStmt"
                ? step.Node.All("targetList").GroupBy(target => target.Text("name")).Where(same => same.Count() > 1).Select(same => $"{same.Key} is set {same.Count()} times") : [],
        },
        new("require-table-schema", Warning, "A search_path that a script sets itself decides where the table goes", "name the schema, or leave search_path to the runner, which pins it")
        {
            Statement = step => step.Kind == "CreateStmt" && step.Node["relation"].Text("schemaname") == "" && step.Node["relation"].Text("relpersistence") != "t"
                && step.Before.Any(before => before.Kind == "VariableSetStmt" && before.Text("name") == "search_path") ? [$"table {step.Node.Relation()}"] : [],
        },
        new("prefer-repack", Warning, "Everybody waits while the table is written anew", "pg_repack")
        {
            Statement = step => step.Kind == "ClusterStmt" || step.Kind == "VacuumStmt" && step.Node.All("options").Any(option => option.Text("defname") == "full") ? [step.Text] : [],
        },
        new("wide-index", Warning, "Each write pays for all its columns", "the columns that are searched by")
        {
            Statement = step => step.Kind == "IndexStmt" && !step.Node.Is("unique") && step.Node.All("indexParams").Count() > 3 ? [$"index {step.Node.Text("idxname")} has {step.Node.All("indexParams").Count()} columns"] : [],
        },
        new("missing-foreign-key-index", Warning, "Each delete of a parent reads the whole child", "an index that begins with the columns of the key")
        {
            Schema = world => world.Tables.Values.SelectMany(table => table.ForeignKeys.Where(key => !table.IsIndexed(key.Columns))
                .Select(key => (key.Where, $"{table.Name} ({string.Join(", ", key.Columns)})"))),
        },
    ];

    private static bool IsConcurrent(Node node) => node.Kind switch
    {
        "IndexStmt" or "DropStmt" => node.Is("concurrent"),
        "ReindexStmt" => node.All("params").Any(option => option.Text("defname") == "concurrently"),
        "AlterTableStmt" => node.All("cmds").Any(command => command["def"].Is("concurrent")),
        _ => false,
    };

    private static IEnumerable<Node> AddedConstraints(Step step, string kind) =>
        step.Alters("AT_AddConstraint").Select(command => command["def"]).Where(constraint => constraint.Text("contype") == kind);

    private static IEnumerable<Node> AddedKeys(Step step, string kind) => AddedConstraints(step, kind).Where(constraint => constraint.Text("indexname") == "")
        .Concat(AddedColumns(step).Where(column => Has(column, kind)));

    private static IEnumerable<Node> AddedColumns(Step step) => step.Alters("AT_AddColumn").Select(command => command["def"]);

    private static IEnumerable<Node> Columns(Step step) => step.Kind switch
    {
        "CreateStmt" => step.Node.All("tableElts").Where(element => element.Kind == "ColumnDef"),
        "AlterTableStmt" => step.Node.All("cmds").Where(command => command.Text("subtype") is "AT_AddColumn" or "AT_AlterColumnType").Select(command => command["def"]),
        _ => [],
    };

    private static string Named(Node column) => $"{(column.Text("colname") is { Length: > 0 } name ? name : "the column")} is {column.TypeName}";

    private static bool Has(Node column, string constraint) => column.All("constraints").Any(one => one.Text("contype") == constraint);

    private static string? TypeOf(Step step, Node command) =>
        step.World.Tables.GetValueOrDefault(step.Node.Relation())?.Columns.GetValueOrDefault(command.Text("name"));

    private static IEnumerable<string> Renames(Step step, string kind) => step.Kind == "RenameStmt" && step.Node.Text("renameType") == kind && !step.IsNew(step.Node.Relation())
        ? [$"{(step.Node.Text("subname") is { Length: > 0 } name ? name : step.Node.Relation())} becomes {step.Node.Text("newname")}"] : [];

    private static IEnumerable<string> Sets(Step step, string setting) => step.Kind == "VariableSetStmt" && step.Node.Text("name") == setting ? [step.Text] : [];

    // With a key in its condition, compared with a value or a range of values, an update is of a few rows.
    private static bool IsNarrow(Node update) => update["whereClause"].Descend().Any(node => node.Kind == "A_Expr"
        && node.Words("name") is ["="] or ["<"] or ["<="] or [">"] or [">="] && node["rexpr"].Kind is "A_Const" or "ParamRef");

    [GeneratedRegex(@"(?<![\w'])[a-zA-Z_]\w{63,}")]
    private static partial Regex LongWord();
}
