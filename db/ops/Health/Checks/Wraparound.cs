using OpenReadings.Ops.Metrics;

namespace OpenReadings.Ops.Health.Checks;

/// <summary>How old the oldest transaction and multixact ids are. At 2^31 the server would stop taking writes.</summary>
internal static class Wraparound
{
    private sealed record Age(string Name, double Transactions, double Multixacts, double Exhausted)
    {
        public double Ratio => Math.Max(Transactions, Multixacts);
    }

    private const string Remedy =
        "find what holds vacuum back (an open transaction, a slot, a standby's feedback: `ops slow`, `ops doctor`), then `ops maint vacuum`";

    public static async Task LookAtDatabasesAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        var ages = await database.QueryAsync<Age>(
            """
            select datname::text as name,
                age(datfrozenxid)::float8 / current_setting('autovacuum_freeze_max_age')::float8 as transactions,
                mxid_age(datminmxid)::float8 / current_setting('autovacuum_multixact_freeze_max_age')::float8 as multixacts,
                greatest(age(datfrozenxid), mxid_age(datminmxid)) / 2147483648.0::float8 as exhausted
            from pg_database order by greatest(age(datfrozenxid), mxid_age(datminmxid)) desc, datname
            """, ct);
        section.Figures = ages;
        section.Summary = $"{Words.Percent(ages.Max(age => age.Ratio))} of the forced vacuum's age, {Words.Percent(ages.Max(age => age.Exhausted))} of the end";
        foreach (var age in ages)
        {
            section.Measure(Metric.Wraparound, age.Ratio, age.Name, section.Of);
            Judge(section, scope, age);
        }
    }

    public static async Task LookAtTablesAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        var ages = await database.QueryAsync<Age>(
            """
            select oid::regclass::text as name,
                age(relfrozenxid)::float8 / current_setting('autovacuum_freeze_max_age')::float8 as transactions,
                mxid_age(relminmxid)::float8 / current_setting('autovacuum_multixact_freeze_max_age')::float8 as multixacts,
                greatest(age(relfrozenxid), mxid_age(relminmxid)) / 2147483648.0::float8 as exhausted
            from pg_class where relkind in ('r', 'm', 't') and relfrozenxid <> '0'
            order by greatest(age(relfrozenxid), mxid_age(relminmxid)) desc, oid limit 5
            """, ct);
        section.Figures = ages;
        section.Summary = Words.Percent(ages.Max(age => age.Ratio));
        foreach (var age in ages) Judge(section, scope, age);
    }

    private static void Judge(Section section, Scope scope, Age age)
    {
        section.Judge(age.Exhausted, scope.Limits.ExhaustedRatio, $"{age.Name} has used {Words.Percent(age.Exhausted)} of the ids it can", Remedy);
        section.Judge(age.Ratio, scope.Limits.WraparoundRatio, $"{age.Name} is at {Words.Percent(age.Ratio)} of the age of forced vacuum", Remedy);
    }
}
