using Npgsql;

namespace OpenReadings.Migrator;

/// <summary>What the database knows of one script.</summary>
internal sealed record Entry(
    string Name, DateTime? Applied, string? Sha256, string? State, int Done, string? DoneSha256, string? By, int Rank);

/// <summary>
/// DbUp's own table, so that DbUp can take over and hand back, and a side table with what DbUp does not keep. A table
/// that DbUp made is never altered; the unique index is for those made here.
/// </summary>
internal sealed class Journal(Session session, Guid runId)
{
    public async Task<Dictionary<string, Entry>> ReadAsync(CancellationToken ct)
    {
        if (!await ExistsAsync("schemaversions", ct)) return [];
        var hasMeta = await ExistsAsync("schemaversions_meta", ct);
        // DbUp journals a script twice when two of it run at once: the first row counts.
        var entries = await session.QueryAsync(
            $"""
            with journal as (select scriptname, min(applied) as applied, min(schemaversionsid) as rank
                             from public.schemaversions group by scriptname),
                 meta as ({(hasMeta ? "table public.schemaversions_meta" : NoMeta)})
            select scriptname::text, applied, sha256, state, coalesce(statements_done, 0), done_sha256, db_user,
                coalesce(rank, 0)
            from journal full join meta using (scriptname)
            """,
            row => new Entry(
                row.GetString(0),
                row.IsDBNull(1) ? null : row.GetDateTime(1),
                Text(row, 2), Text(row, 3), row.GetInt32(4), Text(row, 5), Text(row, 6), row.GetInt32(7)),
            ct);
        return entries.ToDictionary(entry => entry.Name);
    }

    /// <summary>Makes the tables where they are missing, all or nothing.</summary>
    public Task EnsureAsync(CancellationToken ct) => session.ExecuteAsync(MakeTables, ct);

    /// <summary>Written in the script's own transaction. DbUp does not journal what it always runs.</summary>
    public async Task AddAsync(Script script, int statements, DateTimeOffset started, CancellationToken ct)
    {
        if (!script.IsRepeatable) await session.ExecuteAsync(Insert, ct, new NpgsqlParameter("name", script.Name));
        await MarkAsync(script, "applied", statements, statements, null, started, null, ct);
    }

    /// <summary>Says that a script is applied without running it.</summary>
    public async Task StampAsync(Script script, DateTime? applied, CancellationToken ct)
    {
        await session.ExecuteAsync(
            """
            insert into public.schemaversions (scriptname, applied)
            values (@name, coalesce(@applied, clock_timestamp() at time zone 'UTC'))
            """, ct, new("name", script.Name),
            new("applied", NpgsqlTypes.NpgsqlDbType.Timestamp) { Value = (object?)applied ?? DBNull.Value });
        await MarkAsync(script, "stamped", 0, 0, null, DateTimeOffset.UtcNow, null, ct);
    }

    /// <summary>Takes the row away; the side table remembers that there was one.</summary>
    public async Task RemoveAsync(Script script, DateTimeOffset started, CancellationToken ct)
    {
        await session.ExecuteAsync(Delete, ct, new NpgsqlParameter("name", script.Name));
        await MarkAsync(script, "reverted", 0, 0, null, started, null, ct);
    }

    /// <summary>As if the script had never been.</summary>
    public async Task ForgetAsync(string name, CancellationToken ct)
    {
        await session.ExecuteAsync(Delete, ct, new NpgsqlParameter("name", name));
        await session.ExecuteAsync(
            "delete from public.schemaversions_meta where scriptname = @name", ct, new NpgsqlParameter("name", name));
    }

    public async Task RenameAsync(string from, string to, CancellationToken ct)
    {
        foreach (var table in new[] { "schemaversions", "schemaversions_meta" })
            await session.ExecuteAsync($"update public.{table} set scriptname = @to where scriptname = @from", ct,
                new("from", from), new("to", to));
    }

    /// <summary>How far a script that runs outside of a transaction has come, for the run that has to go on.</summary>
    public Task MarkAsync(
        Script script, string state, int done, int total, string? doneSha256, DateTimeOffset started, string? error,
        CancellationToken ct) =>
        session.ExecuteAsync(Mark, ct, MarkOf(runId, script, state, done, total, doneSha256, started, error));

