namespace OpenReadings.Benchmarks;

/// <summary>What the command line asks for.</summary>
internal sealed record Options(IReadOnlyList<string> Only, bool IsQuick, string? Export)
{
    public const string Usage =
        """
        ./dev bench [--quick] [--only NAME]... [--apple-health FILE]

          --quick               two short rounds: does it run, and roughly where do we stand
          --only NAME           this figure, or all whose names begin so (--only read_)
          --apple-health FILE   import this export instead of a made-up one

        Only a run of everything writes benchmarks/RESULTS.md.
        """;

    public bool IsWhole => Only.Count == 0 && !IsQuick;

    public bool Wants(string name) => Only.Count == 0 || Only.Any(only => name.StartsWith(only, StringComparison.Ordinal));

    public static Options? Parse(string[] arguments)
    {
        var (only, isQuick, export) = (new List<string>(), false, (string?)null);
        for (var i = 0; i < arguments.Length; i++)
        {
            var hasValue = i + 1 < arguments.Length;
            switch (arguments[i])
            {
                case "--quick": isQuick = true; break;
                case "--only" when hasValue: only.Add(arguments[++i]); break;
                case "--apple-health" when hasValue: export = Path.GetFullPath(arguments[++i]); break;
                default: return null;
            }
        }
        return new Options(only, isQuick, export);
    }
}
