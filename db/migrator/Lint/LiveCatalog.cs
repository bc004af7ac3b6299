using Npgsql;

namespace OpenReadings.Migrator.Lint;

/// <summary>
/// The rules about who may see which rows, and about what is half done, asked of a database itself: what scripts put together at
/// run time, and what somebody did by hand, stands in no script.
/// </summary>
internal static class LiveCatalog
{
    private static readonly Rule InvalidIndex = new("index-invalid", Severity.Error, "It costs every write and serves no read", "ops maint reindex");
    private static readonly Rule NotValidated = new("constraint-not-validated", Severity.Error, "Rows from before it may be against it", "alter table … validate constraint");

    /// <summary>The rules that only a catalog can be asked for.</summary>
    public static readonly IReadOnlyList<Rule> Own = [InvalidIndex, NotValidated];

    // Each gives the object, by whose name the baseline may keep it, and what there is to say of it.
    private static readonly IReadOnlyList<(string Rule, string Sql)> Questions =
    [
        ("index-invalid", "select c.relname, c.relname from pg_index join pg_class c on c.oid = indexrelid where not indisvalid"),
        ("constraint-not-validated", "select conname, format('%s on %s', conname, conrelid::regclass) from pg_constraint where not convalidated"),
        ("rls-missing", "select relname, relname from tables where owned and not relrowsecurity and not relispartition"),
        ("rls-not-forced", "select relname, relname from tables where relrowsecurity and not relforcerowsecurity"),
        ("rls-without-policy", "select relname, relname from tables where relrowsecurity and not relispartition and not exists (select from pg_policy where polrelid = tables.oid)"),
        ("policy-without-rls", "select relname, format('%s on %s', polname, relname) from policies where not relrowsecurity"),
        ("policy-no-with-check", "select relname, format('%s on %s', polname, relname) from policies where polcmd in ('*', 'w') and checks is null and condition !~ '\\mOR\\M'"),
        ("policy-wide-without-check", "select relname, format('%s on %s', polname, relname) from policies where polcmd in ('*', 'w') and checks is null and condition ~ '\\mOR\\M'"),
        ("policy-always-true", "select relname, format('%s on %s', polname, relname) from policies where 'true' in (condition, checks)"),
        // What stands in a sub-select of its own is asked once for each statement.
        ("policy-volatile-function",
            """
            select relname, format('%s on %s asks %s() for each row', polname, relname, proname)
            from policies join pg_depend on classid = 'pg_policy'::regclass and objid = policies.oid and refclassid = 'pg_proc'::regclass
                join pg_proc on pg_proc.oid = refobjid
            where (provolatile = 'v' or proname = 'app_user_id') and regexp_replace(said, '\( SELECT [^()]*\([^()]*\)[^()]*\)', '', 'g') ~ (proname || '\(')
            union all
            select relname, format('%s on %s asks current_setting() for each row', polname, relname)
            from policies where regexp_replace(said, '\( SELECT .*\)', '', 'g') ~ 'current_setting\('
            """),
        ("policy-setting-unsafe", "select relname, format('%s on %s', polname, relname) from policies where said ~ 'current_setting\\(' and (said !~* 'nullif' or said ~ 'current_setting\\([^,()]*\\)')"),
        ("policy-column-unindexed",
            """
            select distinct relname, format('%s.user_id', relname) from policies
            where owned and condition ~ 'user_id' and not exists (select from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
                where indrelid = policies.relid and attname = 'user_id' and indisvalid and indpred is null)
            """),
        ("partition-without-rls",
            """
            select part.relname, format('%s of %s', part.relname, whole.relname)
            from pg_inherits join tables part on part.oid = inhrelid join tables whole on whole.oid = inhparent
            where whole.relrowsecurity and not part.relrowsecurity and exists (select from pg_roles where rolname = @app and has_table_privilege(oid, part.oid, 'select'))
            """),
        ("view-not-security-invoker",
            """
            select distinct v.relname, format('%s reads %s', v.relname, tables.relname)
            from pg_class v join pg_rewrite on ev_class = v.oid join pg_depend on classid = 'pg_rewrite'::regclass and objid = pg_rewrite.oid and refclassid = 'pg_class'::regclass
                join tables on tables.oid = refobjid and (tables.relrowsecurity or owned)
            where v.relnamespace = 'public'::regnamespace and (v.relkind = 'm'
                or v.relkind = 'v' and not coalesce(v.reloptions && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false))
            """),
        ("definer-function-search-path",
            """
            select proname, concat_ws(', ', proname || '()', case when not coalesce(array_to_string(proconfig, ' ') ~ 'search_path=', false) then 'no search_path of its own' end,
                case when callable then 'everybody may call it' end)
            from (select *, has_function_privilege('public', oid, 'execute') and prorettype <> 'trigger'::regtype as callable from pg_proc) p
            where pronamespace = 'public'::regnamespace and prosecdef and (callable or not coalesce(array_to_string(proconfig, ' ') ~ 'search_path=', false))
            """),
        ("app-role-privileged",
            """
            select rolname, rolname from pg_roles
            where rolname = @app and (rolsuper or rolbypassrls or rolcreaterole or exists (select from tables where relowner = pg_roles.oid)
                or pg_has_role(pg_roles.oid, (select oid from pg_roles where rolname = @migrator), 'member'))
            """),
        ("backfill-under-force", "select rolname, rolname || ' is no BYPASSRLS' from pg_roles where rolname = @migrator and not rolbypassrls and not rolsuper"),
        ("dump-under-force", "select rolname, rolname from pg_roles where rolname = @backup and not rolbypassrls and not rolsuper"),
        ("grant-to-public", "select relname, format('%s on %s', lower(string_agg(privilege_type, ', ' order by privilege_type)), relname) from rights where grantee = 0 group by relname"),
        ("grant-all", "select relname, format('%s on %s', @app, relname) from rights where who = @app group by relname having count(distinct privilege_type) >= 7"),
        ("truncate-grant", "select distinct relname, format('%s on %s', @app, relname) from rights where who = @app and privilege_type = 'TRUNCATE'"),
        ("references-grant", "select distinct relname, format('%s on %s', @app, relname) from rights where who = @app and privilege_type = 'REFERENCES'"),
        ("default-privileges-missing",
            """
            select nspname, nspname from pg_namespace
            where nspname !~ '^pg_' and nspname not in ('public', 'information_schema') and not exists (select from pg_default_acl where defaclnamespace in (pg_namespace.oid, 0))
            """),
        ("missing-foreign-key-index",
            """
            select conname, format('%s on %s', conname, conrelid::regclass) from pg_constraint join tables on tables.oid = conrelid
            where contype = 'f' and not relispartition and not exists (select from pg_index where indrelid = conrelid and indisvalid and indpred is null
                and (indkey::int2[])[0:cardinality(conkey) - 1] @> conkey)
            """),
    ];

