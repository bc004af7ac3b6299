namespace OpenReadings.Identity.Factors;

/// <summary>RFC 4648 without padding: what people can read out and type, and authenticators expect.</summary>
public static class Base32
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        var text = new System.Text.StringBuilder();
        var (buffer, bits) = (0, 0);
        foreach (var one in bytes)
        {
            (buffer, bits) = (((buffer & 0x1f) << 8) | one, bits + 8);
            for (; bits >= 5; bits -= 5) text.Append(Alphabet[(buffer >> (bits - 5)) & 0x1f]);
        }
        if (bits > 0) text.Append(Alphabet[(buffer << (5 - bits)) & 0x1f]);
        return text.ToString();
    }
}
