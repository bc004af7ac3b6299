using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>Row-level security as the database's own catalog shows it: what a test proves of a release, proven of this server.</summary>
internal static class Protection
{
    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        // Nobody's rows are in the mail bags, the journal, the keys, and what is asked before anybody is known; of all other tables each is a person's.
        var open = await database.QueryAsync<string>(
            """
            select format('%s: %s', c.oid::regclass, concat_ws(', ', case when not relrowsecurity then 'row-level security is off' end,
                case when not relforcerowsecurity then 'its owner passes' end,
                case when not relispartition and not exists (select from pg_policy p where p.polrelid = c.oid) then 'no policy' end))
            from pg_class c
            where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
                and relname not in ('inbox', 'outbox', 'outbox_parked', 'signing_keys', 'retired_keys', 'revocations', 'device_requests', 'erasures', 'reset_requests', 'passkey_challenges', 'external_proofs', 'farewells') and relname !~ '^schemaversions'
                and not (relrowsecurity and relforcerowsecurity
                    and (relispartition or exists (select from pg_policy p where p.polrelid = c.oid)))
            order by 1
            """, ct);
        var tooMuch = await database.QueryAsync<string>(
            """
            select format('%s is %s', rolname, concat_ws(' and ', case when rolsuper then 'superuser' end,
                case when rolbypassrls then 'passes row-level security' end, case when rolcreaterole then 'may make roles' end,
                case when rolcreatedb then 'may make databases' end))
            from pg_roles where rolname = any (@roles) and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)
            union all
            select format('%s owns %s', pg_get_userbyid(relowner), oid::regclass)
            from pg_class where pg_get_userbyid(relowner) = any (@roles)
            union all
            select format('%s may %s the partition %s directly', role, lower(privilege), c.oid::regclass)
            from pg_class c, pg_roles r, unnest(@roles) role, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) privilege
            where c.relnamespace = 'public'::regnamespace and relispartition and relkind = 'r'
                and r.rolname = role and has_table_privilege(role, c.oid, privilege)
            union all
            select format('%s may truncate %s', role, c.oid::regclass)
            from pg_class c, pg_roles r, unnest(@roles) role
            where c.relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
                and r.rolname = role and has_table_privilege(role, c.oid, 'TRUNCATE')
            union all
            select format('%s is a member of %s', pg_get_userbyid(member), pg_get_userbyid(roleid))
            from pg_auth_members where pg_get_userbyid(member) = any (@roles) and pg_get_userbyid(roleid) !~ '_guest$'
            order by 1
            """, ct, new { roles = new[] { $"{section.Of}_app", $"{section.Of}_relay", $"{section.Of}_readonly" } });
        section.Figures = new { Open = open, TooMuch = tooMuch };
        section.Summary = open.Count + tooMuch.Count == 0 ? "closed" : $"{open.Count + tooMuch.Count} gap(s)";
        foreach (var table in open)
            section.Find(Severity.Bad, table, "a script with: call own_rows('…'); see CONTRIBUTING.md");
        foreach (var right in tooMuch)
            section.Find(Severity.Bad, right, "db/bootstrap.sql sets the roles right; revoke what was granted by hand");
        section.Measure(Metric.Unprotected, open.Count + tooMuch.Count, section.Of);
    }
}
