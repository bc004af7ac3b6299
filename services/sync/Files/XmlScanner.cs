using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace OpenReadings.Sync.Files;

/// <summary>What <see cref="XmlScanner.Read"/> stands on.</summary>
public enum XmlToken
{
    /// <summary>The file has no more tags.</summary>
    End,

    /// <summary>An opening tag; its closing tag follows.</summary>
    Open,

    /// <summary>A tag that is an element of its own.</summary>
    Empty,

    /// <summary>A closing tag.</summary>
    Close,

    /// <summary>A tag that is not well formed: <see cref="XmlScanner.Fault"/> says why. Reading goes on with the next tag.</summary>
    Broken,
}

/// <summary>
/// A forward-only scanner for the tags of an XML file, made for large exports that are not always well formed: constant
/// memory, no allocation per tag, line and offset of each, and after a broken tag it goes on with the next one. Text is
/// passed over; a DTD is passed over as well, never resolved, so its entities cannot grow.
/// </summary>
public sealed class XmlScanner(ByteWindow window) : IDisposable
{
    private const int MostAttributes = 64;
    private const int LongestEntity = 12;
    private static readonly SearchValues<byte> NameEnds = SearchValues.Create(" \t\r\n/>=<\"'"u8);
    private readonly (int Name, int NameLength, int Value, int ValueLength)[] attributes = new (int, int, int, int)[MostAttributes];
    private byte[] scratch = new byte[256];
    private int found;
    private int next;
    private int nameLength;
    private int length;

    /// <summary>Line of the tag's first byte.</summary>
    public long Line => window.Line;

    /// <summary>Offset of the tag's first byte.</summary>
    public long Offset => window.Offset;

    /// <summary>Offset behind the tag, where a later reader may go on.</summary>
    public long NextOffset => window.Offset + length;

    /// <summary>Line behind the tag.</summary>
    public long NextLine => window.Line + Tag.Count((byte)'\n');

    /// <summary>Why the tag is <see cref="XmlToken.Broken"/>.</summary>
    public string Fault { get; private set; } = "";

    /// <summary>The file ended inside a tag, a comment or damaged compression.</summary>
    public bool CutShort { get; private set; }

    /// <summary>Name of the tag.</summary>
    public ReadOnlySpan<byte> Name => Tag.Slice(Tag.Length > 1 && Tag[1] == '/' ? 2 : 1, nameLength);

    private ReadOnlySpan<byte> Tag => window.Rest[..length];

    /// <summary>Goes on to the next tag. The spans of the one before are no longer valid.</summary>
    public XmlToken Read()
    {
        window.Advance(length);
        (length, found, next, nameLength) = (0, 0, 0, 0);
        while (true)
        {
            var at = window.Rest.IndexOf((byte)'<');
            window.Advance(at < 0 ? window.Rest.Length : at);
            if (at < 0)
            {
                if (window.More()) continue;
                return AtEnd(false);
            }

            while (window.Rest.Length < "<![CDATA[".Length && window.More()) { }
            if (window.Rest.Length < 2) return AtEnd(true);
            var kind = window.Rest[1];
            if (kind == '!') Pass();
            else if (kind == '?') PassTo("?>"u8);
            else if (kind == '/') return ReadClose();
            else if (IsNameStart(kind)) return ReadTag();
            else window.Advance(1);
        }
    }

    /// <summary>
    /// The value of an attribute, its entities undone; false when the tag has none of that name. Valid until the next call.
    /// </summary>
    public bool TryGet(ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        // Exports write attributes in one order, so the next one asked for is mostly the next one there.
        for (var i = 0; i < found; i++)
        {
            var candidate = next + i < found ? next + i : next + i - found;
            var (at, nameLength, valueAt, valueLength) = attributes[candidate];
            if (!Tag.Slice(at, nameLength).SequenceEqual(name)) continue;
            next = candidate + 1;
            value = Decode(Tag.Slice(valueAt, valueLength));
            return true;
        }

        value = default;
        return false;
    }

