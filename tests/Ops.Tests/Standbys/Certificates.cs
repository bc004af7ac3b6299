using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace OpenReadings.Ops.Tests.Standbys;

/// <summary>An authority and the certificate of a server named <c>localhost</c>, as files.</summary>
internal sealed record Certificates(string Root, string Certificate, string Key)
{
    public static Certificates In(string folder)
    {
        var now = DateTimeOffset.UtcNow;
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var root = new CertificateRequest("CN=Test root", rootKey, HashAlgorithmName.SHA256);
        root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var authority = root.CreateSelfSigned(now.AddHours(-1), now.AddDays(2));

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using var server = request.Create(authority, now.AddHours(-1), now.AddDays(1), RandomNumberGenerator.GetBytes(16));

        var files = new Certificates(Path.Combine(folder, "root.crt"), Path.Combine(folder, "made.crt"), Path.Combine(folder, "made.key"));
        File.WriteAllText(files.Root, authority.ExportCertificatePem());
        File.WriteAllText(files.Certificate, server.ExportCertificatePem());
        File.WriteAllText(files.Key, key.ExportPkcs8PrivateKeyPem());
        return files;
    }
}
