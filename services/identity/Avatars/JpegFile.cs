using System.Buffers.Binary;

namespace OpenReadings.Identity.Avatars;

/// <summary>
/// JPEG (ITU-T T.81). Of its segments those stay that decoders need: frame, tables, scans. EXIF, XMP, IPTC, colour profiles, comments, previews
/// and what follows the end go. Which way is up is the one thing in EXIF that the picture cannot be shown without: it is said anew, alone.
/// </summary>
internal static class JpegFile
{
    public static ReadOnlySpan<byte> Signature => [0xff, 0xd8, 0xff];
    private const byte Start = 0xd8, End = 0xd9, StartOfScan = 0xda, Huffman = 0xc4, Quantization = 0xdb, RestartInterval = 0xdd;
    // Progressive pictures have about ten. Thousands would keep whoever shows it busy for minutes.
    private const int MostScans = 64;

    public static Picture Clean(ReadOnlySpan<byte> file)
    {
        var parts = new Parts(file[2..]);
        // Frames, tables and scans, in their order; what stands before them is known only at the end.
        using var body = new MemoryStream(file.Length);
        var (width, height, scans, orientation, isJfif) = (0, 0, 0, 1, false);
        byte? transform = null;
        while (true)
        {
            var marker = TakeMarker(ref parts);
            if (marker == End) break;
            if (marker is 0 or 1 or (>= 0xd0 and <= Start)) throw PictureException.Broken("a part is not where it belongs");
            var length = parts.TakeUInt16();
            var data = parts.Take(length - 2L);
            switch (marker)
            {
                case 0xc0 or 0xc1 or 0xc2:                    // baseline, extended, progressive: what browsers show
                    if (width != 0 || data.Length < 6 || data[0] != 8 || data[5] is not (1 or 3 or 4) || data.Length != 6 + (3 * data[5])) throw PictureException.Broken("its frame is not right");
                    (height, width) = (BinaryPrimitives.ReadUInt16BigEndian(data[1..]), BinaryPrimitives.ReadUInt16BigEndian(data[3..]));
                    Picture.RequireSize(width, height);
                    Write(body, marker, data);
                    break;
                case Huffman or Quantization or RestartInterval:
                    Write(body, marker, data);
                    break;
                case StartOfScan:
                    if (width == 0 || ++scans > MostScans) throw PictureException.Broken("it has a scan too many");
                    Write(body, marker, data);
                    body.Write(TakeScan(ref parts));
                    break;
                case 0xe0 when data.StartsWith("JFIF\0"u8):
                    isJfif = true;
                    break;
                case 0xe1 when data.StartsWith("Exif\0\0"u8):
                    orientation = OrientationIn(data[6..]);
                    break;
                case 0xee when data.StartsWith("Adobe"u8) && data.Length >= 12:
                    transform = data[11];                     // how its colours are to be read
                    break;
                case (>= 0xe0 and <= 0xef) or 0xfe: break;
                default: throw PictureException.Broken("it has a part that browsers do not show");
            }
        }
        if (scans == 0) throw PictureException.Broken("it has no pixels");

        using var to = new MemoryStream(file.Length);
        to.Write([0xff, Start]);
        if (isJfif) Write(to, 0xe0, [.. "JFIF\0"u8, 1, 1, 0, 0, 1, 0, 1, 0, 0]);
        if (orientation != 1) Write(to, 0xe1, [.. "Exif\0\0MM\0*"u8, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte)orientation, 0, 0, 0, 0, 0, 0]);
        if (transform is { } known) Write(to, 0xee, [.. "Adobe"u8, 0, 100, 0, 0, 0, 0, known]);
        body.WriteTo(to);
        to.Write([0xff, End]);
        return new("image/jpeg", width, height, to.ToArray());
    }

    private static byte TakeMarker(ref Parts parts)
    {
        if (parts.TakeByte() != 0xff) throw PictureException.Broken("a part is not where it belongs");
        byte marker;
        while ((marker = parts.TakeByte()) == 0xff) { }       // it may be filled up
        return marker;
    }

    /// <summary>The packed pixels, as far as the next marker that is none of theirs.</summary>
    private static ReadOnlySpan<byte> TakeScan(ref Parts parts)
    {
        var rest = parts.Rest;
        for (var at = 0; ; at++)
        {
            var next = rest[at..].IndexOf((byte)0xff);
            if (next < 0 || at + next + 1 >= rest.Length) throw PictureException.Broken("it ends too early");
            at += next;
            if (rest[at + 1] is not (0 or 0xff or (>= 0xd0 and <= 0xd7))) return parts.Take(at);
        }
    }

    private static int OrientationIn(ReadOnlySpan<byte> tiff)
    {
        if (tiff.Length < 8) return 1;
        var isLittle = tiff[0] == 'I';
        var at = (int)Math.Min(isLittle ? BinaryPrimitives.ReadUInt32LittleEndian(tiff[4..]) : BinaryPrimitives.ReadUInt32BigEndian(tiff[4..]), int.MaxValue - 2);
        if (at + 2 > tiff.Length) return 1;
        for (var (left, entry) = (Short(tiff[at..]), at + 2); left > 0 && entry + 12 <= tiff.Length; (left, entry) = (left - 1, entry + 12))
            if (Short(tiff[entry..]) == 0x112) return Short(tiff[(entry + 8)..]) is >= 1 and <= 8 and var found ? found : 1;
        return 1;

        int Short(ReadOnlySpan<byte> from) => isLittle ? BinaryPrimitives.ReadUInt16LittleEndian(from) : BinaryPrimitives.ReadUInt16BigEndian(from);
    }

    private static void Write(MemoryStream to, byte marker, ReadOnlySpan<byte> data) =>
        to.Write([0xff, marker, (byte)((data.Length + 2) >> 8), (byte)(data.Length + 2), .. data]);
}
