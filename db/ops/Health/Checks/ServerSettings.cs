namespace OpenReadings.Ops.Health.Checks;

/// <summary>Settings that lose data or let somebody in, and those that wait for a restart.</summary>
internal static class ServerSettings
{
    private sealed record Setting(string Name, string Value, bool PendingRestart);

    private sealed record Rule(int Line, string Method, string? Error);

    private static readonly (string Name, string Wanted, Severity Severity, string Why)[] Wanted =
    [
        ("fsync", "on", Severity.Bad, "a power cut destroys the databases"),
        ("full_page_writes", "on", Severity.Bad, "a power cut destroys pages"),
        ("autovacuum", "on", Severity.Bad, "tables bloat, and ids run out"),
        ("track_counts", "on", Severity.Bad, "autovacuum sees nothing to do"),
        ("password_encryption", "scram-sha-256", Severity.Warn, "new passwords are kept as md5"),
        ("data_checksums", "on", Severity.Warn, "a rotten disk is not noticed: pg_checksums --enable on the stopped server"),
    ];

    public static async Task LookAsync(ServiceDatabase database, Section section, Scope scope, CancellationToken ct)
    {
        var settings = await database.QueryAsync<Setting>(
            "select name, setting as value, pending_restart from pg_settings where pending_restart or name = any (@names)", ct,
            new { names = Wanted.Select(wanted => wanted.Name).ToArray() });
        var rules = await database.QueryAsync<Rule>(
            """
            select line_number as line, coalesce(auth_method, '') as method, error from pg_hba_file_rules
            where error is not null or auth_method = 'md5' or auth_method = 'trust' and type <> 'local'
            """, ct);
        section.Figures = new { Settings = settings, Rules = rules };
        section.Summary = string.Join(", ", settings
            .Where(setting => setting.Name is "autovacuum" or "data_checksums")
            .Select(setting => $"{setting.Name} {setting.Value}"));

        foreach (var (name, wanted, severity, why) in Wanted)
            if (settings.Single(setting => setting.Name == name).Value is var value && value != wanted)
                section.Find(severity, $"{name} is {value}: {why}", $"{name} = {wanted}");
        if (settings.Where(setting => setting.PendingRestart).Select(setting => setting.Name).ToList() is { Count: > 0 } pending)
            section.Find(Severity.Warn, $"{string.Join(", ", pending)} changed and wait for a restart",
                "restart the server in a quiet hour");
        foreach (var rule in rules)
            section.Find(rule.Method == "trust" ? Severity.Bad : Severity.Warn,
                $"pg_hba.conf, line {rule.Line}: {rule.Error ?? rule.Method}", "hostssl … scram-sha-256, then select pg_reload_conf()");
    }
}
