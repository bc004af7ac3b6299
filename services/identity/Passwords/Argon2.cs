using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Passwords;

/// <summary>Argon2id by libsodium, with the parameters OWASP names first: 19 MiB, two passes, one lane.</summary>
internal static partial class Argon2
{
    private const string Library = "libsodium";
    private const int StringBytes = 128;
    private const ulong Passes = 2;

    /// <summary>Bytes that one hash takes while it is made.</summary>
    public const int Memory = 19 * 1024 * 1024;

    static Argon2() => NativeLibrary.SetDllImportResolver(typeof(Argon2).Assembly, Resolve);

    /// <summary>Finds the library now: a machine without it must not start.</summary>
    public static void Prepare()
    {
        try
        {
            if (sodium_init() < 0) throw new StartRefusedException(
                "libsodium could not be initialised.");
        }
        catch (DllNotFoundException)
        {
            throw new StartRefusedException(
                "libsodium, which hashes passwords, is missing: apt-get install libsodium23.");
        }
    }

    public static string Hash(string password)
    {
        Span<byte> hash = stackalloc byte[StringBytes];
        var secret = Encoding.UTF8.GetBytes(password);
        try
        {
            if (crypto_pwhash_str(hash, secret, (ulong)secret.Length, Passes, Memory) != 0)
                throw new InsufficientMemoryException("There is no memory to hash a password with.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
        return Encoding.ASCII.GetString(hash[..hash.IndexOf((byte)0)]);
    }

    public static bool Verify(string hash, string password)
    {
        var secret = Encoding.UTF8.GetBytes(password);
        try
        {
            return crypto_pwhash_str_verify(Terminated(hash), secret, (ulong)secret.Length) == 0;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>True for a hash that was made with other parameters than today's.</summary>
    public static bool IsOutdated(string hash) => crypto_pwhash_str_needs_rehash(Terminated(hash), Passes, Memory) != 0;

    private static byte[] Terminated(string hash)
    {
        var text = new byte[StringBytes];
        return Encoding.ASCII.TryGetBytes(hash, text.AsSpan(0, StringBytes - 1), out _) ? text : new byte[StringBytes];
    }

    // Debian 12 has .23, later ones have .26; the functions used here are the same in both.
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Library) return 0;
        foreach (var candidate in new[] { "libsodium.so.23", "libsodium.so.26", Library })
            if (NativeLibrary.TryLoad(candidate, assembly, path, out var handle)) return handle;
        return 0;
    }

    [LibraryImport(Library)]
    private static partial int sodium_init();

    [LibraryImport(Library)]
    private static partial int crypto_pwhash_str(
        Span<byte> hash, ReadOnlySpan<byte> password, ulong length, ulong passes, nuint memory);

    [LibraryImport(Library)]
    private static partial int crypto_pwhash_str_verify(
        ReadOnlySpan<byte> hash, ReadOnlySpan<byte> password, ulong length);

    [LibraryImport(Library)]
    private static partial int crypto_pwhash_str_needs_rehash(ReadOnlySpan<byte> hash, ulong passes, nuint memory);
}
