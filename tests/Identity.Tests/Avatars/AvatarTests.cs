using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using OpenReadings.Identity.Avatars;
using OpenReadings.Identity.Tests.Factors;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.Avatars;

/// <summary>Pictures of persons: what is kept of a file, and who gets it.</summary>
public sealed class AvatarTests(IdentityService service, AvatarTests.RealBrowser browser) : IClassFixture<AvatarTests.RealBrowser>
{
    private const string Address = "/identity/v1/me/avatar";
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Chromium, which draws pictures and looks at what became of them.</summary>
    public sealed class RealBrowser : IAsyncDisposable
    {
        public BrowserWithAuthenticator Window { get; } = new();

        public ValueTask DisposeAsync() => Window.DisposeAsync();
    }

    [Fact]
    public async Task A_picture_is_kept_shown_to_its_person_and_taken_away()
    {
        var ada = await Person.SignedInAsync(service);
        await ada.Http.GetAsync(Address, Ct).RefusedAsync(NotFound, "avatar-not-found");
        Assert.Null(await AddressAsync(ada));
        for (var times = 0; times < 2; times++)
            using (var kept = await PutAsync(ada, Files.Png())) Assert.Equal(NoContent, kept.StatusCode);
        Assert.Equal(Address, await AddressAsync(ada));

        using var shown = await ada.Http.GetAsync(Address, Ct);
        Assert.Equal((OK, "image/png"), (shown.StatusCode, shown.Content.Headers.ContentType!.ToString()));
        Assert.True(shown.Headers.CacheControl is { Private: true, NoCache: true });
        Assert.Equal(("nosniff", "default-src 'none'; frame-ancestors 'none'; sandbox", "Authorization"),
            (shown.Headers.GetValues("X-Content-Type-Options").Single(), shown.Headers.GetValues("Content-Security-Policy").Single(), shown.Headers.Vary.Single()));
        Assert.Equal(NotModified, (await AskAsync(ada, shown.Headers.ETag!)).StatusCode);

        using (var other = await PutAsync(ada, Files.TinyJpeg, "image/jpeg")) Assert.Equal(NoContent, other.StatusCode);
        using (var changed = await AskAsync(ada, shown.Headers.ETag!)) Assert.Equal((OK, "image/jpeg"), (changed.StatusCode, changed.Content.Headers.ContentType!.ToString()));
        using (var removed = await ada.Http.DeleteAsync(Address, Ct)) Assert.Equal(NoContent, removed.StatusCode);
        await ada.Http.DeleteAsync(Address, Ct).RefusedAsync(NotFound, "avatar-not-found");
        Assert.Null(await AddressAsync(ada));
        Assert.Equal(["signed-in", "avatar-changed", "avatar-changed", "avatar-removed"],
            await service.SqlAsync<string>("select action from audit where user_id = @AccountId order by entry_id", new { ada.AccountId }));
    }

