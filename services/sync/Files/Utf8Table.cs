using System.Diagnostics.CodeAnalysis;

namespace OpenReadings.Sync.Files;

/// <summary>A dictionary whose keys are UTF-8 and are looked up by span, so that a million lookups make no string.</summary>
public sealed class Utf8Table<T> where T : class
{
    private readonly Dictionary<byte[], T> rows = new(Keys.Instance);
    private readonly Dictionary<byte[], T>.AlternateLookup<ReadOnlySpan<byte>> lookup;
    private byte[] lastKey = [];
    private T? last;

    public Utf8Table() => lookup = rows.GetAlternateLookup<ReadOnlySpan<byte>>();

    public int Count => rows.Count;

    public bool TryGet(ReadOnlySpan<byte> key, [MaybeNullWhen(false)] out T value)
    {
        // Exports keep what is alike together.
        if (last is not null && key.SequenceEqual(lastKey))
        {
            value = last;
            return true;
        }

        if (!lookup.TryGetValue(key, out var actual, out value)) return false;
        (lastKey, last) = (actual, value);
        return true;
    }

    public void Add(ReadOnlySpan<byte> key, T value) => rows.Add(key.ToArray(), value);

    // HashCode is seeded for each process: a file cannot be made so that all of its names collide.
    private sealed class Keys : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public static readonly Keys Instance = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            var hash = new HashCode();
            hash.AddBytes(alternate);
            return hash.ToHashCode();
        }
    }
}
