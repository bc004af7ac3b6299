using Npgsql;
using NpgsqlTypes;

namespace OpenReadings.Benchmarks;

/// <summary>
/// The limit that ingestion is held against: a plain table with the columns and the key of readings, logged, without
/// partitions, row-level security, rollups and outbox, on the same server.
/// </summary>
internal static class KeyedTable
{
    public const string Database = "postgres";

    public static Task CreateAsync(Platform platform) => platform.QueryAsync<object>(
        """
        drop table if exists keyed;
        create table keyed (at timestamptz not null, value float8, value2 float8, value3 float8, series_id int4 not null,
            utc_offset int2 not null default 0, extra jsonb, primary key (series_id, at))
        """, Database);

    /// <summary>One binary COPY of these runs of readings, in this order, committed.</summary>
    public static void Copy(NpgsqlConnection connection, IEnumerable<Run> runs)
    {
        using var copy = connection.BeginBinaryImport(
            "copy keyed (at, value, value2, value3, series_id, utc_offset, extra) from stdin (format binary)");
        foreach (var run in runs)
        {
            for (var i = 0; i < run.Count; i++)
            {
                copy.StartRow();
                copy.Write(run.At(i), NpgsqlDbType.TimestampTz);
                copy.Write(run.Value(i), NpgsqlDbType.Double);
                copy.WriteNull();
                copy.WriteNull();
                copy.Write(run.Series, NpgsqlDbType.Integer);
                copy.Write((short)120, NpgsqlDbType.Smallint);
                copy.WriteNull();
            }
        }
        copy.Complete();
    }
}

/// <summary>Readings of one series at regular times: what one request holds.</summary>
internal sealed record Run(int Series, DateTime From, TimeSpan Step, int Count)
{
    public DateTime At(int i) => From + Step * i;
    public double Value(int i) => 50 + (i * 7 + Series * 13 + From.DayOfYear) % 90;

    public string AsColumns(string metric) =>
        $$"""{"columns":[{"metric":"{{metric}}","at":[{{Each(i => $"\"{Local(i)}\"")}}],"values":[{{Each(i => $"{Value(i)}")}}]}]}""";

    public string AsRows(string metric) =>
        $$"""{"readings":[{{Each(i => $$$"""{"at":"{{{Local(i)}}}","values":{"{{{metric}}}":{{{Value(i)}}}}}""")}}]}""";

    private string Local(int i) => $"{At(i).AddHours(2):yyyy-MM-ddTHH:mm:ss}+02:00";

    private string Each(Func<int, string> text) => string.Join(',', Enumerable.Range(0, Count).Select(text));
}
