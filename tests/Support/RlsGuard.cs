using Dapper;
using Npgsql;

namespace OpenReadings.Support;

/// <summary>Asks the database's own catalog what protects each table.</summary>
public static class RlsGuard
{
    /// <summary>The tables that are nobody's rows: the mail bags and the journal.</summary>
    public static readonly string[] NobodysTables = ["inbox", "outbox", "outbox_parked", "schemaversions", "schemaversions_meta"];

    /// <summary>
    /// Every table, partitions too, without row-level security enabled and forced and, unless it is a partition (which nobody
    /// may touch directly), a policy. Less the ones named. Empty when all is well.
    /// </summary>
    public static async Task<IReadOnlyList<string>> UnprotectedTablesAsync(TestDatabase database, params string[] alsoNobodys)
    {
        await using var connection = new NpgsqlConnection(database.Migrator);
        return (await connection.QueryAsync<string>(
            """
            select c.relname::text
            from pg_class c
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname <> all (@nobodys)
              and not (c.relrowsecurity and c.relforcerowsecurity
                       and (c.relispartition or exists (select from pg_policy p where p.polrelid = c.oid)))
            order by 1
            """, new { nobodys = (string[])[.. NobodysTables, .. alsoNobodys] })).AsList();
    }

    /// <summary>What the application's role may do that it must not: own, bypass, truncate, reference, reach a partition.</summary>
    public static async Task<IReadOnlyList<string>> ExcessRightsAsync(TestDatabase database, string service)
    {
        await using var connection = new NpgsqlConnection(database.Migrator);
        return (await connection.QueryAsync<string>(
            """
            select 'role is ' || concat_ws(' ', case when rolsuper then 'superuser' end, case when rolbypassrls then 'bypassrls' end,
                case when rolcreaterole then 'createrole' end, case when rolcreatedb then 'createdb' end, case when rolinherit then 'inherit' end)
            from pg_roles where rolname = @role and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolinherit)
            union all
            select format('owns %s', relname) from pg_class where relowner = @role::regrole
            union all
            select format('may %s %s', privilege, relname)
            from pg_class, unnest(array['TRUNCATE', 'REFERENCES', 'TRIGGER']) privilege
            where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and has_table_privilege(@role, oid, privilege)
            union all
            select format('may %s the partition %s', privilege, relname)
            from pg_class, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) privilege
            where relnamespace = 'public'::regnamespace and relispartition and relkind = 'r' and has_table_privilege(@role, oid, privilege)
            union all
            select format('is a member of %s', r.rolname) from pg_auth_members m join pg_roles r on r.oid = m.roleid
            where m.member = @role::regrole and r.rolname <> @service || '_guest'
            """, new { role = $"{service}_app", service })).AsList();
    }
}
