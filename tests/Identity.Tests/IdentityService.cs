using Dapper;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using OpenReadings.Identity.Tests;
using OpenReadings.Support;

[assembly: AssemblyFixture(typeof(IdentityService))]

namespace OpenReadings.Identity.Tests;

/// <summary>The identity service, which here verifies tokens with the keys it publishes itself.</summary>
public class IdentityService() : ServiceUnderTest<Program>("identity")
{
    public const string SyncSecret = "not-for-any-log-sync";
    public static readonly string KeyEncryptionKey = Convert.ToBase64String(
        [.. Enumerable.Range(100, 32).Select(i => (byte)i)]);

    /// <summary>What no line of the log may hold: every secret of these tests has one of them in it.</summary>
    public static readonly string[] Secrets =
        ["not-for-any-log", "Not-for-any-log", KeyEncryptionKey, "rt_", "eyJ", "$argon2", "or_live_", "oc_", "os_", "od_", "otpauth:", "om_", "oq_"];

    protected override IEnumerable<KeyValuePair<string, string?>> Settings =>
    [
        new("KeyEncryptionKey", KeyEncryptionKey),
        new("Clients:sync", SyncSecret),
        new("Passwords:Waiting", "1000"),
        // Beside other suites nobody would ever be done who lets all others go first.
        new("Passwords:Niceness", "0"),
        new("Identity:Jwks", "http://myself.invalid/identity/.well-known/jwks.json"),
        // The talkative levels as well: what is looked for must not be there for somebody who debugs, either.
        .. new[] { "Default", "Microsoft.AspNetCore", "System.Net.Http", "Npgsql" }.Select(name =>
            new KeyValuePair<string, string?>($"Logging:LogLevel:{name}", "Trace")),
        new("Logging:Console:LogLevel:Default", "None"),
    ];

    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        base.ConfigureWebHost(builder);
        // The port is known only once it listens.
        builder.ConfigureServices(services =>
        {
            foreach (var name in new[] { "jwks", "revocations" }) services.AddHttpClient(name).AddHttpMessageHandler(() => new ToMyself(this));
        });
    }

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        // The relay empties the outbox at once. What passed is kept where no guard looks for a person's rows.
        await SqlAsync(
            """
            create schema kept;
            create table kept.events as select * from outbox;
            create function kept.keep() returns trigger language plpgsql security definer as
                'begin insert into kept.events select new.*; return new; end';
            create trigger keep before insert on outbox for each row execute function kept.keep();
            """);
    }

    /// <summary>One statement as the superuser, past every policy: what the service would not do for anybody.</summary>
    public async Task<IReadOnlyList<T>> SqlAsync<T>(string sql, object? args = null)
    {
        await using var connection = new NpgsqlConnection(Database.Superuser);
        return (await connection.QueryAsync<T>(sql, args)).AsList();
    }

    public Task SqlAsync(string sql, object? args = null) => SqlAsync<object>(sql, args);

    /// <summary>Log lines of this run that give a secret away. Empty when all is well.</summary>
    public IReadOnlyList<string> Leaks() =>
        [.. Log.Lines.Where(line => Secrets.Any(secret => Holds(line, secret)))];

    // The id of a key is random, too, and has "rt_" somewhere within it now and then.
    private static bool Holds(string line, string secret)
    {
        for (var at = line.IndexOf(secret, StringComparison.Ordinal); at >= 0; at = line.IndexOf(secret, at + 1, StringComparison.Ordinal))
            if (at == 0 || !secret.EndsWith('_') || !(char.IsAsciiLetterOrDigit(line[at - 1]) || line[at - 1] is '_' or '-')) return true;
        return false;
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
        Assert.Empty(Leaks());                              // the whole run, not only the test that asks for it
    }

    private sealed class ToMyself(IdentityService service) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.RequestUri = new Uri(service.Address, request.RequestUri!.PathAndQuery);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
