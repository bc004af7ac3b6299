using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Preferences;

/// <summary>
/// What may stand in somebody's preferences: five names that every program understands, and under <c>custom</c> whatever a program
/// wants to keep for its person, within limits.
/// </summary>
public static partial class Settings
{
    public const int MostCustom = 100, LongestValue = 4096, Largest = 65_536;

    public const string Example =
        """
        {"units": "metric", "week_start": "monday", "language": "de-AT", "theme": "dark", "custom": {"org.example.app/chart": {"smooth": true}}}
        """;

    private static readonly Dictionary<string, string[]> Choices = new()
    {
        ["units"] = ["metric", "imperial"], ["week_start"] = ["monday", "saturday", "sunday"], ["theme"] = ["system", "light", "dark"],
    };

    /// <summary>What is wrong with a change (RFC 7396: null takes away), by itself.</summary>
    public static IEnumerable<ProblemItem> BrokenBy(JsonElement change)
    {
        if (change.ValueKind != JsonValueKind.Object)
        {
            yield return new("", "not-an-object", "Preferences are an object.");
            yield break;
        }
        foreach (var field in change.EnumerateObject())
        {
            var (name, value) = (field.Name, field.Value);
            if (name == "custom")
            {
                foreach (var problem in BrokenByCustom(value)) yield return problem;
            }
            else if (name is not "language" && !Choices.ContainsKey(name)) yield return new($"/{Escaped(name)}", "unknown-preference", "There is no such preference. What is a program's own goes under 'custom'.");
            else if (value.ValueKind is JsonValueKind.Null) { }
            else if (name == "language" && !(TextOf(value) is { } tag && Language().IsMatch(tag)))
                yield return new("/language", "invalid-language", "The language is a tag as of BCP 47, such as de-AT.");
            else if (Choices.TryGetValue(name, out var choices) && !choices.Contains(TextOf(value)))
                yield return new($"/{name}", "invalid-choice", $"It is one of {string.Join(", ", choices)}.");
        }
    }

    private static IEnumerable<ProblemItem> BrokenByCustom(JsonElement custom)
    {
        if (custom.ValueKind is JsonValueKind.Null) yield break;
        if (custom.ValueKind is not JsonValueKind.Object)
        {
            yield return new("/custom", "not-an-object", "'custom' is an object.");
            yield break;
        }
        foreach (var field in custom.EnumerateObject())
        {
            if (!Key().IsMatch(field.Name)) yield return new($"/custom/{Escaped(field.Name)}", "invalid-key", "A key is 1 to 100 letters, digits and any of . _ - /.");
            else if (Encoding.UTF8.GetByteCount(field.Value.GetRawText()) > LongestValue) yield return new($"/custom/{Escaped(field.Name)}", "value-too-large", $"A value has at most {LongestValue} bytes.");
            else if (!CanBeKept(field.Value)) yield return new($"/custom/{Escaped(field.Name)}", "invalid-value", "A text in it holds U+0000 or half a surrogate pair, which cannot be kept.");
        }
    }

    /// <summary>The change put into what there was; what is null is taken away. A value under custom is replaced as a whole.</summary>
    public static JsonObject With(this JsonObject settings, JsonElement change)
    {
        foreach (var field in change.EnumerateObject())
        {
            if (field.Value.ValueKind is JsonValueKind.Null) settings.Remove(field.Name);
            else if (field.Name != "custom") settings[field.Name] = JsonNode.Parse(field.Value.GetRawText());
            else
            {
                var custom = settings["custom"] as JsonObject ?? [];
                foreach (var own in field.Value.EnumerateObject())
                {
                    if (own.Value.ValueKind is JsonValueKind.Null) custom.Remove(own.Name);
                    else custom[own.Name] = JsonNode.Parse(own.Value.GetRawText());
                }
                settings["custom"] = custom.DeepClone();
            }
        }
        return settings;
    }

    /// <summary>Whether there is too much of it.</summary>
    public static ProblemItem? TooMuchOf(JsonObject settings) =>
        (settings["custom"] as JsonObject)?.Count > MostCustom ? new("/custom", "too-many-keys", string.Create(CultureInfo.InvariantCulture, $"There are more than {MostCustom} keys."))
        : Encoding.UTF8.GetByteCount(settings.ToJsonString()) > Largest ? new("/custom", "too-large", string.Create(CultureInfo.InvariantCulture, $"Preferences have at most {Largest} bytes."))
        : null;

    private static bool CanBeKept(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => TextOf(value)?.Contains('\0') == false,
        JsonValueKind.Array => value.EnumerateArray().All(CanBeKept),
        JsonValueKind.Object => value.EnumerateObject().All(field => !field.Name.Contains('\0') && CanBeKept(field.Value)),
        _ => true,
    };

    // JSON may escape half of a surrogate pair, and then there is no text.
    private static string? TextOf(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static string Escaped(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    [GeneratedRegex(@"^[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8}){0,6}\z")]
    private static partial Regex Language();

    [GeneratedRegex(@"^[a-zA-Z0-9._/-]{1,100}\z")]
    private static partial Regex Key();
}
