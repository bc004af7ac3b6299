using OpenReadings.Chassis;

namespace OpenReadings.Identity.Factors;

/// <summary>Shows a person what they can prove with that it is them, beyond the password.</summary>
public static class ShowFactors
{
    public sealed record Response(DateTimeOffset? TotpConfirmedAt, int RecoveryCodesLeft, int Passkeys);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/me/factors", HandleAsync)
        .WithName("ShowFactors").WithSummary("Since when you have an authenticator, how many recovery codes are left, and how many passkeys there are.")
        .WithExample(response: """{"totp_confirmed_at": "2026-11-27T09:00:00Z", "recovery_codes_left": 9, "passkeys": 1}""");

    private static async Task<Response> HandleAsync(CurrentUser user, Database database, CancellationToken ct) =>
        (await database.ReadAsync<Response>(user,
            """
            select (select confirmed_at from totp) as totp_confirmed_at, (select count(*)::int from recovery_codes where used_at is null) as recovery_codes_left, (select count(*)::int from passkeys) as passkeys
            """, null, ct))[0];
}
