using Npgsql;
using OpenReadings.Ops.Access;
using OpenReadings.Ops.Tests.Standbys;

namespace OpenReadings.Ops.Tests.Access;

/// <summary>A server as provision.sh leaves it.</summary>
public sealed class ProvisionedServer : IAsyncLifetime
{
    internal string Folder { get; } = Shell.TemporaryFolder();
    internal OwnCluster Server { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Server = await OwnCluster.ProvisionAsync(Certificates.In(Folder), withData: true);
        await Server.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }
}

public sealed class HbaTests(ProvisionedServer provisioned) : IClassFixture<ProvisionedServer>
{
    private readonly OwnCluster server = provisioned.Server;
    private readonly string folder = provisioned.Folder;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_client_comes_in_with_TLS_by_the_right_name_and_the_right_authority_and_in_no_other_way()
    {
        Assert.Equal("on TLSv1.3 scram-sha-256", await Sql.ScalarAsync<string>(server.Superuser,
            """
            select concat_ws(' ', current_setting('data_checksums'), version, current_setting('password_encryption'))
            from pg_stat_ssl where pid = pg_backend_pid() and ssl
            """));
        Assert.Equal("postgres", await Sql.ScalarAsync<string>(With(s => s.ChannelBinding = ChannelBinding.Require), "select current_user::text"));

        var plain = await Assert.ThrowsAsync<PostgresException>(() => Sql.ScalarAsync<int>(With(s => s.SslMode = SslMode.Disable), "select 1"));
        Assert.Equal(PostgresErrorCodes.InvalidAuthorizationSpecification, plain.SqlState);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => Sql.ScalarAsync<int>(With(s => s.Host = "127.0.0.1"), "select 1"));
        var other = Directory.CreateDirectory(Path.Combine(folder, "other")).FullName;
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => Sql.ScalarAsync<int>(With(s => s.RootCertificate = Certificates.In(other).Root), "select 1"));
    }

    [Fact]
    public async Task Provisioning_again_keeps_the_data_and_the_rules_and_renews_the_certificate()
    {
        await Sql.RunAsync(server.Superuser, "create table kept ()");
        var renewed = Certificates.In(folder);
        await Shell.MustAsync("deploy/postgres/provision.sh \"$1/settings\" \"$1/data\" \"$2\" \"$1/password\" \"$3\" \"$4\"", null,
            server.Folder, $"{server.Port}", renewed.Certificate, renewed.Key);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => Sql.ScalarAsync<int>(server.Superuser, "select 1"));     // a new root, the old certificate
        await Sql.RunAsync(With(s => s.SslMode = SslMode.Require), "select pg_reload_conf()");
        Assert.Equal(0L, await Sql.ScalarAsync<long>(server.Superuser, "select count(*) from kept"));
        Assert.DoesNotContain("10.20", await File.ReadAllTextAsync(Path.Combine(server.Settings, "pg_hba.conf"), Ct), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_sample_has_nothing_wrong_and_each_rule_that_opens_too_much_is_named_with_its_line()
    {
        var file = Path.Combine(server.Settings, "pg_hba.conf");
        var ours = await File.ReadAllTextAsync(file, Ct);
        var sample = await File.ReadAllTextAsync(Path.Combine(Support.TestServers.Root, "deploy", "postgres", "pg_hba.conf"), Ct);
        await File.WriteAllTextAsync(file, ours + sample, Ct);
        var answer = await HbaVerb.RunAsync(server.Superuser, reload: true, _ => { }, Ct);
        Assert.Empty(answer.Findings);
        Assert.True(answer.Reloaded);

        await File.WriteAllTextAsync(file, """
            host     all  all  10.0.0.0/8    scram-sha-256
            hostssl  all  all  10.0.0.0/8    md5
            hostssl  all  all  0.0.0.0/0     scram-sha-256
            local    all  all                trust
            hostssl  all  all  10.0.0.0/8    scram
            host     all  all  0.0.0.0/0     reject
            host     all  all  127.0.0.1/32  scram-sha-256

            """, Ct);
        answer = await HbaVerb.RunAsync(server.Superuser, reload: true, _ => { }, Ct);
        Assert.False(answer.Reloaded);
        Assert.Equal(
            ["1: host lets data", "2: md5 is no", "3: everybody's", "4: trust is no", "5: invalid authentication"],
            answer.Findings.Select(finding => string.Join(' ', finding.Split("line ")[1].Split(' ').Take(finding.Contains("everybody", StringComparison.Ordinal) ? 2
                : finding.Contains("invalid", StringComparison.Ordinal) ? 3 : 4))));
        await File.WriteAllTextAsync(file, ours, Ct);
        Assert.Equal("on", await Sql.ScalarAsync<string>(server.Superuser, "show ssl"));       // what is in force still lets us in
    }

    private string With(Action<NpgsqlConnectionStringBuilder> change)
    {
        var settings = new NpgsqlConnectionStringBuilder(server.Superuser);
        change(settings);
        return settings.ConnectionString;
    }
}
