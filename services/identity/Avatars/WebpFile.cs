using System.Buffers.Binary;

namespace OpenReadings.Identity.Avatars;

/// <summary>
/// WebP (RFC 9649). The picture and its transparency stay; EXIF, XMP, colour profiles, chunks that nobody knows and what follows the end go.
/// Animations are refused: one frame of them is not what their person sent.
/// </summary>
internal static class WebpFile
{
    private const int Alpha = 0x10, Animated = 0x02;

    public static Picture Clean(ReadOnlySpan<byte> file)
    {
        var all = new Parts(file[4..]);
        var parts = new Parts(all.Take(4 + Size(file[4..])));
        parts.Take(8);
        ReadOnlySpan<byte> extended = default, alpha = default, image = default;
        var isLossless = false;
        while (!parts.Rest.IsEmpty)
        {
            var type = parts.Take(4);
            var length = Size(parts.Take(4));
            var data = parts.Take(length);
            if (length % 2 == 1) parts.Take(1);
            if (type.SequenceEqual("VP8X"u8)) extended = data.Length == 10 && extended.IsEmpty ? data : throw PictureException.Broken("its header is not right");
            else if (type.SequenceEqual("ANIM"u8) || type.SequenceEqual("ANMF"u8)) throw PictureException.Broken("it moves");
            else if (type.SequenceEqual("ALPH"u8) && image.IsEmpty) alpha = data;
            else if (type.SequenceEqual("VP8 "u8) || type.SequenceEqual("VP8L"u8))
            {
                if (!image.IsEmpty || data.IsEmpty) throw PictureException.Broken("it holds no picture, or more than one");
                image = data;
                isLossless = type[3] == 'L';
            }
        }
        var (width, height) = isLossless ? SizeOfLossless(image) : SizeOfLossy(image);
        Picture.RequireSize(width, height);
        if (!extended.IsEmpty)
        {
            if ((extended[0] & Animated) != 0) throw PictureException.Broken("it moves");
            if ((Int24(extended[4..]) + 1, Int24(extended[7..]) + 1) != (width, height)) throw PictureException.Broken("its sizes are not one");
        }

        using var to = new MemoryStream(file.Length);
        to.Write("RIFF\0\0\0\0WEBP"u8);
        if (!alpha.IsEmpty && !isLossless && !extended.IsEmpty)
        {
            Write(to, "VP8X"u8, [Alpha, 0, 0, 0, .. extended[4..]]);
            Write(to, "ALPH"u8, alpha);
        }
        Write(to, isLossless ? "VP8L"u8 : "VP8 "u8, image);
        var bytes = to.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), bytes.Length - 8);
        return new("image/webp", width, height, bytes);
    }

    private static (int Width, int Height) SizeOfLossy(ReadOnlySpan<byte> image)
    {
        if (image.Length < 10 || (image[0] & 1) != 0 || !image[3..6].SequenceEqual((ReadOnlySpan<byte>)[0x9d, 0x01, 0x2a])) throw PictureException.Broken("it holds no picture");
        if (Int24(image) >> 5 > image.Length - 10) throw PictureException.Broken("it ends too early");
        return (BinaryPrimitives.ReadUInt16LittleEndian(image[6..]) & 0x3fff, BinaryPrimitives.ReadUInt16LittleEndian(image[8..]) & 0x3fff);
    }

    private static (int Width, int Height) SizeOfLossless(ReadOnlySpan<byte> image)
    {
        if (image.Length < 5 || image[0] != 0x2f || image[4] >> 5 != 0) throw PictureException.Broken("it holds no picture");
        var bits = BinaryPrimitives.ReadUInt32LittleEndian(image[1..]);
        return ((int)(bits & 0x3fff) + 1, (int)(bits >> 14 & 0x3fff) + 1);
    }

    private static long Size(ReadOnlySpan<byte> at) => BinaryPrimitives.ReadUInt32LittleEndian(at);

    private static int Int24(ReadOnlySpan<byte> at) => at[0] | at[1] << 8 | at[2] << 16;

    private static void Write(MemoryStream to, ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
    {
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, data.Length);
        to.Write(type);
        to.Write(length);
        to.Write(data);
        if (data.Length % 2 == 1) to.WriteByte(0);
    }
}
