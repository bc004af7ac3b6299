namespace OpenReadings.Benchmarks;

/// <summary>A copy of the readings database to which a thousand other people are added, served by a process of its own.</summary>
internal static class Grown
{
    public const int People = 1000, Readings = 10_000_000;
    private const string Database = "readings_grown";

    public static async Task StartAsync(Platform platform, Year year)
    {
        // A database is copied while nobody is connected to it.
        await platform.StopServiceAsync("readings");
        await platform.QueryAsync<object>("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = 'readings'", "postgres");
        Npgsql.NpgsqlConnection.ClearAllPools();             // ours are among them
        await platform.QueryAsync<object>($"create database {Database} template readings", "postgres");
        await platform.CreateDatabaseAsync("readings", Database);
        await platform.StartServiceAsync("readings", "readings", "secrets/readings");

        // As the owner, whom row-level security does not stop. The triggers run as for everybody: access, rollups.
        await platform.QueryAsync<object>(
            $"""
            insert into sources (user_id, source_id, name, kind)
            select gen_random_uuid(), gen_random_uuid(), 'Watch', 'watch' from generate_series(1, {People});
            insert into series (user_id, source_id)
            select user_id, source_id from sources where user_id <> '{year.Person.Id}';
            insert into metrics (user_id, source_id, metric, series_id, slot, unit, type_code, position)
            select user_id, source_id, '{Year.Metric}', series_id, 1, '/min', '{Year.Metric}', 1
            from series where user_id <> '{year.Person.Id}';
            """, Database, asMigrator: true);
        // Fifty minutes apart, so that the others are in every month of the year, and their rows in time order, mixed.
        const int perSeries = Readings / People, step = 50, parts = 10;
        for (var part = 0; part < parts; part++)
        {
            await platform.QueryAsync<object>(
                $"""
                insert into readings (at, value, series_id)
                select '{Year.To:O}'::timestamptz - n * interval '{step} minutes', 50 + n % 90, series_id
                from generate_series({perSeries - part * perSeries / parts}, {perSeries - (part + 1) * perSeries / parts + 1}, -1) n
                cross join (select series_id from series where user_id <> '{year.Person.Id}') others
                """, Database, asMigrator: true);
        }
        await platform.QueryAsync<object>("vacuum (analyze)", Database);
        if (await platform.QueryAsync<long>("select count(*) from readings", Database) < Readings)
            throw new MeasurementFailedException("The other people's readings were not stored.");
        await platform.StartGrownAsync(Database);
    }
}
