using System.Text;

namespace OpenReadings.Identity.Logins;

/// <summary>What a program calls itself, as far as it helps a person to recognise it.</summary>
public static class Device
{
    private const int Longest = 200;

    public static string? Of(HttpRequest request)
    {
        var said = request.Headers.UserAgent.ToString();
        var text = new StringBuilder();
        foreach (var rune in said.EnumerateRunes().Where(rune => !Rune.IsControl(rune) && rune != Rune.ReplacementChar).Take(Longest)) text.Append(rune);
        return text.ToString().Trim() is { Length: > 0 } device ? device : null;
    }
}
