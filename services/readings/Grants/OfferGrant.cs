using System.ComponentModel.DataAnnotations;
using Npgsql;
using OpenReadings.Chassis;

namespace OpenReadings.Readings;

/// <summary>
/// Offers to open something of one's own to somebody: everything, a category of the catalog, a source or a metric;
/// with <c>from</c> and <c>until</c> only what lies between them. The
/// answer has the code, once, for the person to hand over; whoever is signed in and presents it has accepted. An offer that
/// names its <c>grantee</c> needs no code. With <c>client_id</c> it is open through that application alone; an application
/// that is the <c>grantee</c> too has it itself, whomever it acts for. A metric that shares its rows with others (blood
/// pressure) opens them all.
/// With <c>?owner=</c> an admin grants on what was granted to them, and never more than that.
/// </summary>
public static class OfferGrant
{
    private const int MostOpen = 500, MostEver = 10_000;
    private static readonly TimeSpan Usual = TimeSpan.FromDays(7), Longest = TimeSpan.FromDays(30);

    public sealed record Request(
        string? Opens, string? Access, [StringLength(64)] string? Category, Guid? SourceId, [StringLength(64)] string? Metric,
        DateTimeOffset? From, DateTimeOffset? Until, DateTimeOffset? EndsAt, [StringLength(100, MinimumLength = 1)] string? Label, Guid? Grantee, Guid? ClientId,
        DateTimeOffset? CodeExpiresAt);

    /// <summary>The offer, and its code: null where it names who may accept it.</summary>
    public sealed record Response(Grant Grant, string? Code);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/grants", HandleAsync).RequireLogin().WithMetadata(new TakesOwner())
        .WithName("OfferGrant").WithSummary("Offer to share with somebody; the answer has the code to hand over").Produces<Response>(201)
        .WithExample(
            """{"opens": "source", "source_id": "0190f3d2-0000-7c31-9d1e-2b8c1f0a5e44", "access": "read", "ends_at": "2027-01-01T00:00:00Z", "label": "My doctor"}""",
            $$"""{"grant": {{Grants.Example}}, "code": "orgi_Xc0VQ2n7sCq1b3oZ9yQdG5m0mJmZk3R1pV7uT8wE4aI"}""");

    private static async Task<IResult> HandleAsync(
        Request offer, CurrentUser user, Database database, KnownSources sources, TimeProvider clock, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        if (Check(offer, user, now) is { } fault) return Problems.Of(400, "validation-failed", "Some fields are not valid.", fault);
        if (offer.SourceId is { } sourceId)
        {
            if (await sources.FindAsync(user, sourceId, ct) is not { } source) return Sources.NotFound(sourceId);
            if (offer.Metric is not null && source.Find(offer.Metric) is null)
                return Problems.Of(400, "unknown-metric", $"This source has no metric '{offer.Metric}'.");
            user = user with { Owner = source.Owner };
        }

        var code = offer.Grantee is null ? InvitationCode.New() : null;
        var grantId = OrderedId.Next();
        await using var db = await database.BeginAsync(user, ct);
        if (offer.Category is not null && !await db.ScalarAsync<bool>("select exists (select from series_types where category = @Category)", new { offer.Category }))
            return Problems.Of(400, "unknown-category", $"The catalog has no category '{offer.Category}'.");
        if (await db.ScalarAsync<bool>(
            """
            select count(*) filter (where state = 'accepted' or state = 'offered' and code_expires_at > now()) >= @MostOpen or count(*) >= @MostEver
            from grants where granted_by = @Id
            """, new { user.Id, MostOpen, MostEver }))
            return Problems.Of(403, "too-many-grants", $"A person has at most {MostOpen} open offers and grants, and {MostEver} in all.");
        try
        {
            await db.ExecuteAsync(
                """
                insert into grants (grant_id, opens, category, source_id, metric, from_at, until_at, access, ends_at, label, grantee_id, client_id, code_hash, code_expires_at)
                values (@grantId, @Opens, @Category, @SourceId, @Metric, @From::timestamptz, @Until::timestamptz, @access, coalesce(@EndsAt::timestamptz, 'infinity'), @Label, @Grantee, @ClientId, @hash, @codeExpiresAt)
                """,
                new
                {
                    grantId, offer.Opens, offer.Category, offer.SourceId, offer.Metric, offer.From, offer.Until, access = (short)AccessNames.Parse(offer.Access)!.Value,
                    offer.EndsAt, offer.Label, offer.Grantee, offer.ClientId, hash = InvitationCode.Hash(code), codeExpiresAt = offer.CodeExpiresAt ?? now + Usual,
                });
        }
        catch (PostgresException e) when (e.ConstraintName == "grant_exceeds")
        {
            return Problems.Of(403, "grant-exceeds", "Nobody can grant on more than they have: it takes the access 'admin', an end that is not later, and where they have a window, one that lies in it.");
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            return Sources.NotFound(offer.SourceId!.Value);
        }
        var grant = (await Grants.FindAsync(db, grantId))!;
        await db.CommitAsync();
        return TypedResults.Created($"/readings/v1/grants/{grantId}", new Response(grant, code));
    }

    private static bool IsWholeHour(DateTimeOffset? at) => (at ?? DateTimeOffset.UnixEpoch).UtcTicks % TimeSpan.TicksPerHour == 0;

    private static ProblemItem? Check(Request offer, CurrentUser user, DateTimeOffset now)
    {
        static ProblemItem Fault(string field, string detail) => new($"/{field}", "invalid-value", detail);

        if (offer.Opens is not ("everything" or "category" or "source" or "metric")) return Fault("opens", "It is everything, category, source or metric.");
        if (AccessNames.Parse(offer.Access) is null) return Fault("access", "It is read, write or admin.");
        if (offer.Category is not null != (offer.Opens == "category")) return Fault("category", "It is named when a category is opened, and only then.");
        if (offer.SourceId is not null != offer.Opens is "source" or "metric") return Fault("source_id", "It is named when a source or a metric is opened, and only then.");
        if (offer.Metric is not null != (offer.Opens == "metric")) return Fault("metric", "It is named when a metric is opened, and only then.");
        if ((offer.From ?? offer.Until) is not null)
        {
            if (!IsWholeHour(offer.From)) return Fault("from", "A window begins and ends with a whole hour of UTC.");
            if (!IsWholeHour(offer.Until) || offer.Until <= offer.From) return Fault("until", "A window ends with a whole hour of UTC, after it began.");
        }
        if (offer.EndsAt <= now) return Fault("ends_at", "It is in the future.");
        if (offer.CodeExpiresAt <= now || offer.CodeExpiresAt > now + Longest) return Fault("code_expires_at", "It is in the future, and at most 30 days away.");
        if (offer.Grantee is { } grantee && (grantee == user.Id || grantee == user.OwnerId)) return Fault("grantee", "It is somebody else.");
        return null;
    }
}
