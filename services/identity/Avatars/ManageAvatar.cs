using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Net.Http.Headers;
using OpenReadings.Chassis;
using OpenReadings.Identity.Accounts;
using OpenReadings.Identity.Audit;

namespace OpenReadings.Identity.Avatars;

/// <summary>Keeps, shows and takes away the picture of a person. The same picture again changes nothing.</summary>
public static class ManageAvatar
{
    private sealed record Row(string MediaType, byte[] Bytes, string Etag);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPut("/me/avatar", KeepAsync).WithMetadata(new RequestSizeLimitAttribute(Picture.LargestFile))
            .WithName("PutAvatar")
            .WithSummary("Keeps a picture of you: PNG, JPEG or WebP, at most 1 MiB and 1024 by 1024 pixels. Only the picture is kept, and nothing else that is in the file.")
            .WithExample(request: "(the bytes of the file)", requestType: "image/png");
        routes.MapGet("/me/avatar", ShowAsync)
            .WithName("ShowAvatar").WithSummary("Your picture. With If-None-Match, only when it is another.").WithExample(response: "(the bytes of the file)", responseType: "image/png");
        routes.MapDelete("/me/avatar", RemoveAsync)
            .WithName("RemoveAvatar").WithSummary("Takes your picture away.");
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> KeepAsync(CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        using var file = new MemoryStream();
        await http.Request.Body.CopyToAsync(file, ct);
        Picture picture;
        try { picture = Picture.Of(file.GetBuffer().AsSpan(0, (int)file.Length)); }
        catch (PictureException e) { return Problems.Of(e.Status, e.Type, e.Message); }

        await using var db = await database.BeginAsync(user, ct);
        if (!await db.ScalarAsync<bool>("select exists (select from accounts)")) return Account.Gone();
        var changed = await db.ExecuteAsync(
            """
            insert into avatars (media_type, bytes, etag)
            values (@MediaType, @Bytes, @etag)
            on conflict (user_id) do update set media_type = excluded.media_type, bytes = excluded.bytes, etag = excluded.etag, changed_at = now()
            where avatars.etag <> excluded.etag
            """, new { picture.MediaType, picture.Bytes, etag = $"\"{Base64Url.EncodeToString(SHA256.HashData(picture.Bytes))}\"" });
        if (changed > 0) await db.NoteAsync(http, Entry.AvatarChanged, Entry.LoginOf(user), new { picture.MediaType, picture.Width, picture.Height });
        await db.CommitAsync();
        return TypedResults.NoContent();
    }

    private static async Task<Results<FileContentHttpResult, ProblemHttpResult>> ShowAsync(CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        if (await database.ReadAsync<Row>(user, "select media_type, bytes, etag from avatars", null, ct) is not [var row]) return NotFound();
        // One address for everybody's own: a cache has to ask each time, and not to mix up who asks.
        (http.Response.Headers.CacheControl, http.Response.Headers.Vary) = ("private, no-cache", "Authorization");
        // Should something else than a picture ever lie here, a browser that opens it by itself runs nothing of it.
        (http.Response.Headers.XContentTypeOptions, http.Response.Headers.ContentSecurityPolicy) = ("nosniff", "default-src 'none'; frame-ancestors 'none'; sandbox");
        // Answers 304 where it is the one that the caller has.
        return TypedResults.File(row.Bytes, row.MediaType, entityTag: EntityTagHeaderValue.Parse(row.Etag));
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> RemoveAsync(CurrentUser user, Database database, HttpContext http, CancellationToken ct)
    {
        await using var db = await database.BeginAsync(user, ct);
        if (await db.ExecuteAsync("delete from avatars") == 0) return NotFound();
        await db.NoteAsync(http, Entry.AvatarRemoved, Entry.LoginOf(user));
        await db.CommitAsync();
        return TypedResults.NoContent();
    }

    private static ProblemHttpResult NotFound() => Problems.Of(404, "avatar-not-found", "You have no picture.");
}
