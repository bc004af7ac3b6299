using System.Globalization;
using System.Text;

namespace OpenReadings.Units;

/// <summary>
/// Reads a unit and writes it down in one form: UCUM's spellings, what divides behind one slash each, no parentheses.
/// </summary>
internal sealed class UnitParser
{
    private const int LongestText = 100;
    private const int LargestExponent = 9;

    private readonly record struct Term(string Text, string Annotation, int Exponent);

    private readonly string given, text;
    private readonly List<Term> terms = [];
    private int at, depth;
    private Ratio factor = Ratio.One, offset = Ratio.Zero;
    private Dimension dimension;
    private decimal? molarMass;
    private bool scale;

    private UnitParser(string given, string text) => (this.given, this.text) = (given, text);

    public static Unit Parse(string given)
    {
        var text = given.Trim();
        if (text.Length == 0) throw new UnknownUnitException("", "A unit is missing. Write 1 for a plain number.");
        if (text.Length > LongestText)
            throw new UnknownUnitException(text[..20] + "…", $"A unit has at most {LongestText} characters.");
        var plain = Plain(text);
        var parser = new UnitParser(text, Spelling(text) ?? Spelling(plain) ?? plain);
        parser.Expression(1);
        if (parser.at < parser.text.Length) throw parser.Unknown($"'{parser.text[parser.at]}' is not expected there");
        return parser.Finish();
    }

    private static string? Spelling(string whole) => Aliases.FindExact(whole) ?? Aliases.Find(whole);

    private Unit Finish()
    {
        if (dimension.IsAbsurd) throw Unknown("its exponents are too large");
        if (scale && (terms.Count != 1 || terms[0].Exponent != 1))
            throw Unknown("a temperature scale stands alone; in a product write K for a difference of temperature");
        var size = factor.ToDouble();
        if (!double.IsFinite(size) || size is > 1e50 or < 1e-50) throw Unknown("its size is out of range");
        return new(Write(), dimension, factor, offset, molarMass);
    }

    private string Write()
    {
        var code = new StringBuilder();
        foreach (var term in terms)
        {
            if (term.Exponent < 0) code.Append('/');
            else if (code.Length > 0) code.Append('.');
            code.Append(term.Text);
            if (Math.Abs(term.Exponent) != 1) code.Append(Math.Abs(term.Exponent));
            code.Append(term.Annotation);
        }
        return code.Length == 0 ? "1" : code.ToString();
    }

