using OpenReadings.Chassis;
using OpenReadings.Units;

namespace OpenReadings.Readings;

/// <summary>One metric of one of the person's sources, seen from its series type.</summary>
internal sealed record TypedSeries(
    Guid SourceId, string Source, string? TimeZone, string Metric, int SeriesId, short Slot, string Unit, string? Type, string? TypeUnit,
    string? Aggregation)
{
    public Metric ToMetric() => new(Metric, SeriesId, Slot, Unit, Type, null);
}

/// <summary>All of the person's series of one type, and the unit in which they are answered together.</summary>
internal sealed record SeriesOfType(SeriesType Type, TypedSeries[] Series)
{
    public Metric[] Metrics => Array.ConvertAll(Series, series => series.ToMetric());

    public Converter ConverterOf(int series) => Unit.Parse(Series[series].Unit).To(Unit.Parse(Type.Unit), Type.Substance);

    public static async Task<IReadOnlyList<TypedSeries>> ListAsync(Database database, CurrentUser user, string? type, CancellationToken ct)
    {
        if (user.Owner is not null) await AccessLog.NoteAsync(database, user, null, "read", ct);
        return await database.ReadAsync<TypedSeries>(user,
            """
            select m.source_id, s.name as source, s.time_zone, m.metric, m.series_id, m.slot, m.unit, m.type_code as type,
                   t.unit as type_unit, t.aggregation
            from metrics m
            join sources s using (user_id, source_id)
            left join series_types t on t.code = m.type_code
            where @type::text is null or m.type_code = @type
            order by m.source_id, m.position, m.metric
            limit 2000
            """, new { type }, ct);
    }

    public static async Task<SeriesOfType> FindAsync(Database database, CurrentUser user, string? type, CancellationToken ct)
    {
        if (type is null) throw new ProblemException(400, "type-required", "Name a series type of the catalog with 'type'.");
        var known = await database.ReadAsync<SeriesType>(user, "select code, unit, aggregation, panel from series_types where code = @type", new { type }, ct);
        if (known.Count == 0) throw new ProblemException(400, "unknown-type", $"The catalog has no series type '{type}'.");
        return new SeriesOfType(known[0], [.. await ListAsync(database, user, type, ct)]);
    }
}
