using static OpenReadings.Migrator.Lint.Severity;

namespace OpenReadings.Migrator.Lint;

/// <summary>Who may see which rows: policies, roles, rights, and what goes past them.</summary>
internal static class RowSecurity
{
    public static readonly Rule[] All =
    [
        new("rls-missing", Error, "Everybody sees everybody's rows", "enable row level security (call own_rows) in the same script")
        {
            Schema = world => Personal(world).Where(table => !table.HasRowSecurity).Select(table => (table.Where, $"{table.Name} has {World.UserColumn} and no row-level security")),
        },
        new("rls-not-forced", Error, "The owner of the table sees all rows", "force row level security")
        {
            Schema = world => Personal(world).Where(table => table is { HasRowSecurity: true, IsForced: false }).Select(table => (table.Where, table.Name)),
        },
        new("rls-without-policy", Warning, "Nobody sees a row, which is rarely meant", "a policy, or allow with a reason")
        {
            Schema = world => world.Tables.Values.Where(table => table is { HasRowSecurity: true, Policies: 0, PartitionOf: null }).Select(table => (table.Where, table.Name)),
        },
        new("policy-without-rls", Error, "The policy does nothing", "enable row level security")
        {
            Schema = world => world.Tables.Values.Where(table => table is { HasRowSecurity: false, Policies: > 0 }).Select(table => (table.Where, table.Name)),
        },
        new("policy-no-with-check", Warning, "What may be seen may then be written too", "a policy for reading, one for writing with a WITH CHECK of its own")
        {
            Statement = step => IsWriting(step) && !step.Node["with_check"].Exists && !IsWide(step.Node["qual"]) ? [$"policy {step.Node.Text("policy_name")}"] : [],
        },
        new("policy-wide-without-check", Error, "Rows that are shared for reading could be changed and deleted by all who see them", "a policy for reading, one for writing with a WITH CHECK of its own")
        {
            Statement = step => IsWriting(step) && !step.Node["with_check"].Exists && IsWide(step.Node["qual"]) ? [$"policy {step.Node.Text("policy_name")}"] : [],
        },
        new("policy-always-true", Error, "It lets everybody at every row", "a condition on the person")
        {
            Statement = step => step.Kind == "CreatePolicyStmt" && (IsTrue(step.Node["qual"]) || IsTrue(step.Node["with_check"])) ? [$"policy {step.Node.Text("policy_name")}"] : [],
        },
        new("policy-volatile-function", Error, "It is asked for each row, and no index can be used", "a STABLE function inside of (select …)")
        {
            Statement = step => Conditions(step).SelectMany(condition => condition.Calls(node => node.Kind != "SubLink"))
                .Select(call => call.Name("funcname")).Where(name => name == "app_user_id" || name == "current_setting" || step.World.IsVolatile(name)).Distinct()
                .Select(name => $"policy {step.Node.Text("policy_name")} asks {name}() for each row"),
        },
        new("policy-setting-unsafe", Error, "Without the setting it raises, and after a transaction that set it the setting is '' and no uuid", "nullif(current_setting('app.user_id', true), '')::uuid")
        {
            Statement = step => Conditions(step).SelectMany(condition => Unsafe(condition, guarded: false)).Take(1).Select(_ => $"policy {step.Node.Text("policy_name")}"),
        },
        new("policy-column-unindexed", Warning, "Each query reads the whole table", "an index that begins with the column")
        {
            Schema = world => world.PolicyColumns.Where(policy => world.Tables.TryGetValue(policy.Table, out var table) && policy.Columns.Contains(World.UserColumn)
                && table.Columns.ContainsKey(World.UserColumn) && !table.IsIndexed([World.UserColumn])).Select(policy => (policy.Where, $"{policy.Table}.{World.UserColumn}")),
        },
        new("partition-without-rls", Error, "The policy of the parent does not protect a partition that is read directly", "enable and force it on the partition, or grant nothing on it")
        {
            Schema = world => world.Tables.Values.Where(table => table is { PartitionOf: not null, HasRowSecurity: false } && world.Tables.TryGetValue(table.PartitionOf, out var parent) && parent.HasRowSecurity)
                .Select(table => (table.Where, $"{table.Name} of {table.PartitionOf}")),
        },
        new("view-not-security-invoker", Error, "It shows what its owner sees, and not what its reader may", "with (security_invoker = true)")
        {
            Statement = step => step.Kind == "ViewStmt" && !step.Node.All("options").Any(option => option.Text("defname") == "security_invoker" && option["arg"] is var arg
                    && (!arg.Exists || arg.Text("sval") is "true" or "on" or "1" || arg.Number("ival") == 1)) && ReadsPersonal(step)
                ? [$"view {step.Node.Relation("view")}"]
                : step.Kind == "CreateTableAsStmt" && ReadsPersonal(step) ? [$"{step.Node["into"].Relation("rel")} copies rows past their policies"] : [],
        },
        new("definer-function-search-path", Error, "A table of the caller's own could stand in for ours", "set search_path = public, pg_temp, and revoke execute from public")
        {
            Statement = step => step.Kind == "CreateFunctionStmt" && Option(step.Node, "security")["arg"].Descend().Any(node => node.Is("boolval"))
                && !step.Node.All("options").Any(option => option.Text("defname") == "set" && option["arg"].Text("name") == "search_path") ? [$"function {step.Node.Name("funcname")}"] : [],
        },
        new("app-role-privileged", Error, "Row-level security does not bind it", "separate roles: an owner for migrations, an app without rights of its own")
        {
            Statement = step => step.Kind is "CreateRoleStmt" or "AlterRoleStmt" && RoleOf(step.Node).EndsWith("_app", StringComparison.Ordinal)
                ? step.Node.All("options").Where(option => option.Text("defname") is "bypassrls" or "superuser" or "createrole" && option["arg"].Descend().Any(node => node.Is("boolval")))
                    .Select(option => $"{RoleOf(step.Node)} is {option.Text("defname")}")
                : step.Kind == "GrantRoleStmt" && step.Node.All("grantee_roles").Any(role => role.Text("rolename").EndsWith("_app", StringComparison.Ordinal))
                    && step.Node.All("granted_roles").Any(role => role.Text("priv_name").EndsWith("_migrator", StringComparison.Ordinal)) ? ["the app becomes a member of the owner"]
                : step.Alters("AT_ChangeOwner").Where(command => command["newowner"].Text("rolename").EndsWith("_app", StringComparison.Ordinal)).Select(_ => $"the app owns {step.Node.Relation()}"),
        },
        new("backfill-under-force", Error, "An owner without BYPASSRLS changes no row, and says nothing", "leave row_security to the runner, which turns it off: then it errs")
        {
            Statement = step => step.Kind is "UpdateStmt" or "DeleteStmt" && step.World.Tables.TryGetValue(step.Node.Relation(), out var table) && table.IsForced
                && step.Before.Any(before => TurnsRowSecurityOn(before)) ? [$"{step.Node.Relation()} with row_security on"] : [],
        },
        new("fk-validate-under-force", Error, "An owner without BYPASSRLS marks the key valid although rows violate it", "leave row_security to the runner, which turns it off: then it errs")
        {
            Statement = step => step.Kind == "AlterTableStmt" && step.World.Tables.TryGetValue(step.Node.Relation(), out var table) && table.IsForced && step.Before.Any(TurnsRowSecurityOn)
                && step.Node.All("cmds").Any(command => command.Text("subtype") == "AT_ValidateConstraint" || command["def"].Text("contype") == "CONSTR_FOREIGN") ? [step.Node.Relation()] : [],
        },
        new("grant-to-public", Warning, "Every role of the server has it", "grant to the role that needs it")
        {
            Statement = step => step.Kind == "GrantStmt" && step.Node.Is("is_grant") && step.Node.All("grantees").Any(role => role.Text("roletype") == "ROLESPEC_PUBLIC") ? ["to public"] : [],
        },
        new("grant-all", Warning, "It holds rights that nobody thought of, TRUNCATE among them", "the rights that are used, by name")
        {
            Statement = step => step.Kind == "GrantStmt" && step.Node.Is("is_grant") && !step.Node.All("privileges").Any() ? ["all privileges"] : [],
        },
        new("default-privileges-missing", Warning, "Whoever makes a table in it decides who may read it", "alter default privileges in the schema")
        {
            Schema = world => world.SetsDefaultPrivileges ? [] : world.Schemas.Select(where => (where, "a schema without default privileges")),
        },
        new("truncate-grant", Warning, "TRUNCATE knows no row-level security", "delete") { Statement = step => GrantsToApp(step, "truncate") },
        new("references-grant", Warning, "A foreign key tells whether a row exists that may not be seen", "nothing: the owner makes the keys") { Statement = step => GrantsToApp(step, "references") },
        new("dump-under-force", Warning, "pg_dump fails as a role without BYPASSRLS, or dumps a part", "a backup role with BYPASSRLS")
        {
            Statement = step => step.Kind is "CreateRoleStmt" or "AlterRoleStmt" && RoleOf(step.Node).EndsWith("_backup", StringComparison.Ordinal)
                && !step.Node.All("options").Any(option => option.Text("defname") == "bypassrls" && option["arg"].Descend().Any(node => node.Is("boolval"))) ? [RoleOf(step.Node)] : [],
        },
    ];

