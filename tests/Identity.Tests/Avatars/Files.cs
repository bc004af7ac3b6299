using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace OpenReadings.Identity.Tests.Avatars;

/// <summary>Picture files made by hand, and things put into them. Written apart from the product.</summary>
internal static class Files
{
    public const string Secret = "48.2082,16.3738 <script>alert(1)</script>";

    /// <summary>Whole files of one pixel or little more, as other programs made them.</summary>
    public static readonly byte[] TinyJpeg = Convert.FromBase64String(
        "/9j/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q==");
    public static readonly byte[] TinyWebp = Convert.FromBase64String("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==");

    public static byte[] Png(int width = 2, int height = 2, byte depth = 8, byte colour = 6, byte interlace = 0, byte[]? pixels = null, params byte[][] more)
    {
        var bits = depth * (colour switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 });
        pixels ??= new byte[height * (1 + (((width * bits) + 7) / 8))];
        return [.. Signature, .. Header(width, height, depth, colour, interlace), .. more.SelectMany(chunk => chunk), .. Chunk("IDAT", Zlib(pixels)), .. Chunk("IEND", [])];
    }

    public static byte[] Signature => [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

    public static byte[] Header(int width, int height, byte depth = 8, byte colour = 6, byte interlace = 0) => Chunk("IHDR", [.. Big(width), .. Big(height), depth, colour, 0, 0, interlace]);

    public static byte[] Chunk(string type, byte[] data)
    {
        byte[] named = [.. Encoding.ASCII.GetBytes(type), .. data];
        return [.. Big(data.Length), .. named, .. Big((int)Crc(named))];
    }

    public static byte[] Zlib(byte[] data)
    {
        using var to = new MemoryStream();
        using (var into = new ZLibStream(to, CompressionLevel.SmallestSize, true)) into.Write(data);
        return to.ToArray();
    }

    public static byte[] JpegSegment(byte marker, byte[] data) => [0xff, marker, (byte)((data.Length + 2) >> 8), (byte)(data.Length + 2), .. data];

    /// <summary>Something right after the beginning of a JPEG or a PNG (behind its header).</summary>
    public static byte[] With(byte[] file, params byte[][] more)
    {
        var at = file[0] == 0xff ? 2 : 33;
        return [.. file[..at], .. more.SelectMany(one => one), .. file[at..]];
    }

    /// <summary>EXIF as cameras write it, little-endian: which way is up, and a place in words.</summary>
    public static byte[] Exif(byte orientation)
    {
        var place = Encoding.ASCII.GetBytes(Secret);
        return
        [
            .. "II*\0"u8, 8, 0, 0, 0, 2, 0, 0x0e, 0x01, 2, 0, (byte)place.Length, 0, 0, 0, 38, 0, 0, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0, .. place,
        ];
    }

    /// <summary>The same WebP in the extended form, with chunks before and behind what it shows.</summary>
    public static byte[] Extended(byte[] webp, int width, int height, byte flags, params (string Type, byte[] Data)[] behind)
    {
        var parts = webp.AsSpan(12).StartsWith("VP8X"u8) ? webp[30..] : webp[12..];
        byte[] all =
        [
            .. "WEBP"u8, .. WebpChunk("VP8X", [flags, 0, 0, 0, (byte)(width - 1), (byte)((width - 1) >> 8), 0, (byte)(height - 1), (byte)((height - 1) >> 8), 0]),
            .. WebpChunk("ICCP", Encoding.ASCII.GetBytes(Secret)), .. parts, .. behind.SelectMany(one => WebpChunk(one.Type, one.Data)),
        ];
        return [.. "RIFF"u8, .. BitConverter.GetBytes(all.Length), .. all];
    }

    public static byte[] WebpChunk(string type, byte[] data) => [.. Encoding.ASCII.GetBytes(type), .. BitConverter.GetBytes(data.Length), .. data, .. new byte[data.Length % 2]];

    public static bool Has(byte[] file, string text) => file.AsSpan().IndexOf(Encoding.ASCII.GetBytes(text)) >= 0;

    private static byte[] Big(int number)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, number);
        return bytes;
    }

    private static uint Crc(byte[] data)
    {
        var crc = uint.MaxValue;
        foreach (var one in data)
        {
            crc ^= one;
            for (var bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) * 0xedb88320);
        }
        return ~crc;
    }
}