    // What keyboards and typesetters put in place of UCUM's ASCII. Blanks go where they stand beside an operator.
    private static string Plain(string text)
    {
        var plain = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            switch (c)
            {
                case '⁰': plain.Append('0'); break;
                case '¹': plain.Append('1'); break;
                case '²': plain.Append('2'); break;
                case '³': plain.Append('3'); break;
                case >= '⁴' and <= '⁹': plain.Append((char)('4' + (c - '⁴'))); break;
                case '⁻' or '−': plain.Append('-'); break;
                case 'µ' or 'μ': plain.Append('u'); break;
                case '⋅' or '×' or '•': plain.Append('·'); break;
                case '∕' or '÷': plain.Append('/'); break;
                case '\u00a0' or '\u202f': plain.Append(' '); break;
                default: plain.Append(c); break;
            }
        }
        for (var i = plain.Length - 1; i >= 0; i--)
        {
            if (plain[i] != ' ') continue;
            if (IsOperator(plain[i - 1]) || IsOperator(plain[i + 1])) plain.Remove(i, 1);
        }
        return plain.ToString();
    }

    private static bool IsOperator(char c) => c is '/' or '.' or '·' or '*' or '(' or ')' or ' ';

    private void Expression(int sign)
    {
        var direction = sign;
        if (Take('/')) direction = -sign;
        Component(direction);
        while (at < text.Length)
        {
            if (Take('.')) direction = sign;
            else if (Take('/')) direction = -sign;
            // mL/min·kg: a raised dot or a star belongs to what divides, as people mean it who write so.
            else if (!Take('·') && !Take('*')) return;
            Component(direction);
        }
    }

    private void Component(int sign)
    {
        if (at >= text.Length) throw Unknown("it ends too early");
        if (Take('('))
        {
            if (++depth > 8) throw Unknown("it has too many parentheses");
            Expression(sign);
            if (!Take(')')) throw Unknown("a ')' is missing");
            depth--;
            return;
        }
        if (text[at] == '{')
        {
            terms.Add(new("", Annotation(), sign));
            return;
        }
        if (char.IsAsciiDigit(text[at])) Number(sign);
        else Symbol(sign);
    }

    // 10*3 and 10^3 are powers of ten in UCUM; 100km is how people write 100.km.
    private void Number(int sign)
    {
        var digits = Digits();
        if (digits == "10" && at < text.Length - 1 && text[at] is '*' or '^'
            && (text[at + 1] is '+' or '-' || char.IsAsciiDigit(text[at + 1])))
        {
            at++;
            var minus = Take('-');
            if (!minus) Take('+');
            var exponent = Whole(Digits()) * (minus ? -1 : 1);
            if (Math.Abs(exponent) > 30) throw Unknown("its exponent is too large");
            factor *= Ratio.Power(10, exponent * sign);
            terms.Add(new(string.Create(CultureInfo.InvariantCulture, $"10*{exponent}"), Annotation(), sign));
            return;
        }
        var number = Whole(digits);
        if (number == 0) throw Unknown("a unit cannot be zero");
        var annotation = Annotation();
        if (number != 1 || annotation.Length > 0) terms.Add(new(digits, annotation, sign));
        factor *= Ratio.Power(number, sign);
        if (at < text.Length && !IsOperator(text[at])) Symbol(sign);
    }

    private void Symbol(int sign)
    {
        var symbol = ReadSymbol();
        var exponent = Exponent(ref symbol) * sign;
        if (symbol.Length == 0) throw Unknown("a unit is missing in it");
        Add(symbol, Annotation(), exponent);
    }

    private string ReadSymbol()
    {
        var start = at;
        for (var bracket = false; at < text.Length; at++)
        {
            var c = text[at];
            if (c == '[') bracket = true;
            else if (c == ']') bracket = false;
            else if (!bracket && (c == '{' || (IsOperator(c) && c != ' '))) break;
        }
        var symbol = text[start..at];
        // mmol<180.1558800000541>/L, which Apple Health writes: the full stop inside is no operator.
        if (symbol.IndexOf('<', StringComparison.Ordinal) is var open and > 0)
        {
            var close = text.IndexOf('>', start + open);
            if (close < 0) throw Unknown("a '>' is missing");
            molarMass = MassIn(text.AsSpan(start + open + 1, close - start - open - 1));
            at = close + 1;
            symbol = symbol[..open];
        }
        return symbol;
    }

    private decimal MassIn(ReadOnlySpan<char> written) =>
        decimal.TryParse(written, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var mass)
            && mass is > 0 and < 1_000_000
        ? mass
        : throw Unknown("what stands in < > is not a molar mass");

    // The digits at the end of m2, s-1, m^3 or [ft_i]2; not those inside brackets.
    private int Exponent(ref string symbol)
    {
        var end = symbol.Length;
        while (end > 0 && char.IsAsciiDigit(symbol[end - 1])) end--;
        if (end == symbol.Length) return 1;
        var exponent = Whole(symbol[end..]);
        if (end > 0 && symbol[end - 1] is '-' or '+')
        {
            if (symbol[end - 1] == '-') exponent = -exponent;
            end--;
        }
        if (end > 0 && symbol[end - 1] == '^') end--;
        if (exponent == 0 || Math.Abs(exponent) > LargestExponent) throw Unknown("its exponent is out of range");
        symbol = symbol[..end];
        return exponent;
    }

    // UCUM first, then spellings in which case matters, then UCUM with a prefix, then any spelling.
    private void Add(string symbol, string annotation, int exponent)
    {
        if (Atoms.Find(symbol) is { } atom) Add(symbol, atom, 0, annotation, exponent);
        else if (Aliases.FindExact(symbol) is { } exact) Add(UnitParser.Parse(exact), exact, annotation, exponent);
        else if (!AddPrefixed(symbol, annotation, exponent))
        {
            var code = Aliases.Find(symbol)
                ?? throw Unknown(symbol == given ? null : $"'{symbol}' is neither UCUM nor a spelling we know");
            Add(UnitParser.Parse(code), code, annotation, exponent);
        }
    }

    private void Add(string symbol, Atom atom, int power, string annotation, int exponent)
    {
        var size = atom.Factor * Ratio.Power(10, power);
        factor *= Ratio.Power(size, exponent);
        dimension *= atom.Dimension.Power(exponent);
        offset = atom.Offset;
        scale |= atom.Offset != Ratio.Zero;
        terms.Add(new(symbol, annotation, exponent));
    }

    // A spelling may stand for several units: kWh is kW.h, and kWh/m2 is kW.h/m2.
    private void Add(Unit meant, string code, string annotation, int exponent)
    {
        var inner = new UnitParser(given, code);
        inner.Expression(1);
        foreach (var term in inner.terms) terms.Add(term with { Exponent = term.Exponent * exponent });
        if (annotation.Length > 0 && terms.Count > 0) terms[^1] = terms[^1] with { Annotation = annotation };
        factor *= Ratio.Power(meant.Factor, exponent);
        dimension *= meant.Dimension.Power(exponent);
        offset = meant.Offset;
        scale |= inner.scale;
    }

    private bool AddPrefixed(string symbol, string annotation, int exponent)
    {
        // mcg, mcL, mcS: Apple's and the pharmacist's way to write a u.
        if (symbol.Length > 2 && symbol.StartsWith("mc", StringComparison.Ordinal) && Metric(symbol[2..]) is { } micro)
        {
            Add($"u{micro.Code}", micro, -6, annotation, exponent);
            return true;
        }
        for (var length = 1; length <= 2 && length < symbol.Length; length++)
        {
            if (!Atoms.Prefixes.TryGetValue(symbol[..length], out var power)) continue;
            if (Metric(symbol[length..]) is not { } atom) continue;
            Add(symbol[..length] + atom.Code, atom, power, annotation, exponent);
            return true;
        }
        return false;
    }

    private static Atom? Metric(string code) =>
        Atoms.Find(code == "l" ? "L" : code) is { TakesPrefixes: true } atom ? atom : null;

    private string Annotation()
    {
        if (at >= text.Length || text[at] != '{') return "";
        var end = text.IndexOf('}', at);
        if (end < 0) throw Unknown("a '}' is missing");
        var annotation = text[at..(end + 1)];
        if (annotation.Length == 2) throw Unknown("an annotation is empty");
        if (annotation.LastIndexOf('{') > 0 || annotation.Any(char.IsControl))
            throw Unknown("an annotation has a character that it cannot have");
        at = end + 1;
        return annotation;
    }

    private bool Take(char c)
    {
        if (at >= text.Length || text[at] != c) return false;
        at++;
        return true;
    }

    private string Digits()
    {
        var start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at])) at++;
        return text[start..at];
    }

    private int Whole(string digits) => digits.Length is > 0 and < 10
        ? int.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture)
        : throw Unknown("a number in it is too long");

    private UnknownUnitException Unknown(string? why) => new(given, why is null
        ? $"'{given}' is not a unit we know."
        : $"'{given}' is not a unit we know: {why}.");
}