    /// <summary>An attribute as text; null when the tag has none of that name.</summary>
    public string? Text(ReadOnlySpan<byte> name) => TryGet(name, out var value) ? Encoding.UTF8.GetString(value) : null;

    public void Dispose() => window.Dispose();

    private static bool IsNameStart(byte b) => b is >= (byte)'a' and <= (byte)'z' or >= (byte)'A' and <= (byte)'Z' or (byte)'_' or >= 0x80;

    private XmlToken AtEnd(bool insideTag)
    {
        CutShort |= insideTag || window.CutShort;
        window.Advance(window.Rest.Length);
        return XmlToken.End;
    }

    // Comments and CDATA go to their end mark. A declaration goes to its '>', or to a '<' when that was forgotten; what a
    // DOCTYPE has between '[' and ']' is then nothing but more declarations, and its ']>' is text.
    private void Pass()
    {
        if (window.Rest.StartsWith("<!--"u8)) PassTo("-->"u8);
        else if (window.Rest.StartsWith("<![CDATA["u8)) PassTo("]]>"u8);
        else
        {
            window.Advance(2);
            while (true)
            {
                var at = window.Rest.IndexOfAny((byte)'<', (byte)'>', (byte)'[');
                window.Advance(at < 0 ? window.Rest.Length : at);
                if (at >= 0 || !window.More()) return;
            }
        }
    }

    private void PassTo(ReadOnlySpan<byte> mark)
    {
        while (true)
        {
            var at = window.Rest.IndexOf(mark);
            if (at >= 0)
            {
                window.Advance(at + mark.Length);
                return;
            }

            window.Advance(Math.Max(0, window.Rest.Length - mark.Length + 1));
            if (window.More()) continue;
            CutShort = true;
            window.Advance(window.Rest.Length);
            return;
        }
    }

    private XmlToken ReadClose()
    {
        while (true)
        {
            var at = window.Rest[1..].IndexOfAny((byte)'>', (byte)'<') + 1;
            if (at > 0)
            {
                if (window.Rest[at] == '<') return Break(at, false, "The closing tag has no end.");
                nameLength = LengthOfName(window.Rest[2..at]);
                length = at + 1;
                return XmlToken.Close;
            }

            if (!window.More()) return Break(window.Rest.Length, window.Ended, "The closing tag has no end.");
        }
    }

    private XmlToken ReadTag()
    {
        while (true)
        {
            var outcome = Parse(window.Rest, out var consumed, out var fault);
            if (outcome == XmlToken.Broken) return Break(consumed, false, fault);
            if (outcome is { } token)
            {
                length = consumed;
                return token;
            }

            if (window.More()) continue;
            return Break(window.Rest.Length, window.Ended, window.Ended
                ? "The file ends inside this element."
                : $"The element is longer than {window.Rest.Length} bytes.");
        }
    }

    private XmlToken Break(int consumed, bool atEnd, string fault)
    {
        nameLength = LengthOfName(window.Rest[1..consumed]);
        (found, Fault, length) = (0, fault, consumed);
        CutShort |= atEnd;
        return XmlToken.Broken;
    }

