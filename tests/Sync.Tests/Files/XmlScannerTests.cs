using System.Text;
using OpenReadings.Sync.Files;

namespace OpenReadings.SyncTests.Files;

public sealed class XmlScannerTests
{
    [Fact]
    public void Attributes_come_in_any_order_with_either_quote_and_blanks_around_the_sign()
    {
        using var xml = Scanner("""<Record value='72' unit = "count/min"  note='say "hi"' type="A"/>""");
        Assert.Equal(XmlToken.Empty, xml.Read());
        Assert.Equal("A", xml.Text("type"u8));
        Assert.Equal("count/min", xml.Text("unit"u8));
        Assert.Equal("72", xml.Text("value"u8));
        Assert.Equal("""say "hi" """.Trim(), xml.Text("note"u8));
        Assert.Null(xml.Text("absent"u8));
        Assert.Equal(XmlToken.End, xml.Read());
        Assert.False(xml.CutShort);
    }

    [Theory]
    [InlineData("&lt;&lt;HKDevice&gt; &amp; &quot;x&quot; &apos;", "<<HKDevice> & \"x\" '")]
    [InlineData("&#8217; &#x2019; &#x1F600;", "’ ’ 😀")]
    [InlineData("a & b &; &#0; &#xD800; &#99999999; &unknown; &", "a & b &; &#0; &#xD800; &#99999999; &unknown; &")]
    [InlineData("", "")]
    public void Five_entities_and_numbers_are_undone_and_all_others_stay_as_they_are(string written, string read)
    {
        using var xml = Scanner($"<R a=\"{written}\"/>");
        xml.Read();
        Assert.Equal(read, xml.Text("a"u8));
    }

    [Fact]
    public void A_dtd_with_entities_that_would_grow_to_gigabytes_is_passed_over()
    {
        var laughs = string.Concat(Enumerable.Range(1, 9).Select(i =>
            $"<!ENTITY lol{i} \"{string.Concat(Enumerable.Repeat($"&lol{i - 1};", 10))}\">\n"));
        using var xml = Scanner($"""
            <?xml version="1.0"?>
            <!DOCTYPE lolz [
            <!-- it's > a comment with ]> in it -->
            <!ENTITY lol0 "lol">
            {laughs}<!ELEMENT lolz (#PCDATA)>
            <!ENTITY file SYSTEM "file:///etc/passwd">
            <!ATTLIST Record value CDATA #REQUIRED
            ]>
            <lolz a="&lol9;&file;">&lol9;</lolz>
            """);
        Assert.Equal(XmlToken.Open, xml.Read());
        Assert.Equal("lolz", Encoding.UTF8.GetString(xml.Name));
        Assert.Equal("&lol9;&file;", xml.Text("a"u8));
        Assert.Equal(18, xml.Line);
        Assert.Equal(XmlToken.Close, xml.Read());
        Assert.Equal(XmlToken.End, xml.Read());
    }

    [Fact]
    public void Comments_cdata_and_instructions_hold_no_tags() =>
        Assert.Equal(["A", "B"], Names("<!-- <No/> --><A/><![CDATA[ <No/> ]] > ]]><?php <No/> ?><B/>"));

    [Theory]
    [InlineData("<Bad a=\"1 b=\"2\"/>\n<Good/>", "An attribute has no value.")]
    [InlineData("<Bad a=\"1/>\n<Good/>", "An attribute's value has no closing quote.")]
    [InlineData("<Bad a=1/>\n<Good/>", "An attribute's value is not quoted.")]
    [InlineData("<Bad a/>\n<Good/>", "An attribute has no value.")]
    [InlineData("<Bad a=\"1\"\n<Good/>", "A new tag begins before this one ends.")]
    [InlineData("<Bad \"1\">\n<Good/>", "An attribute has no value.")]
    public void After_a_broken_tag_the_next_one_is_read(string text, string fault)
    {
        using var xml = Scanner(text);
        Assert.Equal(XmlToken.Broken, xml.Read());
        Assert.Equal("Bad", Encoding.UTF8.GetString(xml.Name));
        Assert.Equal(fault, xml.Fault);
        Assert.Equal(1, xml.Line);
        Assert.Equal(XmlToken.Empty, xml.Read());
        Assert.Equal("Good", Encoding.UTF8.GetString(xml.Name));
        Assert.Equal(2, xml.Line);
    }

