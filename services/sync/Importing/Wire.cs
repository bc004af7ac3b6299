using System.Text.Json;
using System.Text.Json.Serialization;

namespace OpenReadings.Sync.Importing;

/// <summary>The JSON that goes to other services and into our own columns: absent instead of null.</summary>
internal static class Wire
{
    public static readonly JsonSerializerOptions Json = new(Chassis.Json.Options) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };
}