    // Null: the tag goes on behind what is in the window.
    private XmlToken? Parse(ReadOnlySpan<byte> rest, out int consumed, out string fault)
    {
        (found, fault, consumed) = (0, "", 0);
        nameLength = rest[1..].IndexOfAny(NameEnds);
        if (nameLength < 0) return null;
        var at = 1 + nameLength;
        while (true)
        {
            at = PassBlank(rest, at);
            if (at + 1 >= rest.Length) return at < rest.Length && rest[at] == '>' ? Done(XmlToken.Open, at + 1, out consumed) : null;
            if (rest[at] == '>') return Done(XmlToken.Open, at + 1, out consumed);
            if (rest[at] == '/' && rest[at + 1] == '>') return Done(XmlToken.Empty, at + 2, out consumed);
            consumed = at;
            if (rest[at] == '<')
            {
                fault = "A new tag begins before this one ends.";
                return XmlToken.Broken;
            }

            var name = at;
            var length = rest[at..].IndexOfAny(NameEnds);
            if (length < 0) return null;
            at = PassBlank(rest, at + length);
            if (at + 1 >= rest.Length) return null;
            if (length == 0 || rest[at] != '=')
            {
                fault = "An attribute has no value.";
                return XmlToken.Broken;
            }

            at = PassBlank(rest, at + 1);
            if (at >= rest.Length) return null;
            var quote = rest[at];
            if (quote != '"' && quote != '\'' || found == MostAttributes)
            {
                fault = found == MostAttributes ? $"More than {MostAttributes} attributes." : "An attribute's value is not quoted.";
                return XmlToken.Broken;
            }

            var value = at + 1;
            var valueLength = rest[value..].IndexOfAny(quote, (byte)'<');
            if (valueLength < 0) return null;
            at = value + valueLength;
            if (rest[at] == '<')
            {
                (consumed, fault) = (at, "An attribute's value has no closing quote.");
                return XmlToken.Broken;
            }

            attributes[found++] = (name, length, value, valueLength);
            at++;
        }
    }

    private static XmlToken Done(XmlToken token, int at, out int consumed)
    {
        consumed = at;
        return token;
    }

    private static int PassBlank(ReadOnlySpan<byte> rest, int at)
    {
        while (at < rest.Length && rest[at] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t') at++;
        return at;
    }

    private static int LengthOfName(ReadOnlySpan<byte> rest)
    {
        var end = rest.IndexOfAny(NameEnds);
        return end < 0 ? Math.Min(rest.Length, 64) : end;
    }

    private ReadOnlySpan<byte> Decode(ReadOnlySpan<byte> raw)
    {
        var at = raw.IndexOf((byte)'&');
        if (at < 0) return raw;
        if (scratch.Length < raw.Length) scratch = new byte[raw.Length];    // what an entity stands for is never longer than it
        var written = 0;
        while (at >= 0)
        {
            raw[..at].CopyTo(scratch.AsSpan(written));
            written += at;
            raw = raw[at..];
            var end = raw[..Math.Min(raw.Length, LongestEntity)].IndexOf((byte)';');
            var used = end < 0 ? 0 : Entity(raw[1..end], scratch.AsSpan(written));
            if (used == 0) scratch[written++] = (byte)'&';                  // of the file's own making: stays as it is written
            written += used;
            raw = raw[(used == 0 ? 1 : end + 1)..];
            at = raw.IndexOf((byte)'&');
        }

        raw.CopyTo(scratch.AsSpan(written));
        return scratch.AsSpan(0, written + raw.Length);
    }

    private static int Entity(ReadOnlySpan<byte> name, Span<byte> to)
    {
        if (name.SequenceEqual("amp"u8)) to[0] = (byte)'&';
        else if (name.SequenceEqual("lt"u8)) to[0] = (byte)'<';
        else if (name.SequenceEqual("gt"u8)) to[0] = (byte)'>';
        else if (name.SequenceEqual("quot"u8)) to[0] = (byte)'"';
        else if (name.SequenceEqual("apos"u8)) to[0] = (byte)'\'';
        else return Number(name, to);
        return 1;
    }

    private static int Number(ReadOnlySpan<byte> name, Span<byte> to)
    {
        if (name.Length < 2 || name[0] != '#') return 0;
        var hex = name[1] is (byte)'x' or (byte)'X';
        var digits = name[(hex ? 2 : 1)..];
        if (!Utf8Parser.TryParse(digits, out int code, out var used, hex ? 'x' : 'D') || used != digits.Length) return 0;
        return code > 0 && Rune.TryCreate(code, out var rune) ? rune.EncodeToUtf8(to) : 0;
    }
}
