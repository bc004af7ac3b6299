using OpenReadings.Identity.Tokens;

namespace OpenReadings.Identity.OAuth;

/// <summary>A token of the application itself: it opens the rows of the application's own id, and those that people have shared with it.</summary>
public static class ClientCredentialsGrant
{
    public const string GrantType = "client_credentials";

    public static TokenEndpoint.Response Grant(Application application, Form form, TokenIssuer tokens)
    {
        if (application.IsPublic) throw new RefusedException("unauthorized_client", "A public application cannot prove that it is itself.");
        string[] may = [.. Scope.OfApplications.Intersect(Scope.Split(application.Scope))];
        var wanted = form["scope"] is { } asked ? Scope.Split(asked) : may;
        if (wanted.Length == 0 || wanted.Except(may).Any()) throw new RefusedException("invalid_scope", "The application may not ask for this scope.");
        var scope = string.Join(' ', wanted);
        return new(tokens.Issue(new Grant(application.ClientId, application.Id, TokenIssuer.People, scope)), "Bearer", TokenIssuer.LivesForSeconds, scope);
    }
}
