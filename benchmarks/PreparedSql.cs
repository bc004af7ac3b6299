using Npgsql;

namespace OpenReadings.Benchmarks;

/// <summary>
/// The limit that reading is held against: the statements of one request, prepared, with the user set in the same batch, on an
/// open connection; every value of every row is read.
/// </summary>
internal sealed class PreparedSql : IDisposable
{
    private readonly NpgsqlConnection connection;
    private readonly NpgsqlBatch batch;

    private PreparedSql(NpgsqlConnection connection, NpgsqlBatch batch) => (this.connection, this.batch) = (connection, batch);

    public static PreparedSql Open(string connectionString, Guid user, IReadOnlyList<Statement> statements)
    {
        var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        connection.Open();
        var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand("select set_config('app.user_id', $1, true)")
        {
            Parameters = { new NpgsqlParameter { Value = user.ToString() } },
        });
        foreach (var statement in statements)
        {
            var command = new NpgsqlBatchCommand(statement.Sql);
            foreach (var (type, text) in TypesOf(connection, statement).Zip(statement.Parameters))
                command.Parameters.Add(new NpgsqlParameter { DataTypeName = type, Value = Parse(connection, type, text) });
            batch.BatchCommands.Add(command);
        }
        batch.Prepare();
        return new PreparedSql(connection, batch);
    }

    /// <summary>Runs all and returns the number of rows.</summary>
    public int Run()
    {
        using var reader = batch.ExecuteReader();
        var rows = 0;
        do
        {
            var readers = Enumerable.Range(0, reader.FieldCount).Select(column => Reader(reader.GetFieldType(column))).ToArray();
            for (; reader.Read(); rows++)
            {
                for (var column = 0; column < readers.Length; column++)
                    if (!reader.IsDBNull(column)) readers[column](reader, column);
            }
        }
        while (reader.NextResult());
        return rows;
    }

    // Without boxing, as a careful program would.
    private static Action<NpgsqlDataReader, int> Reader(Type type) => Type.GetTypeCode(type) switch
    {
        TypeCode.DateTime => static (reader, column) => reader.GetDateTime(column),
        TypeCode.Double => static (reader, column) => reader.GetDouble(column),
        TypeCode.Int16 => static (reader, column) => reader.GetInt16(column),
        TypeCode.Int32 => static (reader, column) => reader.GetInt32(column),
        TypeCode.Int64 => static (reader, column) => reader.GetInt64(column),
        _ => static (reader, column) => reader.GetValue(column),
    };

    // The log does not say of what type a parameter was. The server infers that as it did for the service, except for arrays
    // handed to functions that take any: for those, the first types do with which the statement can be prepared.
    private static string[] TypesOf(NpgsqlConnection connection, Statement statement)
    {
        IEnumerable<string[]> combinations = [[]];
        foreach (var text in statement.Parameters)
            combinations = combinations.SelectMany(types => Candidates(text).Select(type => (string[])[.. types, type]));
        foreach (var types in combinations)
        {
            try
            {
                var declared = types.Length == 0 ? "" : $"({string.Join(", ", types)})";
                Scalar<object>(connection, $"prepare asked {declared} as {statement.Sql}");
            }
            catch (PostgresException)
            {
                continue;
            }
            var inferred = Scalar<string[]>(connection, "select parameter_types::text[] from pg_prepared_statements where name = 'asked'");
            Scalar<object>(connection, "deallocate asked");
            return inferred!;
        }
        throw new MeasurementFailedException($"This could not be prepared: {statement.Sql}");
    }

    private static string[] Candidates(string? text) => text switch
    {
        "{}" => ["integer[]", "timestamp with time zone[]", "text[]"],
        ['{', ..] when text.Contains(':', StringComparison.Ordinal) => ["timestamp with time zone[]"],
        ['{', ..] when text.All(c => char.IsAsciiDigit(c) || "{},-".Contains(c, StringComparison.Ordinal)) => ["integer[]"],
        _ => ["unknown"],
    };

    private static object Parse(NpgsqlConnection connection, string type, string? text) => text is null
        ? DBNull.Value
        : Scalar<object>(connection, $"select '{text.Replace("'", "''", StringComparison.Ordinal)}'::{type}")!;

    private static T? Scalar<T>(NpgsqlConnection connection, string sql) where T : class
    {
        using var command = new NpgsqlCommand(sql, connection);
        return command.ExecuteScalar() as T;
    }

    public void Dispose()
    {
        batch.Dispose();
        connection.Dispose();
    }
}
