using NpgsqlTypes;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Writes down for the owner who looked and who wrote, in the same transaction. Looks, and readings and events that were written, are counted by
/// the hour; what was deleted or changed otherwise is a line of its own.
/// </summary>
internal static class AccessLog
{
    private const string Sql = "select note_access($1, $2, $3, $4, $5)";

    public static void Note(UserBatch batch, CurrentUser user, Guid? sourceId, string verb, int count = 1) => batch.Add(Sql,
        Readings.Sql.Value(OrderedId.Next()), Readings.Sql.Value(user.OwnerId),
        new Npgsql.NpgsqlParameter { Value = (object?)sourceId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid },
        Readings.Sql.Value(verb), Readings.Sql.Value(count));

    public static async Task NoteAsync(Database database, CurrentUser user, Guid? sourceId, string verb, CancellationToken ct)
    {
        await using var batch = database.Batch(user);
        Note(batch, user, sourceId, verb);
        await batch.ExecuteAsync(ct);
    }

    public static Task NoteAsync(UserTransaction db, CurrentUser user, Guid? sourceId, string verb, int count = 1) => db.ExecuteAsync(
        "select note_access(@id, @OwnerId, @sourceId::uuid, @verb, @count)", new { id = OrderedId.Next(), user.OwnerId, sourceId, verb, count });
}