    [Fact]
    public async Task It_is_nobody_elses_and_goes_with_the_account()
    {
        var (ada, bob) = (await Person.SignedInAsync(service), await Person.SignedInAsync(service));
        using (var kept = await PutAsync(ada, Files.Png())) kept.EnsureSuccessStatusCode();
        await bob.Http.GetAsync(Address, Ct).RefusedAsync(NotFound, "avatar-not-found");
        await bob.Http.DeleteAsync(Address, Ct).RefusedAsync(NotFound, "avatar-not-found");
        await service.Anonymous().GetAsync(Address, Ct).RefusedAsync(Unauthorized, "authentication-required");
        using (var made = await ada.Http.PostAsJsonAsync("/identity/v1/me/api-keys", new { name = "Scale", scopes = new[] { "readings:read" } }, Ct))
            await service.WithToken((await made.JsonAsync()).GetProperty("key").GetString()!).GetAsync(Address, Ct).RefusedAsync(Forbidden, "login-required");
        using (var bobs = await PutAsync(bob, Files.TinyWebp)) bobs.EnsureSuccessStatusCode();
        Assert.Equal(["image/png"], await TypesAsync(ada));

        (await ada.DeleteAccountAsync(ada.Password)).EnsureSuccessStatusCode();
        Assert.Empty(await TypesAsync(ada));
        Assert.Equal(["image/webp"], await TypesAsync(bob));
        // The token outlives the account: by a second until it is refused itself, and until then it keeps nothing.
        using (var late = await PutAsync(ada, Files.Png())) Assert.Equal(Unauthorized, late.StatusCode);
        Assert.Empty(await TypesAsync(ada));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>")]
    [InlineData("<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>")]
    [InlineData("<!DOCTYPE html><script>alert(1)</script>")]
    [InlineData("GIF89a\u0001\0\u0001\0\0\0\0;")]
    [InlineData("BM")]
    [InlineData("RIFF\u0004\0\0\0WAVE")]
    [InlineData("%PDF-1.7")]
    [InlineData(" \u0089PNG\r\n\u001a\n")]
    public async Task What_is_no_picture_is_refused_whatever_it_is_called(string text)
    {
        var ada = await Person.SignedInAsync(service);
        foreach (var type in new[] { "image/png", "image/svg+xml" }) await PutAsync(ada, Encoding.Latin1.GetBytes(text), type).RefusedAsync(UnsupportedMediaType, "unsupported-picture");
        Assert.Empty(await TypesAsync(ada));
    }

    [Fact]
    public async Task What_it_is_is_said_by_its_bytes()
    {
        var ada = await Person.SignedInAsync(service);
        foreach (var (file, type) in new[] { (Files.Png(), "image/png"), (Files.TinyJpeg, "image/jpeg"), (Files.TinyWebp, "image/webp") })
            foreach (var called in new[] { "text/html", "image/svg+xml", "image/gif", null })
            {
                using (var kept = await PutAsync(ada, file, called)) Assert.Equal(NoContent, kept.StatusCode);
                Assert.Equal([type], await TypesAsync(ada));
            }
    }

    [Fact]
    public async Task Too_many_bytes_or_pixels_are_refused_before_anything_is_unpacked()
    {
        var ada = await Person.SignedInAsync(service);
        await PutAsync(ada, [.. Files.Png(), .. new byte[Picture.LargestFile]]).RefusedAsync(RequestEntityTooLarge, "body-too-large");
        byte[] padded = [.. Files.Png(), .. new byte[Picture.LargestFile - Files.Png().Length]];
        using (var largest = await PutAsync(ada, padded)) Assert.Equal(NoContent, largest.StatusCode);
        using (var largest = await PutAsync(ada, Files.Png(1024, 1024, 16))) Assert.Equal(NoContent, largest.StatusCode);
        foreach (var (width, height) in new[] { (1025, 1), (1, 1025), (int.MaxValue, int.MaxValue), (-1, -1) })
            await PutAsync(ada, [.. Files.Signature, .. Files.Header(width, height), .. Files.Chunk("IDAT", Files.Zlib(new byte[9])), .. Files.Chunk("IEND", [])]).RefusedAsync(BadRequest, "picture-too-large");
        var jpeg = (byte[])Files.TinyJpeg.Clone();
        jpeg[Frame(jpeg) + 5] = 0x10;
        await PutAsync(ada, jpeg).RefusedAsync(BadRequest, "picture-too-large");
        var webp = (byte[])Files.TinyWebp.Clone();
        webp[22] = 0x04;
        await PutAsync(ada, webp).RefusedAsync(BadRequest, "picture-too-large");
        // A small file that would unpack to a gigabyte is not unpacked further than its picture goes.
        await PutAsync(ada, Files.Png(2, 2, pixels: new byte[200_000_000])).RefusedAsync(BadRequest, "invalid-picture");
    }

    [Fact]
    public void A_file_that_was_cut_anywhere_is_refused()
    {
        foreach (var file in new[] { Files.Png(), Files.TinyJpeg, Files.TinyWebp, Files.Extended(Files.TinyWebp, 1, 1, 0, ("EXIF", Files.Exif(1))) })
        {
            Picture.Of(file);
            for (var length = 0; length < file.Length; length++) Assert.Throws<PictureException>(() => Picture.Of(file.AsSpan(0, length)));
        }
    }

    [Fact]
    public void Whatever_the_bytes_are_nothing_but_a_refusal_comes_of_them()
    {
        var random = new Random(48);
        byte[][] files = [Files.Png(9, 9, interlace: 0), Files.With(Files.TinyJpeg, Files.JpegSegment(0xe1, [.. "Exif\0\0"u8, .. Files.Exif(6)])), Files.Extended(Files.TinyWebp, 1, 1, 0x1c)];
        for (var i = 0; i < 60_000; i++)
        {
            var file = (byte[])files[i % files.Length].Clone();
            for (var changes = random.Next(1, 5); changes > 0; changes--) file[random.Next(file.Length)] = (byte)random.Next(256);
            try { Assert.True(Picture.Of(file) is { Width: <= 1024, Height: <= 1024 }); }
            catch (PictureException) { }
        }
    }

    [Fact]
    public void A_file_that_is_also_something_else_is_not_that_any_more()
    {
        var (zip, script) = (Encoding.ASCII.GetBytes($"PK\u0003\u0004{Files.Secret}"), Encoding.ASCII.GetBytes(Files.Secret));
        byte[][] files =
        [
            [.. Files.Png(), .. zip],
            [.. Files.Signature, .. Files.Header(1, 1), .. Files.Chunk("IDAT", [.. Files.Zlib(new byte[5]), .. script]), .. Files.Chunk("IEND", [])],
            Files.With(Files.Png(), Files.Chunk("scRt", script), Files.Chunk("fdAT", script)),
            [.. Files.TinyJpeg, .. zip],
            Files.With(Files.TinyJpeg, Files.JpegSegment(0xfe, script), Files.JpegSegment(0xe0, [.. "JFIF\0"u8, 1, 1, 0, 0, 1, 0, 1, 0, 0, .. script]), Files.JpegSegment(0xee, [.. "Adobe"u8, 0, 100, 0, 0, 0, 0, 0, .. script])),
            [.. Files.TinyWebp, .. zip],
            Files.Extended(Files.TinyWebp, 1, 1, 0, ("JUNK", script)),
        ];
        Assert.All(files, file =>
        {
            Assert.True(Files.Has(file, "<script>"));
            Assert.False(Files.Has(Picture.Of(file).Bytes, "<script>"));
        });
        byte[][] refused =
        [
            Files.With(Files.Png(), Files.Chunk("SCRt", script)),                                    // a part that whoever shows it has to know
            [.. Files.Signature, .. Files.Chunk("tEXt", script), .. Files.Png()[8..]],
            Files.Png(colour: 3), Files.Png(depth: 4), Files.Png(2, 2, pixels: new byte[19]),
            Files.With(Files.TinyJpeg, Files.JpegSegment(0xcc, [0, 0])),
            [.. Enumerable.Repeat(Files.TinyJpeg[..^2], 1).SelectMany(one => one), .. Enumerable.Repeat(Files.JpegSegment(0xda, [1, 1, 0, 0, 63, 0]), 64).SelectMany(one => one), 0xff, 0xd9],
            Files.Extended(Files.TinyWebp, 1, 1, 0x02, ("ANMF", script)), Files.Extended(Files.TinyWebp, 2, 1, 0),
        ];
        Assert.All(refused, file => Assert.Throws<PictureException>(() => Picture.Of(file)));
    }

    [Theory]
    [InlineData("image/png", 40, 20)]
    [InlineData("image/jpeg", 40, 20)]
    [InlineData("image/webp", 40, 20)]
    [InlineData("image/png", 1024, 1024)]
    [InlineData("image/jpeg", 1024, 1024)]
    [InlineData("image/webp", 1, 1)]
    public async Task Where_a_photo_was_taken_is_taken_out_and_every_pixel_stays(string type, int width, int height)
    {
        var ada = await Person.SignedInAsync(service);
        var secret = Encoding.ASCII.GetBytes(Files.Secret);
        var drawn = await browser.Window.DrawAsync(type, width, height);
        var isTransparent = type == "image/webp" && Files.Has(drawn, "ALPH");
        var photo = type switch
        {
            "image/png" => Files.With(drawn, Files.Chunk("tEXt", [.. "Comment\0"u8, .. secret]), Files.Chunk("iTXt", [.. "XML:com.adobe.xmp\0\0\0\0\0"u8, .. secret]), Files.Chunk("eXIf", Files.Exif(1))),
            "image/jpeg" => Files.With(drawn, Files.JpegSegment(0xe1, [.. "Exif\0\0"u8, .. Files.Exif(1)]), Files.JpegSegment(0xe1, [.. "http://ns.adobe.com/xap/1.0/\0"u8, .. secret]),
                Files.JpegSegment(0xed, [.. "Photoshop 3.0\0"u8, .. secret]), Files.JpegSegment(0xfe, secret)),
            _ => Files.Extended(drawn, width, height, (byte)(0x0c | (isTransparent ? 0x10 : 0)), ("EXIF", Files.Exif(1)), ("XMP ", secret)),
        };
        Assert.True(Files.Has(photo, Files.Secret));
        using (var kept = await PutAsync(ada, photo, type)) Assert.Equal(NoContent, kept.StatusCode);
        using var shown = await ada.Http.GetAsync(Address, Ct);
        Assert.Equal(type, shown.Content.Headers.ContentType!.ToString());
        var bytes = await shown.Content.ReadAsByteArrayAsync(Ct);
        Assert.All(new[] { Files.Secret, "Exif", "EXIF", "eXIf", "xmp", "XMP", "tEXt", "ICCP", "Photoshop" }, text => Assert.False(Files.Has(bytes, text), text));
        Assert.Equal(await browser.Window.LookAsync(type, drawn), await browser.Window.LookAsync(type, bytes));
    }

    [Fact]
    public async Task A_photo_stays_upright()
    {
        var drawn = await browser.Window.DrawAsync("image/jpeg", 40, 20);
        for (byte orientation = 1; orientation <= 8; orientation++)
        {
            var photo = Files.With(drawn, Files.JpegSegment(0xe1, [.. "Exif\0\0"u8, .. Files.Exif(orientation)]));
            var kept = Picture.Of(photo).Bytes;
            Assert.False(Files.Has(kept, Files.Secret));
            var seen = await browser.Window.LookAsync("image/jpeg", kept);
            Assert.Equal(await browser.Window.LookAsync("image/jpeg", photo), seen);
            Assert.Equal(orientation >= 5 ? (20, 40) : (40, 20), (seen.Width, seen.Height));
        }
    }

    [Fact]
    public async Task Pictures_in_every_form_of_png_are_read()
    {
        foreach (var (depth, colour) in new (byte, byte)[] { (1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (8, 3), (8, 4), (16, 4), (8, 6), (16, 6) })
        {
            var palette = colour == 3 ? new[] { Files.Chunk("PLTE", [1, 2, 3, 200, 100, 50]), Files.Chunk("tRNS", [255, 128]) } : [];
            var file = Files.Png(13, 5, depth, colour, 0, null, palette);
            Assert.Equal(await browser.Window.LookAsync("image/png", file), await browser.Window.LookAsync("image/png", Picture.Of(file).Bytes));
        }
        // Of 1 by 1 the first pass has all; of 13 by 5, one bit deep: (1+1) + (1+1) + (1+1) + 2(1+1) + 1(1+1) + 3(1+1) + 2(1+2) bytes.
        foreach (var (width, height, bytes) in new[] { (1, 1, 2), (13, 5, 24) })
        {
            var file = Files.Png(width, height, 1, 0, 1, new byte[bytes]);
            Assert.Equal(await browser.Window.LookAsync("image/png", file), await browser.Window.LookAsync("image/png", Picture.Of(file).Bytes));
        }
    }

    private static int Frame(byte[] jpeg) => jpeg.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xff, 0xc0]);

    private static Task<HttpResponseMessage> PutAsync(Person person, byte[] file, string? type = "image/png")
    {
        var body = new ByteArrayContent(file);
        if (type is not null) body.Headers.ContentType = new MediaTypeHeaderValue(type);
        return person.Http.PutAsync(Address, body, Ct);
    }

    private static Task<HttpResponseMessage> AskAsync(Person person, EntityTagHeaderValue known) =>
        person.Http.SendAsync(new HttpRequestMessage(HttpMethod.Get, Address) { Headers = { IfNoneMatch = { known } } }, Ct);

    private Task<IReadOnlyList<string>> TypesAsync(Person person) => service.SqlAsync<string>("select media_type from avatars where user_id = @AccountId", new { person.AccountId });

    private static async Task<string?> AddressAsync(Person person)
    {
        using var me = await person.Http.GetAsync("/identity/v1/me", Ct);
        return (await me.JsonAsync()).GetProperty("avatar_url") is { ValueKind: JsonValueKind.String } address ? address.GetString() : null;
    }
}
