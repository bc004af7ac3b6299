using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>Brings the stored metrics of a source to what a person wants, under the locks that writers of readings take.</summary>
internal static class MetricPlan
{
    private sealed record Stored(string Metric, int SeriesId, short Slot, string Unit, string? TypeCode, string? GroupName, short Position);

    /// <summary>
    /// The caller holds the source's row. Metrics that are not wanted go when <paramref name="all"/> is set. A metric with
    /// readings keeps its unit and its place: 409 otherwise. True when anything changed.
    /// </summary>
    public static async Task<bool> ApplyAsync(UserTransaction db, Guid sourceId, List<WantedMetric> wanted, bool all)
    {
        var stored = (await db.QueryAsync<Stored>(
            """
            select m.metric, m.series_id, m.slot, m.unit, m.type_code, s.group_name, m.position
            from metrics m join series s using (series_id)
            where m.source_id = @sourceId
            order by m.position
            """, new { sourceId })).ToList();
        var byName = stored.ToDictionary(metric => metric.Metric);
        var kept = wanted.ToDictionary(metric => metric.Name);
        // A group that is not named is left as it is: the catalog may have put the metric into it.
        bool Moves(Stored was) => kept.TryGetValue(was.Metric, out var to)
            ? to.Unit != was.Unit || (to.Group is not null && to.Group != was.GroupName)
            : all;
        var leaving = stored.Where(Moves).ToList();
        await RefuseReadingsAsync(db, leaving, kept);
        await db.ExecuteAsync("delete from metrics where source_id = @sourceId and metric = any (@names)",
            new { sourceId, names = leaving.Select(metric => metric.Metric).ToArray() });
        await db.ExecuteAsync(
            "delete from series s where s.source_id = @sourceId and not exists (select from metrics m where m.series_id = s.series_id)",
            new { sourceId });
        stored.RemoveAll(leaving.Contains);

        await Metrics.DeclareAsync(db, wanted.Count(metric => stored.All(there => there.Metric != metric.Name)));

        var changed = leaving.Count > 0;
        var next = stored.Count == 0 ? (short)0 : (short)(stored.Max(metric => metric.Position) + 1);
        foreach (var (metric, index) in wanted.Select((metric, index) => (metric, index)))
        {
            var position = all ? (short)index : byName.TryGetValue(metric.Name, out var was) ? was.Position : next++;
            if (stored.Find(one => one.Metric == metric.Name) is { } there)
            {
                if (there.TypeCode == metric.Type && there.Position == position) continue;
                await db.ExecuteAsync(
                    "update metrics set type_code = @Type, position = @position where source_id = @sourceId and metric = @Name",
                    new { metric.Type, metric.Name, position, sourceId });
            }
            else stored.Add(await AddAsync(db, sourceId, metric, position, stored));
            changed = true;
        }
        return changed;
    }

    private static async Task<Stored> AddAsync(UserTransaction db, Guid sourceId, WantedMetric metric, short position, List<Stored> stored)
    {
        var group = metric.Group ?? metric.Panel;
        // The first series of the group with a free slot; a fourth metric of a group begins a second series.
        var place = group is null ? null : stored.Where(one => one.GroupName == group).GroupBy(one => one.SeriesId)
            .Where(series => series.Count() < 3).OrderBy(series => series.Key).FirstOrDefault();
        var slot = place is null ? (short)1 : (short)Enumerable.Range(1, 3).First(free => place.All(one => one.Slot != free));
        var seriesId = place?.Key ?? await db.ScalarAsync<int>(
            "insert into series (source_id, group_name) values (@sourceId, @group) returning series_id", new { sourceId, group });
        await db.ExecuteAsync(
            """
            insert into metrics (source_id, metric, series_id, slot, unit, type_code, position)
            values (@sourceId, @Name, @seriesId, @slot, @Unit, @Type, @position)
            """, new { sourceId, metric.Name, seriesId, slot, metric.Unit, metric.Type, position });
        return new Stored(metric.Name, seriesId, slot, metric.Unit, metric.Type, group, position);
    }

    private static async Task RefuseReadingsAsync(UserTransaction db, List<Stored> leaving, Dictionary<string, WantedMetric> kept)
    {
        if (leaving.Count == 0) return;
        await db.ExecuteAsync("select lock_series(array(select distinct unnest(@series) order by 1))", new { series = Series() });
        var used = await db.QueryAsync<string>(
            """
            select m.metric from unnest(@names, @series, @slots) as m(metric, series_id, slot)
            where exists (select from readings_day d where d.series_id = m.series_id and d.slot = m.slot)
            """, new { names = Names(), series = Series(), slots = Slots() });
        if (used.Count == 0) return;
        throw new ProblemException(409, "metric-has-readings",
            "A metric that has readings keeps its name, unit and group. Delete its readings first, or add a metric of another name.",
            [.. used.Select(name => new ProblemItem($"/metrics/{name}", "metric-has-readings",
                kept.ContainsKey(name) ? "Its unit or group would change." : "It would be dropped."))]);

        string[] Names() => [.. leaving.Select(metric => metric.Metric)];
        int[] Series() => [.. leaving.Select(metric => metric.SeriesId)];
        short[] Slots() => [.. leaving.Select(metric => metric.Slot)];
    }
}
