using OpenReadings.Chassis;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>Tokens for a gadget, as soon as a person has let it in somewhere else (RFC 8628 §3.4).</summary>
public static class DeviceCodeGrant
{
    public const string GrantType = "urn:ietf:params:oauth:grant-type:device_code";

    private sealed record Poll(string Outcome, Guid? Person, string? Scope, DateTimeOffset? AuthenticatedAt);

    public static async Task<TokenEndpoint.Response> GrantAsync(Application application, Form form, Database database, TokenIssuer tokens, HttpContext http, CancellationToken ct)
    {
        Poll poll;
        await using (var unowned = await database.BeginUnownedAsync(ct))
        {
            poll = (await unowned.FindAsync<Poll>("select outcome, person, scope, authenticated_at from poll_device_request(@hash, @ClientId)",
                new { hash = Application.HashOf(form.Require("device_code")), application.ClientId }))!;
            await unowned.CommitAsync();
        }
        switch (poll.Outcome)
        {
            case "pending": throw new RefusedException("authorization_pending", "Nobody has let the gadget in yet. Ask again after the interval.");
            case "too-soon": throw new RefusedException("slow_down", "Ask five seconds less often.");
            case "denied": throw new RefusedException("access_denied", "The person said no.");
            case "expired": throw new RefusedException("expired_token", "The device code is unknown, expired or used.");
        }
        await using var db = await database.BeginAsync(poll.Person!.Value, ct);
        var answer = await ApplicationLogin.BeginAsync(db, application, poll.Person.Value, poll.Scope!, poll.AuthenticatedAt!.Value, null, OrderedId.Next(), tokens, http)
            ?? throw new RefusedException("access_denied", "The person has taken it back.");
        await db.CommitAsync();
        return answer;
    }
}
