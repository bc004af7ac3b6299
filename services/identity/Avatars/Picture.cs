using System.Buffers.Binary;

namespace OpenReadings.Identity.Avatars;

/// <summary>Said of a file that is no picture we keep.</summary>
public sealed class PictureException(int status, string type, string detail) : Exception(detail)
{
    public int Status => status;
    public string Type => type;

    public static PictureException Broken(string what) => new(400, "invalid-picture", $"This is not a whole and valid picture: {what}.");
}

/// <summary>
/// A still picture in a file that holds nothing else. What it is is said by its bytes. The file is written anew of the parts that a
/// picture needs, so what is not known (where a photo was taken, with what, by whom, what else hides in the file) does not come along.
/// </summary>
public sealed record Picture(string MediaType, int Width, int Height, byte[] Bytes)
{
    public const int LargestFile = 1 << 20, LongestSide = 1024;
    // PNG is packed by us anew, and another packer may have been better at it.
    private const int LargestKept = 2 << 20;

    /// <exception cref="PictureException">It is none, or not one that we keep.</exception>
    public static Picture Of(ReadOnlySpan<byte> file)
    {
        var picture = file switch
        {
            _ when file.StartsWith(PngFile.Signature) => PngFile.Clean(file),
            _ when file.StartsWith(JpegFile.Signature) => JpegFile.Clean(file),
            _ when file.Length >= 12 && file.StartsWith("RIFF"u8) && file[8..12].SequenceEqual("WEBP"u8) => WebpFile.Clean(file),
            _ => throw new PictureException(415, "unsupported-picture", "A picture is PNG, JPEG or WebP, and its bytes say so."),
        };
        return picture.Bytes.Length <= LargestKept ? picture : throw PictureException.Broken("it holds more than it shows");
    }

    /// <summary>Asked before anything is unpacked: a small file can hold a very large picture.</summary>
    internal static void RequireSize(int width, int height)
    {
        if (width < 1 || height < 1) throw PictureException.Broken("it has no size");
        if (width > LongestSide || height > LongestSide)
            throw new PictureException(400, "picture-too-large", $"A picture is at most {LongestSide} pixels wide and high; this one has {width} by {height}.");
    }
}

/// <summary>Walks over a file and never beyond its end.</summary>
internal ref struct Parts(ReadOnlySpan<byte> rest)
{
    private ReadOnlySpan<byte> rest = rest;

    public readonly ReadOnlySpan<byte> Rest => rest;

    public ReadOnlySpan<byte> Take(long length)
    {
        if (length < 0 || length > rest.Length) throw PictureException.Broken("it ends too early");
        var taken = rest[..(int)length];
        rest = rest[(int)length..];
        return taken;
    }

    public byte TakeByte() => Take(1)[0];

    public ushort TakeUInt16() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    public uint TakeUInt32() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));
}
