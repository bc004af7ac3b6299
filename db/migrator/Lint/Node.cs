using System.Text.Json;

namespace OpenReadings.Migrator.Lint;

/// <summary>One node of PostgreSQL's parse tree: its kind ("" where the field says it) and its fields.</summary>
internal readonly record struct Node(string Kind, JsonElement Body)
{
    public static Node Of(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object) return new("", element);
        var properties = element.EnumerateObject();
        return properties.MoveNext() && char.IsAsciiLetterUpper(properties.Current.Name[0])
            ? new(properties.Current.Name, properties.Current.Value)
            : new("", element);
    }

    public bool Exists => Body.ValueKind != JsonValueKind.Undefined;

    public Node this[string field] =>
        Body.ValueKind == JsonValueKind.Object && Body.TryGetProperty(field, out var value) ? Of(value) : default;

    public string Text(string field) => this[field].Body is { ValueKind: JsonValueKind.String } text ? text.GetString()! : "";

    public bool Is(string field) => this[field].Body.ValueKind == JsonValueKind.True;

    public int Number(string field) =>
        this[field].Body is { ValueKind: JsonValueKind.Number } number ? number.GetInt32() : 0;

    public IEnumerable<Node> All(string field) =>
        this[field].Body is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray().Select(Of) : [];

    /// <summary>The words of a list of names: of columns, or the parts of one name.</summary>
    public IReadOnlyList<string> Words(string field) => [.. All(field).Select(item => item.Text("sval"))];

    /// <summary>A name of several parts, without the schema that is meant anyway.</summary>
    public string Name(string field) => Short(Words(field));

    /// <summary>The table, view or index that a RangeVar names.</summary>
    public string Relation(string field = "relation") => this[field].RelationName;

    public string RelationName => Short([Text("schemaname"), Text("relname")]);

    /// <summary>The name of the type of a column or a cast: int4, text, timestamptz.</summary>
    public string TypeName => this["typeName"].Name("names");

    /// <summary>The nodes and lists directly below this one.</summary>
    public IEnumerable<Node> Children()
    {
        var below = Body.ValueKind switch
        {
            JsonValueKind.Object => Body.EnumerateObject().Select(property => property.Value),
            JsonValueKind.Array => Body.EnumerateArray(),
            _ => Enumerable.Empty<JsonElement>(),
        };
        return below.Where(element => element.ValueKind is JsonValueKind.Object or JsonValueKind.Array).Select(Of);
    }

    /// <summary>This node and all below it, in the order of the text.</summary>
    public IEnumerable<Node> Descend(Func<Node, bool>? into = null)
    {
        yield return this;
        if (into?.Invoke(this) == false) yield break;
        foreach (var child in Children())
            foreach (var node in child.Descend(into)) yield return node;
    }

    /// <summary>The names that a DROP gives.</summary>
    public IEnumerable<string> Dropped() => All("objects").Select(one => one.Kind == "List" ? one.Name("items") : one.Text("sval"));

    public IEnumerable<Node> Calls(Func<Node, bool>? into = null) =>
        Descend(into).Where(node => node.Kind == "FuncCall");

    /// <summary>The relations that a query reads or a statement writes.</summary>
    public IEnumerable<string> Relations() => Descend()
        .Where(node => node.Kind == "RangeVar" || node.Text("relname") != "").Select(node => node.RelationName).Distinct();

    public static string Short(IEnumerable<string> parts) =>
        string.Join('.', parts.Where(part => part is not ("" or "public" or "pg_catalog")));
}
