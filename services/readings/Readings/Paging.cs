using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http.Extensions;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>Keyset paging: a cursor names the last time that was answered and the question it belongs to.</summary>
internal static class Paging
{
    /// <summary>A header that leads to the next page.</summary>
    public static void Link(HttpContext http, string after)
    {
        var query = new QueryBuilder(http.Request.Query.Where(pair => pair.Key != "after")
            .SelectMany(pair => pair.Value.Select(value => KeyValuePair.Create(pair.Key, value ?? "")))) { { "after", after } };
        http.Response.Headers.Link = $"<{http.Request.PathBase}{http.Request.Path}{query}>; rel=\"next\"";
    }

    private const int MostWithin = 100_000;

    /// <summary>A cursor behind a time; <paramref name="within"/> counts what was answered of that very time.</summary>
    public static string Cursor(long at, int within, string question)
    {
        Span<byte> cursor = stackalloc byte[20];
        BinaryPrimitives.WriteInt64BigEndian(cursor, at);
        BinaryPrimitives.WriteInt32BigEndian(cursor[8..], within);
        Fingerprint(question, cursor[12..]);
        return Base64Url.EncodeToString(cursor);
    }

    public static (long At, int Within) Read(string cursor, string question)
    {
        Span<byte> bytes = stackalloc byte[20], asked = stackalloc byte[8];
        Fingerprint(question, asked);
        if (cursor.Length == 27 && Base64Url.IsValid(cursor) && Base64Url.TryDecodeFromChars(cursor, bytes, out var length)
            && length == 20 && asked.SequenceEqual(bytes[12..]))
        {
            // Anybody can make a cursor: what it says is bounded as if it had been typed.
            var (at, within) = (BinaryPrimitives.ReadInt64BigEndian(bytes), BinaryPrimitives.ReadInt32BigEndian(bytes[8..]));
            if (at >= Timestamp.Earliest && at <= Timestamp.Of(DateTimeOffset.UtcNow.AddYears(1)) && within is >= 0 and <= MostWithin) return (at, within);
        }

        throw new ProblemException(400, "invalid-cursor", "'after' is the 'next' of an answer to the same question.");
    }

    private static void Fingerprint(string question, Span<byte> to) => SHA256.HashData(Encoding.UTF8.GetBytes(question)).AsSpan(0, to.Length).CopyTo(to);
}

/// <summary>A range of time as a caller may give it: an RFC 3339 time with an offset, from inclusive, to exclusive.</summary>
internal static class Between
{
    public static long? Parse(string? text, string name)
    {
        if (text is null) return null;
        // A plus that was not encoded arrives as a space, and there is no other way for a space to be there.
        var fault = Timestamp.Parse(Encoding.UTF8.GetBytes(text.Length > 10 ? text[..11] + text[11..].Replace(' ', '+') : text), out var at, out _);
        return fault == TimeFault.None ? at : throw new ProblemException(400, "invalid-time",
            $"'{name}' is an RFC 3339 time with an offset, such as 2026-11-20T00:00:00+01:00.");
    }

    /// <summary>The range, or all there can be: never beyond the partitions that are made ahead.</summary>
    public static (long From, long To) All(string? from, string? to, TimeProvider clock)
    {
        var end = Timestamp.Of(clock.GetUtcNow().AddDays(2));
        return (Math.Max(Parse(from, "from") ?? Timestamp.Earliest, Timestamp.Earliest), Math.Min(Parse(to, "to") ?? end, end));
    }
}
