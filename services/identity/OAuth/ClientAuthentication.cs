using OpenReadings.Chassis;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>Who asks at an endpoint for programs: one of our own services, an application that proves itself, or a public one that cannot.</summary>
/// <param name="Service">The name of one of our own services.</param>
/// <param name="Application">An application of somebody's.</param>
public sealed record Client(string? Service, Application? Application);

/// <summary>client_secret_basic, client_secret_post, or none for public applications (RFC 6749 §2.3).</summary>
public sealed class ClientAuthentication(KnownClients services, Database database)
{
    /// <summary>Null where the client is unknown or its proof is wrong.</summary>
    public async Task<Client?> OfAsync(HttpRequest request, Form form, CancellationToken ct)
    {
        if (services.ClientOf(request) is { } service) return new(service, null);
        var (id, secret) = (form["client_id"], form["client_secret"]);
        if (KnownClients.BasicOf(request) is { } basic)
        {
            if (secret is not null) throw new RefusedException("invalid_request", "The client proves itself in two ways at once.");
            if (id is not null && id != basic.Id) throw new RefusedException("invalid_request", "The client names itself in two ways.");
            (id, secret) = basic;
        }
        if (await Application.FindAsync(database, id, ct) is not { } application) return null;
        // One with a secret has to show it; one without must not be taken for one that has.
        if (application.IsPublic) return secret is null ? new(null, application) : null;
        if (secret is null) return null;
        await using var db = await database.BeginUnownedAsync(ct);
        return await db.ScalarAsync<bool>("select is_application_secret(@ClientId, @hash)", new { application.ClientId, hash = Application.HashOf(secret) })
            ? new(null, application)
            : null;
    }
}
