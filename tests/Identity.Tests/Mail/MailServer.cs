using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using OpenReadings.Support;

namespace OpenReadings.Identity.Tests.Mail;

/// <summary>A mail that arrived.</summary>
public sealed partial record Arrived(string[] To, string From, string[][] Headers, string Text)
{
    public string Subject => Headers.Single(header => header[0] == "Subject")[1];
    public string Token => Tokens().Match(Text).Value;

    [GeneratedRegex("om_[A-Za-z0-9_-]{43}")]
    private static partial Regex Tokens();
}

/// <summary>A real mail server on loopback (Debian's aiosmtpd), that wants a user and a password, or TLS.</summary>
public sealed class MailServer : IDisposable
{
    public const string User = "openreadings", Password = "not-for-any-log-mail";
    private readonly Process process;
    private readonly DirectoryInfo folder;
    private readonly List<Arrived> arrived = [];

    private MailServer(Process process, DirectoryInfo folder, int port) => (this.process, this.folder, Port) = (process, folder, port);

    public int Port { get; }

    /// <summary>Whether it takes mail.</summary>
    public bool IsDown
    {
        set
        {
            var path = Path.Combine(folder.FullName, "down");
            if (value) File.WriteAllText(path, "");
            else File.Delete(path);
        }
    }

    public static MailServer Start(bool withTls = false)
    {
        var folder = Directory.CreateTempSubdirectory("mail");
        if (withTls)
        {
            using var key = System.Security.Cryptography.RSA.Create(2048);
            using var certificate = new System.Security.Cryptography.X509Certificates.CertificateRequest("CN=localhost", key, System.Security.Cryptography.HashAlgorithmName.SHA256, System.Security.Cryptography.RSASignaturePadding.Pkcs1)
                .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
            File.WriteAllText(Path.Combine(folder.FullName, "cert.pem"), certificate.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder.FullName, "key.pem"), key.ExportPkcs8PrivateKeyPem());
        }
        string[] arguments = [Path.Combine(TestServers.Root, "tests", "clients", "smtp.py"), folder.FullName, .. withTls ? new[] { "starttls" } : []];
        var process = Process.Start(new ProcessStartInfo("/usr/bin/python3", arguments) { RedirectStandardOutput = true })!;
        var server = new MailServer(process, folder, int.Parse(process.StandardOutput.ReadLine()!, System.Globalization.CultureInfo.InvariantCulture));
        new Thread(server.Listen) { IsBackground = true }.Start();
        return server;
    }

    private void Listen()
    {
        while (process.StandardOutput.ReadLine() is { } line)
            lock (arrived) arrived.Add(JsonSerializer.Deserialize<Arrived>(line, Chassis.Json.Options)!);
    }

    public IReadOnlyList<Arrived> To(string address)
    {
        lock (arrived) return [.. arrived.Where(mail => mail.To.Contains(address, StringComparer.OrdinalIgnoreCase))];
    }

    /// <summary>The newest mail to an address with that subject, as soon as it is there.</summary>
    public async Task<Arrived> WaitForAsync(string address, string subject)
    {
        for (var since = Stopwatch.StartNew(); ; await Task.Delay(20, TestContext.Current.CancellationToken))
        {
            if (To(address).LastOrDefault(mail => mail.Subject == subject) is { } mail) return mail;
            if (since.Elapsed > TimeSpan.FromSeconds(20)) throw new TimeoutException($"No mail \"{subject}\" came. There are: {string.Join(", ", To(address).Select(one => one.Subject))}");
        }
    }

    public void Dispose()
    {
        process.Kill();
        process.WaitForExit();
        process.Dispose();
        folder.Delete(recursive: true);
    }
}

/// <summary>The identity service with a mail server beside it.</summary>
public sealed class MailingService : IdentityService
{
    public MailServer Mail { get; } = MailServer.Start();

    protected override IEnumerable<KeyValuePair<string, string?>> Settings =>
    [
        .. base.Settings, new("Mail:Host", "127.0.0.1"), new("Mail:Port", $"{Mail.Port}"), new("Mail:Security", "none"), new("Mail:User", MailServer.User), new("Mail:Password", MailServer.Password),
        new("Mail:From", "OpenReadings <noreply@readings.example>"),
    ];

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        Mail.Dispose();
        GC.SuppressFinalize(this);
    }
}
