using System.CommandLine;

namespace OpenReadings.Ops.Backup;

/// <summary>The complete sets of each place, oldest first.</summary>
internal static class ListBackups
{
    public sealed record Answer(IReadOnlyList<Row> Sets)
    {
        public override string ToString() => Sets.Count == 0
            ? "No set."
            : string.Join('\n', Sets.Select(row => $"{row.Set}  {row.Bytes,14:N0} bytes  {row.Rows,14:N0} rows  {string.Join(' ', row.Services)}  {row.Place}"));
    }

    public sealed record Row(string Set, string Place, long Bytes, long Rows, IReadOnlyList<string> Services);

    public static Command Verb()
    {
        var places = BackupOptions.Places("--from", "Where sets are kept");
        return new Command("list", "The complete sets") { places }.Runs(async (line, _, ct) =>
        {
            var rows = new List<Row>();
            foreach (var store in line.StoresOf(places))
            {
                foreach (var set in await Sets.ListAsync(store, ct))
                {
                    var manifest = await Sets.ReadAsync(store, set, ct);
                    rows.Add(new Row(set, store.Description, manifest.Files().Sum(file => file.Size),
                        manifest.Services.Sum(service => service.Tables.Sum(table => table.Rows)), [.. manifest.Services.Select(service => service.Service)]));
                }
            }
            return (Exit.Ok, new Answer(rows));
        });
    }
}