    [Fact]
    public void A_tag_longer_than_the_window_may_grow_is_broken_and_the_next_one_is_read()
    {
        var huge = $"<Huge a=\"{new string('x', 3_000_000)}\"/><Next/>";
        using var xml = new XmlScanner(new ByteWindow(new MemoryStream(Encoding.ASCII.GetBytes(huge)), limit: 1 << 20));
        Assert.Equal(XmlToken.Broken, xml.Read());
        Assert.Contains("longer than", xml.Fault);
        Assert.Equal(XmlToken.Empty, xml.Read());
        Assert.Equal("Next", Encoding.UTF8.GetString(xml.Name));
    }

    [Theory]
    [InlineData("<A><B x=\"1")]
    [InlineData("<A><B ")]
    [InlineData("<A><B")]
    [InlineData("<A><")]
    [InlineData("<A></B")]
    [InlineData("<A><!-- never")]
    public void A_file_that_ends_inside_a_tag_is_cut_short(string text)
    {
        using var xml = Scanner(text);
        while (xml.Read() != XmlToken.End) { }
        Assert.True(xml.CutShort);
    }

    [Fact]
    public void Every_cut_of_a_file_and_every_size_of_read_ends_in_the_same_tags()
    {
        const string text = "<?xml version='1.0'?><!DOCTYPE a [<!ELEMENT a (b)>]>\n<a x='1'>\n<!-- c --><b y=\"&amp;\"/><![CDATA[<z/>]]>\n</a>";
        var whole = Tokens(new MemoryStream(Encoding.UTF8.GetBytes(text)));
        Assert.Equal(["Open a 2", "Empty b 3", "Close a 4"], whole);
        Assert.Equal(whole, Tokens(new Dripping(Encoding.UTF8.GetBytes(text))));
        for (var cut = 0; cut < text.Length; cut++)
        {
            var part = Tokens(new Dripping(Encoding.UTF8.GetBytes(text[..cut])));
            Assert.Equal(whole.Take(part.Count(token => !token.StartsWith("Broken", StringComparison.Ordinal))),
                part.Where(token => !token.StartsWith("Broken", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void Random_bytes_never_hang_or_throw()
    {
        var random = new Random(7);
        var alphabet = "<>/!?-[]=\"'&; \nabR"u8.ToArray();
        for (var run = 0; run < 3_000; run++)
        {
            var bytes = new byte[random.Next(200)];
            for (var i = 0; i < bytes.Length; i++) bytes[i] = alphabet[random.Next(alphabet.Length)];
            using var xml = new XmlScanner(new ByteWindow(new MemoryStream(bytes)));
            for (var tokens = 0; xml.Read() != XmlToken.End; tokens++)
            {
                Assert.True(tokens <= bytes.Length);
                xml.TryGet("a"u8, out _);
                _ = xml.Name.Length;
            }
        }
    }

    private static XmlScanner Scanner(string text) => new(new ByteWindow(new MemoryStream(Encoding.UTF8.GetBytes(text))));

    private static List<string> Names(string text)
    {
        using var xml = Scanner(text);
        var names = new List<string>();
        while (xml.Read() != XmlToken.End) names.Add(Encoding.UTF8.GetString(xml.Name));
        return names;
    }

    private static List<string> Tokens(Stream stream)
    {
        using var xml = new XmlScanner(new ByteWindow(stream));
        var tokens = new List<string>();
        for (var token = xml.Read(); token != XmlToken.End; token = xml.Read())
            tokens.Add($"{token} {Encoding.UTF8.GetString(xml.Name)} {xml.Line}");
        return tokens;
    }

    /// <summary>Gives one byte at a time, as a slow connection might.</summary>
    private sealed class Dripping(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, 1));
    }
}
