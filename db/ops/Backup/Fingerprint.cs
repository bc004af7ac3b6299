using Npgsql;

namespace OpenReadings.Ops.Backup;

/// <summary>Reads what is compared after a restore: every table's rows and checksum, and the schema's version.</summary>
internal static class Fingerprint
{
    public static async Task<DatabaseFacts> FactsAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            """
            select datname::text, pg_get_userbyid(datdba)::text, pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text,
                   array(select grantee::regrole::text from aclexplode(datacl)
                         where privilege_type = 'CONNECT' and grantee <> 0 and grantee <> datdba order by 1),
                   coalesce((select setconfig from pg_db_role_setting where setdatabase = pg_database.oid and setrole = 0), '{}'),
                   current_setting('server_version')
            from pg_database
            where datname = current_database()
            """, connection);
        await using var row = await command.ExecuteReaderAsync(ct);
        await row.ReadAsync(ct);
        var facts = new DatabaseFacts(row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4),
            row.GetFieldValue<string[]>(5), row.GetFieldValue<string[]>(6), row.GetString(7), "");
        await row.DisposeAsync();
        return facts with { SchemaVersion = await SchemaVersionAsync(connection, ct) };
    }

    public static async Task<IReadOnlyList<TableFacts>> TablesAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var names = new List<(string Name, string Quoted)>();
        await using (var command = new NpgsqlCommand(
            """
            set local timezone = 'UTC';
            set local datestyle = 'ISO, YMD';
            set local intervalstyle = 'postgres';
            set local extra_float_digits = 1;
            set local bytea_output = 'hex';
            set local row_security = off;
            set local statement_timeout = 0;
            set local search_path = public;
            select n.nspname || '.' || c.relname, format('%I.%I', n.nspname, c.relname)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^(pg_|information_schema$)'
            order by 1
            """, connection))
        await using (var row = await command.ExecuteReaderAsync(ct))
        {
            while (await row.ReadAsync(ct)) names.Add((row.GetString(0), row.GetString(1)));
        }

        var tables = new List<TableFacts>(names.Count);
        foreach (var (name, quoted) in names)
        {
            await using var count = new NpgsqlCommand(
                $"select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text from only {quoted} t", connection)
            { CommandTimeout = 0 };
            await using var row = await count.ExecuteReaderAsync(ct);
            await row.ReadAsync(ct);
            tables.Add(new TableFacts(name, row.GetInt64(0), row.GetString(1)));
        }
        return tables;
    }

    /// <summary>How the database differs from the manifest, in words; empty when it does not.</summary>
    public static async Task<IReadOnlyList<string>> DifferencesAsync(string connectionString, ServiceBackup expected, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var tables = (await TablesAsync(connection, ct)).ToDictionary(table => table.Name);
        var differences = new List<string>();
        foreach (var table in expected.Tables)
        {
            if (!tables.Remove(table.Name, out var found)) differences.Add($"{table.Name} is missing");
            else if (found.Rows != table.Rows) differences.Add($"{table.Name} has {found.Rows} rows, not {table.Rows}");
            else if (found.Checksum != table.Checksum) differences.Add($"{table.Name} has other contents");
        }
        differences.AddRange(tables.Keys.Select(name => $"{name} is not in the manifest"));
        var version = await SchemaVersionAsync(connection, ct);
        if (version != expected.Facts.SchemaVersion) differences.Add($"the schema is {version}, not {expected.Facts.SchemaVersion}");
        return differences;
    }

    private static async Task<string> SchemaVersionAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var journal = new NpgsqlCommand("select to_regclass('public.schemaversions') is not null", connection);
        if (await journal.ExecuteScalarAsync(ct) is not true) return "none";
        await using var version = new NpgsqlCommand(
            "select coalesce(max(scriptname), 'none') || ' of ' || count(distinct scriptname) from public.schemaversions", connection);
        return (string)(await version.ExecuteScalarAsync(ct))!;
    }
}
