using System.Text.Encodings.Web;
using System.Text.Json;

namespace OpenReadings.Readings;

/// <summary>JSON written straight into the response.</summary>
internal static class Answer
{
    // A plus sign in a time stays a plus sign: the answer is never part of a page.
    private static readonly JsonWriterOptions Options = new() { SkipValidation = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Utf8JsonWriter Begin(HttpContext http)
    {
        http.Response.ContentType = "application/json; charset=utf-8";
        return new Utf8JsonWriter(http.Response.BodyWriter, Options);
    }

    public static void WriteTime(this Utf8JsonWriter json, ReadOnlySpan<byte> name, long at, short offset)
    {
        Span<byte> text = stackalloc byte[Timestamp.MaxLength];
        json.WriteString(name, text[..Timestamp.Format(text, at, offset)]);
    }
}