    // In front of each question: the tables, their policies as the catalog writes them, and who has which right.
    private const string Asked =
        """
        with tables as materialized (
            select c.*, exists (select from pg_attribute where attrelid = c.oid and attname = 'user_id' and not attisdropped) as owned
            from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        ), policies as materialized (
            select p.oid, polrelid as relid, polname, polcmd, relname, relrowsecurity, owned, pg_get_expr(polqual, polrelid) as condition, pg_get_expr(polwithcheck, polrelid) as checks,
                concat_ws(' ', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) as said
            from pg_policy p join tables on tables.oid = polrelid
        ), rights as materialized (
            select relname, grantee, pg_get_userbyid(grantee) as who, privilege_type from tables, aclexplode(coalesce(relacl, acldefault('r', relowner))) where grantee <> relowner
        )

        """;

    /// <summary>What the rules object to, less what the baseline keeps by the object's name.</summary>
    public static async Task<IReadOnlyList<Finding>> AskAsync(Session session, Target target, CancellationToken ct)
    {
        var baseline = Baseline.Read(target.ScriptsRoot);
        var rules = Linter.Rules.Concat(Own).ToDictionary(rule => rule.Id);
        var found = new List<Finding>();
        foreach (var (id, sql) in Questions)
        {
            var rule = rules[id];
            found.AddRange(await session.QueryAsync($"{Asked}{sql} order by 1, 2",
                row => new Finding(rule, rule.Severity, Source.InCatalog(target.Service, row.GetString(0)).At(0), row.GetString(1)), ct,
                new NpgsqlParameter("app", $"{target.Service}_app"), new("migrator", $"{target.Service}_migrator"), new("backup", $"{target.Service}_backup")));
        }
        return [.. found.Where(finding => !baseline.Covers(finding))];
    }
}
