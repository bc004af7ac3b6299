using System.Globalization;
using System.Text;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Passwords;

/// <summary>
/// What a new password must be like. Characters are Unicode code points, so a password in any script has the same
/// length for the person and for us. It is hashed exactly as it was sent: nothing is trimmed, folded or normalised.
/// </summary>
public static class PasswordRules
{
    public const int Shortest = 7, Longest = 255;

    /// <summary>What a person is told before they choose one.</summary>
    public const string InShort = "A password has at least seven characters, with upper case, lower case and a digit.";

    /// <summary>A password of the longest length in UTF-16: what is longer is not worth hashing.</summary>
    public const int LongestUtf16 = Longest * 2;

    /// <summary>Every rule that the password breaks, each with a type of its own.</summary>
    public static IEnumerable<ProblemItem> Broken(string? password, string pointer)
    {
        Rune[] characters = [.. (password ?? "").EnumerateRunes()];
        ProblemItem Rule(string type, string detail) => new(pointer, type, detail);

        if (characters.Length < Shortest)
            yield return Rule("password-too-short", $"The password has fewer than {Shortest} characters.");
        if (characters.Length > Longest)
            yield return Rule("password-too-long", $"The password has more than {Longest} characters.");
        if (!characters.Any(Rune.IsUpper))
            yield return Rule("password-without-upper-case", "The password has no upper-case letter.");
        if (!characters.Any(Rune.IsLower))
            yield return Rule("password-without-lower-case", "The password has no lower-case letter.");
        if (!characters.Any(character => Rune.GetUnicodeCategory(character) == UnicodeCategory.DecimalDigitNumber))
            yield return Rule("password-without-digit", "The password has no digit.");
        if (characters.Length > 0 && (Rune.IsWhiteSpace(characters[0]) || Rune.IsWhiteSpace(characters[^1])))
            yield return Rule("password-edge-whitespace", "The password begins or ends with white space.");
        if (Enumerable.Range(2, Math.Max(0, characters.Length - 2)).Any(i =>
                characters[i] == characters[i - 1] && characters[i] == characters[i - 2]))
            yield return Rule("password-repeats-character", "The password has one character three times in a row.");
    }
}
