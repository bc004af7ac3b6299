using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace OpenReadings.Identity.Avatars;

/// <summary>
/// PNG (W3C, third edition). Of its chunks those stay that say how the pixels are to be read; texts, EXIF, colour profiles (which hold texts),
/// times, frames of an animation and whatever is private go. The pixels are unpacked and packed anew: behind the end of the packed stream
/// there is room for a file of another kind.
/// </summary>
internal static class PngFile
{
    public static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a];
    private const int LongestPalette = 3 * 256, LongestOther = 32;
    private static readonly uint[] CrcTable = MakeCrcTable();
    // Where the rows and columns of the seven passes begin, and how far apart they are (Adam7).
    private static readonly (int X, int Y, int StepX, int StepY)[] Passes =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

    public static Picture Clean(ReadOnlySpan<byte> file)
    {
        var parts = new Parts(file[Signature.Length..]);
        using var to = new MemoryStream(file.Length);
        to.Write(Signature);
        using var packed = new MemoryStream(file.Length);
        var header = default(ReadOnlySpan<byte>);
        var written = new HashSet<string>();
        while (true)
        {
            var length = parts.TakeUInt32();
            var named = parts.Take(length + 4L);
            if (Crc(named) != parts.TakeUInt32()) throw PictureException.Broken("a checksum is wrong");
            var type = Encoding.ASCII.GetString(named[..4]);
            var data = named[4..];
            if (header.IsEmpty != (type == "IHDR")) throw PictureException.Broken("its header is not where it belongs");
            switch (type)
            {
                case "IHDR":
                    header = Checked(data);
                    Write(to, type, data);
                    break;
                case "IDAT":
                    packed.Write(data);
                    break;
                case "IEND":
                    if (header[9] == 3 && !written.Contains("PLTE")) throw PictureException.Broken("it has no palette");
                    Write(to, "IDAT", Packed(packed, SizeOf(header)));
                    Write(to, type, []);
                    return new("image/png", Int(header), Int(header[4..]), to.ToArray());
                case "PLTE" or "tRNS" or "gAMA" or "cHRM" or "sRGB" or "sBIT" or "cICP" when packed.Length == 0:
                    if (data.Length > (type is "PLTE" ? LongestPalette : type is "tRNS" ? 256 : LongestOther) || (type is "PLTE" && (data.Length == 0 || data.Length % 3 != 0)) || !written.Add(type))
                        throw PictureException.Broken($"its {type} is not right");
                    Write(to, type, data);
                    break;
                // Whoever does not know a part that matters cannot show the picture.
                case { } when char.IsAsciiLetterUpper(type[0]):
                    throw PictureException.Broken("it has a part that nobody knows");
            }
        }
    }

    private static ReadOnlySpan<byte> Checked(ReadOnlySpan<byte> header)
    {
        if (header.Length != 13) throw PictureException.Broken("its header is not right");
        Picture.RequireSize(Int(header), Int(header[4..]));
        var (depth, colour) = (header[8], header[9]);
        var isKnown = colour switch
        {
            0 => depth is 1 or 2 or 4 or 8 or 16,
            3 => depth is 1 or 2 or 4 or 8,
            2 or 4 or 6 => depth is 8 or 16,
            _ => false,
        };
        return isKnown && header[10] == 0 && header[11] == 0 && header[12] <= 1 ? header : throw PictureException.Broken("its header is not right");
    }

    /// <summary>How many bytes the pixels are, unpacked: at most eight megabytes.</summary>
    private static int SizeOf(ReadOnlySpan<byte> header)
    {
        var (width, height) = (Int(header), Int(header[4..]));
        var bits = header[8] * header[9] switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };
        if (header[12] == 0) return RowsOf(width, height, bits);
        return Passes.Sum(pass => RowsOf((width - pass.X + pass.StepX - 1) / pass.StepX, (height - pass.Y + pass.StepY - 1) / pass.StepY, bits));
    }

    private static int RowsOf(int width, int height, int bits) => width <= 0 || height <= 0 ? 0 : height * (1 + ((width * bits + 7) / 8));

    private static ReadOnlySpan<byte> Packed(MemoryStream packed, int size)
    {
        var pixels = new byte[size];
        packed.Position = 0;
        try
        {
            using var from = new ZLibStream(packed, CompressionMode.Decompress);
            if (from.ReadAtLeast(pixels, size, throwOnEndOfStream: false) < size) throw PictureException.Broken("it ends too early");
            if (from.ReadByte() != -1) throw PictureException.Broken("it holds more than it shows");
        }
        catch (InvalidDataException)
        {
            throw PictureException.Broken("its pixels cannot be unpacked");
        }
        using var to = new MemoryStream();
        using (var into = new ZLibStream(to, CompressionLevel.Optimal, leaveOpen: true)) into.Write(pixels);
        return to.GetBuffer().AsSpan(0, (int)to.Length);
    }

    // Every service of ours does without the package that has it: this is all that is needed of it.
    private static uint Crc(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var one in data) crc = CrcTable[(byte)(crc ^ one)] ^ (crc >> 8);
        return ~crc;
    }

    private static uint[] MakeCrcTable()
    {
        var table = new uint[256];
        for (var i = 0u; i < 256; i++)
        {
            table[i] = i;
            for (var bit = 0; bit < 8; bit++) table[i] = (table[i] & 1) != 0 ? 0xedb88320 ^ (table[i] >> 1) : table[i] >> 1;
        }
        return table;
    }

    private static int Int(ReadOnlySpan<byte> at) => (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(at), int.MaxValue);

    private static void Write(MemoryStream to, string type, ReadOnlySpan<byte> data)
    {
        var named = new byte[4 + data.Length];
        Encoding.ASCII.GetBytes(type, named);
        data.CopyTo(named.AsSpan(4));
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        to.Write(number);
        to.Write(named);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc(named));
        to.Write(number);
    }
}