    private static IEnumerable<Table> Personal(World world) => world.Tables.Values.Where(table => table.PartitionOf is null && table.Columns.ContainsKey(World.UserColumn));

    private static bool IsWriting(Step step) => step.Kind == "CreatePolicyStmt" && step.Node.Text("cmd_name") is "all" or "update" && step.Node["qual"].Exists;

    // One OR in the condition is one way more to see a row than owning it.
    private static bool IsWide(Node condition) => condition.Descend().Any(node => node.Text("boolop") == "OR_EXPR");

    private static bool IsTrue(Node condition) => condition.Kind == "A_Const" && condition["boolval"].Is("boolval");

    private static IEnumerable<Node> Conditions(Step step) =>
        step.Kind == "CreatePolicyStmt" ? new[] { step.Node["qual"], step.Node["with_check"] }.Where(condition => condition.Exists) : [];

    private static IEnumerable<Node> Unsafe(Node node, bool guarded)
    {
        if (node.Kind == "FuncCall" && node.Name("funcname") == "current_setting" && (!guarded || node.All("args").Count() < 2)) yield return node;
        // nullif is an A_Expr of its own kind.
        var below = guarded || node.Text("kind") == "AEXPR_NULLIF";
        foreach (var child in node.Children())
            foreach (var found in Unsafe(child, below)) yield return found;
    }

    private static bool ReadsPersonal(Step step) => step.Node["query"].Relations().Any(name => step.World.Tables.TryGetValue(name, out var table) && (table.HasRowSecurity || table.Columns.ContainsKey(World.UserColumn)));

    private static bool TurnsRowSecurityOn(Node node) => node.Kind == "VariableSetStmt" && node.Text("name") == "row_security" && node.Descend().Any(one => one.Text("sval") is "on" or "true" or "force");

    private static Node Option(Node node, string name) => node.All("options").FirstOrDefault(option => option.Text("defname") == name);

    private static string RoleOf(Node node) => node.Kind == "CreateRoleStmt" ? node.Text("role") : node["role"].Text("rolename");

    private static IEnumerable<string> GrantsToApp(Step step, string right) => step.Kind == "GrantStmt" && step.Node.Is("is_grant")
        && step.Node.All("privileges").Any(privilege => privilege.Text("priv_name") == right)
        && step.Node.All("grantees").Any(role => role.Text("rolename").EndsWith("_app", StringComparison.Ordinal)) ? [$"{right} for the app"] : [];
}
