using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using OpenReadings.Events;

namespace OpenReadings.Chassis;

/// <summary>The one JSON dialect of the platform: snake_case, strict numbers, times with an offset.</summary>
public static class Json
{
    public static readonly JsonSerializerOptions Options = Configure(new JsonSerializerOptions(JsonSerializerDefaults.Web));

    public static JsonSerializerOptions Configure(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.AllowDuplicateProperties = false;
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false));
        options.Converters.Add(new OffsetRequired());
        options.TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { LeaveOutSubject } };
        return options;
    }

    // An event's subject travels in the envelope, once.
    private static void LeaveOutSubject(JsonTypeInfo type)
    {
        if (!type.Type.IsAssignableTo(typeof(IEvent))) return;
        for (var i = type.Properties.Count - 1; i >= 0; i--)
            if (type.Properties[i].Name == "subject") type.Properties.RemoveAt(i);
    }

    // The framework takes a time without an offset for local time of the server, which is never what a person meant.
    private sealed class OffsetRequired : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        {
            var text = reader.GetString() ?? "";
            var time = text.IndexOf('T', StringComparison.OrdinalIgnoreCase);
            var hasOffset = text.EndsWith("Z", StringComparison.OrdinalIgnoreCase) || (time > 0 && text.AsSpan(time).ContainsAny('+', '-'));
            if (!hasOffset || !reader.TryGetDateTimeOffset(out var value))
                throw new JsonException($"'{text}' is not an RFC 3339 time with an offset.");
            return value;
        }

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options)
        {
            if (value.Offset == TimeSpan.Zero) writer.WriteStringValue(value.UtcDateTime);
            else writer.WriteStringValue(value);
        }
    }
}
