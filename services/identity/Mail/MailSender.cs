using System.Text.Json;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;
using OpenReadings.Chassis;
using OpenReadings.Identity.Pages;
using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.Mail;

/// <summary>
/// Sends what waits in mail_outbox, by SMTP (<c>Mail:Host</c>) or, for development, as files into a folder (<c>Mail:Directory</c>). Several
/// replicas do not send twice, but for one that dies between sending and noting it; what cannot be sent is tried for a day.
/// </summary>
public sealed class MailSender(IConfiguration config, Database database, TokenIssuer tokens, TimeProvider clock, ILogger<MailSender> log) : BackgroundService
{
    private const int AtOnce = 20;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private readonly string? host = config["Mail:Host"], folder = config["Mail:Directory"];
    private readonly string from = config["Mail:From"] ?? "OpenReadings <openreadings@localhost>";

    private sealed record Waiting(Guid UserId, Guid MailId, string Kind, string ToAddress, string Details, int Attempts, bool IsGivenUp);

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        if (host is null && folder is null) log.LogWarning("Mail:Host is not set: no mail is sent. Nobody can confirm an address or choose a new password");
        if (host is not null && Security == SecureSocketOptions.None && !(host is "localhost" || System.Net.IPAddress.TryParse(host, out var address) && System.Net.IPAddress.IsLoopback(address)))
            throw new StartRefusedException("Mail:Security is none and Mail:Host is not this machine: mails and the password would be open to everybody on the way. Use starttls or tls.");
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (host is null && folder is null) return;
        using var timer = new PeriodicTimer(Pause, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try { while (await SendOnceAsync(stoppingToken) == AtOnce) { } }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested) { log.LogWarning("Mail was not sent, the next round tries again: {Reason}", e.GetType().Name); }
        }
    }

    /// <summary>Sends what is due, and says how many it was.</summary>
    public async Task<int> SendOnceAsync(CancellationToken ct)
    {
        IReadOnlyList<Waiting> due;
        await using (var db = await database.BeginUnownedAsync(ct))
        {
            due = await db.QueryAsync<Waiting>("select user_id, mail_id, kind, to_address, details, attempts, is_given_up from take_mail(@AtOnce)", new { AtOnce });
            await db.CommitAsync();
        }
        foreach (var mail in due)
        {
            if (mail.IsGivenUp) log.LogWarning("A mail of kind {Kind} to account {AccountId} could not be sent for a day and is given up", mail.Kind, mail.UserId);
            else if (!await TryAsync(mail, ct)) continue;
            await using var db = await database.BeginAsync(mail.UserId, ct);
            await db.ExecuteAsync("delete from mail_outbox where mail_id = @MailId", mail);
            await db.CommitAsync();
        }
        return due.Count;
    }

    private async Task<bool> TryAsync(Waiting mail, CancellationToken ct)
    {
        try
        {
            if (await WriteAsync(mail, ct) is { } letter) await SendAsync(letter, ct);
            return true;
        }
        catch (Exception e) when (!ct.IsCancellationRequested && e is not Npgsql.NpgsqlException)
        {
            // The server's words may hold the address.
            log.LogWarning("A mail of kind {Kind} to account {AccountId} was not sent, try {Attempts}: {Reason}", mail.Kind, mail.UserId, mail.Attempts, e.GetType().Name);
            return false;
        }
    }

    // Null where it is not wanted any more: an invitation that was revoked, a token that was taken back before it was made.
    private async Task<Letter?> WriteAsync(Waiting mail, CancellationToken ct)
    {
        var details = JsonSerializer.Deserialize<Letters.Details>(mail.Details, Json.Options)!;
        var token = MailToken.New();
        await using var db = await database.BeginAsync(mail.UserId, ct);
        // First, as everybody does who takes mails back: two that lock in another order would wait for each other.
        await db.ExecuteAsync("select from accounts for key share");
        if (details.InvitationId is { } invitationId)
        {
            if (await db.ExecuteAsync("update invitations set token_hash = @Hash where invitation_id = @invitationId and revoked_at is null and accepted_at is null", new { token.Hash, invitationId }) == 0) return null;
        }
        else if (Letters.TokenOf(mail.Kind) is var (purpose, lasts) && await db.ExecuteAsync(
            """
            insert into mail_tokens (token_hash, purpose, email, created_at, expires_at)
            select @Hash, @purpose, to_address, created_at, now() + @lasts from mail_outbox where mail_id = @MailId for update
            """, new { token.Hash, purpose, mail.MailId, lasts }) == 0) return null;
        await db.CommitAsync();
        var link = mail.Kind == Letters.Invitation ? SignUpOnPage.LinkOf(tokens.Issuer, mail.ToAddress, token.Value)
            : Letters.TokenOf(mail.Kind) is null ? ForgottenPassword.LinkOf(tokens.Issuer)
            : $"{tokens.Issuer}/mail?token={token.Value}";
        return Letters.Of(mail.Kind, mail.ToAddress, link, details);
    }

    private async Task SendAsync(Letter letter, CancellationToken ct)
    {
        // MimeKit encodes what is given to it: a line end in a name or address cannot become a header.
        using var message = new MimeMessage { Subject = letter.Subject, Date = clock.GetUtcNow(), Body = new TextPart("plain") { Text = letter.Text } };
        message.From.Add(MailboxAddress.Parse(from));
        message.To.Add(new MailboxAddress("", letter.To));
        message.Headers.Add("Auto-Submitted", "auto-generated");
        if (host is null)
        {
            Directory.CreateDirectory(folder!);
            var path = Path.Combine(folder!, $"{clock.GetUtcNow():yyyyMMdd'T'HHmmss.fffffff}.eml");
            await using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
            await message.WriteToAsync(file, ct);
            return;
        }
        using var client = new SmtpClient { Timeout = 30_000, CheckCertificateRevocation = false };
        await client.ConnectAsync(host, config.GetValue("Mail:Port", 587), Security, ct);
        if (config["Mail:User"] is { Length: > 0 } user) await client.AuthenticateAsync(user, config["Mail:Password"]?.Trim() ?? "", ct);
        await client.SendAsync(message, ct);
        await client.DisconnectAsync(quit: true, ct);
    }

    private SecureSocketOptions Security => config["Mail:Security"] switch
    {
        null or "starttls" => SecureSocketOptions.StartTls,
        "tls" => SecureSocketOptions.SslOnConnect,
        "none" => SecureSocketOptions.None,
        var other => throw new StartRefusedException($"Mail:Security is starttls, tls or none, and not {other}."),
    };
}
