using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Xml.Linq;
using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Support;

namespace OpenReadings.ChassisTests;

/// <summary>docs/events.md is written from the records in services/events. <c>./dev docs</c> renews it.</summary>
public sealed class EventDocsTests
{
    private static readonly JsonSerializerOptions Readable = new(Json.Options)
    {
        WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    [Fact]
    public void The_page_of_events_says_what_the_records_say()
    {
        var path = Path.Combine(TestServers.Root, "docs", "events.md");
        var page = Write();
        if (Environment.GetEnvironmentVariable("OPENREADINGS_WRITE_DOCS") == "1") File.WriteAllText(path, page);
        Assert.True(File.Exists(path) && File.ReadAllText(path) == page, "docs/events.md is out of date: run ./dev docs");
    }

    private static string Write()
    {
        var docs = XDocument.Load(Path.ChangeExtension(typeof(IEvent).Assembly.Location, ".xml")).Descendants("member")
            .ToDictionary(member => member.Attribute("name")!.Value);
        var page = new StringBuilder(
            """
            # Events

            Written by `./dev docs` from the records in `services/events`; a test keeps it fresh.

            Every service announces what happened on a durable topic exchange of its own, `<service>.events`, as CloudEvents 1.0 in
            structured JSON. Any AMQP 0-9-1 client can read along: bind a queue of your own with the event type as the routing key (or `#`).
            Delivery is at least once and in order of a subject while one relay sends; `id` (= `message_id`) tells a repetition. Within a
            version fields are only added. Programs of others bind to nothing: each has a queue that holds the events of whoever let it in
            ([programs.md](programs.md)).

            | property | value |
            |---|---|
            | exchange | `<service>.events`, topic, durable |
            | routing key, `type` | the event type |
            | `message_id` | the event's `id`, a version-7 UUID |
            | `content_type` | `application/cloudevents+json` |
            | header `traceparent` | the W3C trace of the request that caused it |

            The envelope, the same for all:

            ```json
            {
              "specversion": "1.0",
              "id": "01a1fabf-c5d8-7a3e-a22a-8c90e9a54227",
              "source": "/readings",
              "type": "readings.recorded.v1",
              "subject": "…",
              "time": "2026-11-21T09:30:00.123456Z",
              "datacontenttype": "application/json",
              "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
              "data": { … }
            }
            ```

            """);
        foreach (var type in typeof(IEvent).Assembly.GetTypes().Where(t => t is { IsClass: true } && t.IsAssignableTo(typeof(IEvent))).OrderBy(TypeOf, StringComparer.Ordinal))
        {
            var documented = docs[$"T:{type.FullName}"];
            var sample = Sample(type);
            page.Append($"\n## `{TypeOf(type)}`\n\n{Text(documented.Element("summary")!)} Subject: `{((IEvent)sample).Subject}`.\n\n");
            page.Append("| field | JSON | meaning |\n|---|---|---|\n");
            var schema = Json.Options.GetJsonSchemaAsNode(type, new JsonSchemaExporterOptions
            {
                TreatNullObliviousAsNonNullable = true,
                // A type with a converter of ours is a riddle to the exporter.
                TransformSchemaNode = (context, node) => Nullable.GetUnderlyingType(context.TypeInfo.Type) is { } inner && inner == typeof(DateTimeOffset)
                    ? new JsonObject { ["type"] = new JsonArray("string", "null"), ["format"] = "date-time" }
                    : context.TypeInfo.Type == typeof(DateTimeOffset) ? new JsonObject { ["type"] = "string", ["format"] = "date-time" } : node,
            });
            foreach (var parameter in type.GetConstructors()[0].GetParameters())
            {
                var name = JsonNamingPolicy.SnakeCaseLower.ConvertName(parameter.Name!);
                var meaning = documented.Elements("param").Single(param => param.Attribute("name")!.Value == parameter.Name);
                page.Append($"| `{name}` | {JsonTypeOf(schema["properties"]![name]!)} | {Text(meaning)} |\n");
            }
            page.Append($"\n```json\n{JsonSerializer.Serialize(sample, type, Readable)}\n```\n");
            page.Append($"\n<details><summary>JSON Schema of data</summary>\n\n```json\n{schema.ToJsonString(Readable)}\n```\n\n</details>\n");
        }
        return page.ToString().ReplaceLineEndings("\n");
    }

    private static string TypeOf(Type type) => (string)type.GetProperty("Type", BindingFlags.Public | BindingFlags.Static)!.GetValue(null)!;

    private static object Sample(Type type) =>
        Activator.CreateInstance(type, [.. type.GetConstructors()[0].GetParameters().Select(SampleOf)])!;

    private static object? SampleOf(ParameterInfo parameter) => parameter.Name switch
    {
        "UserId" => Guid.Parse("0190f3d2-0001-7b00-8000-000000000007"),
        "From" => DateTimeOffset.Parse("2026-11-20T20:55:00Z"),
        "Kind" or "Format" => "apple-health",
        "State" => "completed",
        "Category" => "heart",
        "Unit" => "/min",
        "Aggregation" => "average",
        "Minimum" => 20d,
        "Maximum" => 300d,
        "Panel" => null,
        _ => (Nullable.GetUnderlyingType(parameter.ParameterType) ?? parameter.ParameterType).Name switch
        {
            nameof(Guid) => Guid.Parse("0190f3d2-77aa-7c31-9d1e-2b8c1f0a5e44"),
            nameof(DateTimeOffset) => DateTimeOffset.Parse("2026-11-20T20:56:59Z"),
            nameof(Int32) => 60,
            nameof(Int64) => 60L,
            nameof(String) => "heart_rate",
            _ => new[] { "heart_rate" },
        },
    };

    private static string JsonTypeOf(JsonNode schema)
    {
        var type = schema["type"] is JsonArray several ? string.Join(" or ", several.Select(one => one!.GetValue<string>())) : schema["type"]!.GetValue<string>();
        return schema["format"] is { } format ? $"{type} ({format})" : type;
    }

    private static string Text(XElement element) => string.Join(' ', string.Concat(element.Nodes().Select(node => node switch
    {
        XElement { Name.LocalName: "c" } code => $"`{code.Value}`",
        XElement reference when reference.Attribute("name") is { } name => $"`{JsonNamingPolicy.SnakeCaseLower.ConvertName(name.Value)}`",
        _ => node.ToString(),
    })).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
