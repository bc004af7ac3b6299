using Npgsql;
using NpgsqlTypes;

namespace OpenReadings.Readings;

/// <summary>What became of one item of a request. The greater one wins where an item has a part in several series.</summary>
internal enum Outcome : byte { None, Unchanged, Replaced, Stored }

/// <summary>The rows of one series out of one request, as arrays: this is what the database takes.</summary>
internal sealed class SeriesRows(int seriesId)
{
    private long[] at = new long[16];
    private short[] offset = new short[16];
    private int[] item = new int[16];
    private readonly double[]?[] values = new double[]?[3];     // NaN where a slot says nothing: JSON has no NaN
    private List<(int Item, int Row)>? merged;                  // items that share the row of an earlier one

    public int SeriesId => seriesId;
    public int Count { get; private set; }
    public long First => at[0];
    public IReadOnlyList<Metric> Metrics => metrics;
    private readonly List<Metric> metrics = [];

    public long[] At => at[..Count];
    public bool HasOneOffset => !offset.AsSpan(0, Count).ContainsAnyExcept(offset[0]);
    public short Offset => offset[0];
    public short[] Offsets => offset[..Count];

    /// <summary>The values of a slot; a null array where no row has one, and a null where one row has none.</summary>
    public NpgsqlParameter Values(int slot) => values[slot - 1] switch
    {
        null => Sql.Array<double>(null, NpgsqlDbType.Double),
        var column when column.AsSpan(0, Count).Contains(double.NaN) => new NpgsqlParameter<double?[]>
        {
            TypedValue = Array.ConvertAll(column[..Count], value => double.IsNaN(value) ? (double?)null : value),
            NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Double,
        },
        var column => Sql.Array(column[..Count], NpgsqlDbType.Double),
    };

    /// <summary>Begins a row, or goes on with the one that the same item has begun.</summary>
    public void Add(int ofItem, long time, short minutesEast, Metric metric, double value)
    {
        if (Count == 0 || item[Count - 1] != ofItem) Begin(ofItem, time, minutesEast);
        var column = values[metric.Slot - 1];
        if (column is null)
        {
            column = values[metric.Slot - 1] = new double[at.Length];
            Array.Fill(column, double.NaN);
            metrics.Add(metric);
        }
        column[Count - 1] = value;
    }

    /// <summary>Ascending times, none twice: the later item wins where both say something.</summary>
    public void Normalise(Outcome[] outcomes)
    {
        var ascending = true;
        for (var i = 1; i < Count && ascending; i++) ascending = at[i - 1] < at[i];
        if (!ascending) SortAndMerge(outcomes);
    }

    /// <summary>Gives each item its share of what the database said.</summary>
    public void Tell(Outcome[] outcomes, int stored, int replaced, long[]? existed, long[]? changed)
    {
        var there = existed is null ? null : new HashSet<long>(existed);
        var differed = changed is null ? null : new HashSet<long>(changed);
        var rows = new Outcome[Count];
        for (var i = 0; i < Count; i++)
        {
            var isNew = there is null ? stored > 0 : !there.Contains(at[i]);
            rows[i] = isNew ? Outcome.Stored
                : replaced > 0 && (differed is null || differed.Contains(at[i])) ? Outcome.Replaced : Outcome.Unchanged;
            Raise(ref outcomes[item[i]], rows[i]);
        }
        foreach (var (ofItem, row) in merged ?? []) Raise(ref outcomes[ofItem], rows[row]);
    }

    private static void Raise(ref Outcome outcome, Outcome to)
    {
        if (to > outcome) outcome = to;
    }

    private void Begin(int ofItem, long time, short minutesEast)
    {
        if (Count == at.Length)
        {
            var size = Count * 4;
            Array.Resize(ref at, size);
            Array.Resize(ref offset, size);
            Array.Resize(ref item, size);
            for (var slot = 0; slot < 3; slot++)
            {
                if (values[slot] is null) continue;
                Array.Resize(ref values[slot], size);
                Array.Fill(values[slot]!, double.NaN, Count, size - Count);
            }
        }
        (at[Count], offset[Count], item[Count]) = (time, minutesEast, ofItem);
        Count++;
    }

    private void SortAndMerge(Outcome[] outcomes)
    {
        var order = new int[Count];
        for (var i = 0; i < Count; i++) order[i] = i;
        Array.Sort(order, (a, b) => at[a] != at[b] ? at[a].CompareTo(at[b]) : a.CompareTo(b));

        var (oldAt, oldOffset, oldItem) = (at, offset, item);
        var old = (double[]?[])values.Clone();
        (at, offset, item) = (new long[Count], new short[Count], new int[Count]);
        for (var slot = 0; slot < 3; slot++) values[slot] = old[slot] is null ? null : new double[Count];
        var last = -1;
        foreach (var i in order)
        {
            var isFirst = last < 0 || at[last] != oldAt[i];
            if (isFirst) (at[++last], item[last]) = (oldAt[i], oldItem[i]);
            offset[last] = oldOffset[i];
            var (adds, differs) = (false, false);
            for (var slot = 0; slot < 3; slot++)
            {
                if (values[slot] is not { } column) continue;
                var value = old[slot]![i];
                if (isFirst) column[last] = value;
                else if (!double.IsNaN(value))
                {
                    adds |= double.IsNaN(column[last]);
                    differs |= !double.IsNaN(column[last]) && column[last] != value;
                    column[last] = value;
                }
            }
            if (isFirst) continue;
            if (adds) (merged ??= []).Add((oldItem[i], last));
            else Raise(ref outcomes[oldItem[i]], differs ? Outcome.Replaced : Outcome.Unchanged);
        }
        Count = last + 1;
    }
}
