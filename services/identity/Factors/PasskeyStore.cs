using Microsoft.AspNetCore.Identity;
using OpenReadings.Chassis;

namespace OpenReadings.Identity.Factors;

/// <summary>
/// The passkeys of one person, for the framework to check credentials against. It only reads: what follows from a credential is written by
/// whoever asked, in the same transaction.
/// </summary>
public sealed class PasskeyStore(UserTransaction db, Guid person) : IUserPasskeyStore<PasskeyOwner>
{
    private sealed record Row(byte[] CredentialId, byte[] PublicKey, DateTimeOffset CreatedAt, string Transports, bool IsBackupEligible, bool IsBackedUp);

    public async Task<IList<UserPasskeyInfo>> GetPasskeysAsync(PasskeyOwner user, CancellationToken cancellationToken) => await FindAsync(user.UserId, null);

    public async Task<UserPasskeyInfo?> FindPasskeyAsync(PasskeyOwner user, byte[] credentialId, CancellationToken cancellationToken) =>
        (await FindAsync(user.UserId, credentialId)).SingleOrDefault();

    public async Task<PasskeyOwner?> FindByPasskeyIdAsync(byte[] credentialId, CancellationToken cancellationToken) =>
        await FindPasskeyAsync(new(person), credentialId, cancellationToken) is null ? null : new(person);

    // A credential that says it is somebody else's is nobody's here.
    public Task<PasskeyOwner?> FindByIdAsync(string userId, CancellationToken cancellationToken) =>
        Task.FromResult(Guid.TryParseExact(userId, "D", out var id) && id == person ? new PasskeyOwner(person) : null);

    public Task<string> GetUserIdAsync(PasskeyOwner user, CancellationToken cancellationToken) => Task.FromResult(user.UserId.ToString());

    private async Task<IList<UserPasskeyInfo>> FindAsync(Guid wanted, byte[]? credentialId)
    {
        if (wanted != person) return [];
        var rows = await db.QueryAsync<Row>(
            """
            select credential_id, public_key, created_at, transports, is_backup_eligible, is_backed_up
            from passkeys
            where @credentialId::bytea is null or credential_id = @credentialId
            """, new { credentialId });
        // A counter of 0 is never refused: SignInWithPasskey compares it itself, where a copy is told to its person.
        return [.. rows.Select(row => new UserPasskeyInfo(row.CredentialId, row.PublicKey, row.CreatedAt, 0,
            row.Transports.Split(' ', StringSplitOptions.RemoveEmptyEntries), true, row.IsBackupEligible, row.IsBackedUp, [], []))];
    }

    public void Dispose() { }

    public Task AddOrUpdatePasskeyAsync(PasskeyOwner user, UserPasskeyInfo passkey, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task RemovePasskeyAsync(PasskeyOwner user, byte[] credentialId, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<string?> GetUserNameAsync(PasskeyOwner user, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task SetUserNameAsync(PasskeyOwner user, string? userName, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<string?> GetNormalizedUserNameAsync(PasskeyOwner user, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task SetNormalizedUserNameAsync(PasskeyOwner user, string? normalizedName, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<IdentityResult> CreateAsync(PasskeyOwner user, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<IdentityResult> UpdateAsync(PasskeyOwner user, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<IdentityResult> DeleteAsync(PasskeyOwner user, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<PasskeyOwner?> FindByNameAsync(string normalizedUserName, CancellationToken cancellationToken) => throw new NotSupportedException();
}