    /// <summary>What AddAsync does, as text for psql.</summary>
    public static string AddingSql(Script script, int statements, Guid runId)
    {
        var mark = MarkOf(runId, script, "applied", statements, statements, null, DateTimeOffset.UnixEpoch, null);
        var started = Mark.Replace("@started", "now()", StringComparison.Ordinal);
        return (script.IsRepeatable ? "" : SqlText.Inline(Insert, new NpgsqlParameter("name", script.Name)) + ";\n")
            + SqlText.Inline(started, mark) + ";\n";
    }

    // The same insert as DbUp's. Its column has no time zone: UTC, whatever the machine thinks.
    private const string Insert = """
        insert into public.schemaversions (scriptname, applied)
        values (@name, clock_timestamp() at time zone 'UTC')
        """;

    private const string Delete = "delete from public.schemaversions where scriptname = @name";

    private const string Mark = """
        insert into public.schemaversions_meta as m (scriptname, sha256, state, statements_done, statements_total,
            done_sha256, started, finished, duration_ms, run_id, runner, image, db_user, host, error)
        values (@name, @sha256, @state, @done, @total, @doneSha256, @started, clock_timestamp(),
            extract(epoch from clock_timestamp() - @started) * 1000, @runId, @runner, @image, current_user, @host,
            @error)
        on conflict (scriptname) do update set sha256 = excluded.sha256, state = excluded.state,
            statements_done = excluded.statements_done, statements_total = excluded.statements_total,
            done_sha256 = excluded.done_sha256, started = least(m.started, excluded.started),
            finished = excluded.finished, duration_ms = excluded.duration_ms, run_id = excluded.run_id,
            runner = excluded.runner, image = excluded.image, db_user = excluded.db_user, host = excluded.host,
            error = excluded.error
        """;

    private static NpgsqlParameter[] MarkOf(
        Guid runId, Script script, string state, int done, int total, string? doneSha256, DateTimeOffset started,
        string? error) =>
    [
        new("name", script.Name), new("sha256", script.Sha256), new("state", state), new("done", done),
        new("total", total), Nullable("doneSha256", doneSha256), new("started", started.ToUniversalTime()),
        new("runId", runId), new("runner", typeof(Journal).Assembly.GetName().Version!.ToString(3)),
        Nullable("image", Environment.GetEnvironmentVariable("MIGRATE_IMAGE")),
        new("host", Environment.MachineName), Nullable("error", error),
    ];

    private Task<bool> ExistsAsync(string table, CancellationToken ct) =>
        session.ScalarAsync<bool>($"select to_regclass('public.{table}') is not null", ct);

    private static string? Text(NpgsqlDataReader row, int at) => row.IsDBNull(at) ? null : row.GetString(at);

    private static NpgsqlParameter Nullable(string name, string? value) =>
        new(name, NpgsqlTypes.NpgsqlDbType.Text) { Value = (object?)value ?? DBNull.Value };

    private const string NoMeta = """
        select null::text as scriptname, null::text as sha256, null::text as state, null::int as statements_done,
               null::text as done_sha256, null::text as db_user where false
        """;

    // A service refuses to serve on a schema older than its code, so its role may read the names.
    internal const string MakeTables = """
        do $$
        declare
            app name := regexp_replace(current_user, '_migrator$', '_app');
        begin
            if to_regclass('public.schemaversions') is null then
                create table public.schemaversions (
                    schemaversionsid serial not null,
                    scriptname character varying(255) not null,
                    applied timestamp without time zone not null,
                    constraint "PK_schemaversions_Id" primary key (schemaversionsid)
                );
                create unique index schemaversions_scriptname on public.schemaversions (scriptname);
            end if;
            if to_regclass('public.schemaversions_meta') is null then
                create table public.schemaversions_meta (
                    scriptname text primary key,
                    sha256 text not null,
                    state text not null check (state in ('running', 'applied', 'partial', 'reverted', 'stamped')),
                    statements_done integer not null,
                    statements_total integer not null,
                    done_sha256 text,
                    started timestamptz not null,
                    finished timestamptz,
                    duration_ms bigint,
                    run_id uuid not null,
                    runner text not null,
                    image text,
                    db_user text not null,
                    host text not null,
                    error text
                );
            end if;
            if app <> current_user and exists (select from pg_roles where rolname = app)
                and not has_table_privilege(app, 'public.schemaversions', 'select') then
                execute format('grant select on public.schemaversions to %I', app);
            end if;
        end
        $$
        """;
}
