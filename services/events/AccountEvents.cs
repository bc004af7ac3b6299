namespace OpenReadings.Events;

/// <summary>Somebody signed up. Exchange <c>identity.events</c>.</summary>
/// <param name="UserId">The new account, which is also the person's id in every service.</param>
/// <param name="CreatedAt">When the account was made.</param>
public sealed record AccountCreated(Guid UserId, DateTimeOffset CreatedAt) : IEvent
{
    public static string Type => "account.created.v1";
    public string Subject => UserId.ToString();
}

/// <summary>Somebody deleted their account: every service forgets the person. Exchange <c>identity.events</c>.</summary>
/// <param name="UserId">The person to forget.</param>
/// <param name="DeletedAt">When the account was deleted.</param>
public sealed record AccountDeleted(Guid UserId, DateTimeOffset DeletedAt) : IEvent
{
    public static string Type => "account.deleted.v1";
    public string Subject => UserId.ToString();
}

/// <summary>Somebody has taken their account back: what was shared from it since may be somebody else's doing. Exchange <c>identity.events</c>.</summary>
/// <param name="UserId">Whose account.</param>
/// <param name="Since">From when on somebody else may have held it.</param>
/// <param name="RecoveredAt">When it was taken back, and all its logins ended.</param>
public sealed record AccountRecovered(Guid UserId, DateTimeOffset Since, DateTimeOffset RecoveredAt) : IEvent
{
    public static string Type => "account.recovered.v1";
    public string Subject => UserId.ToString();
}

/// <summary>A service has nothing of a person any more. Exchange <c>&lt;service&gt;.events</c>.</summary>
/// <param name="UserId">The person that was forgotten.</param>
/// <param name="Service">Which service has forgotten: readings or sync.</param>
/// <param name="ErasedAt">When the last of it was gone. Backups keep it until they are pruned.</param>
public sealed record AccountErased(Guid UserId, string Service, DateTimeOffset ErasedAt) : IEvent
{
    public static string Type => "account.erased.v1";
    public string Subject => UserId.ToString();
}
