using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.WebUtilities;
using OpenReadings.Chassis;
using OpenReadings.Identity.Accounts;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.OAuth;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Pages;

/// <summary>
/// The page where a person makes an account: on the way to an application, or by the link in an invitation. The answer is the same where the address
/// has an account already (docs/decisions/0006-sign-up-tells-nothing.md).
/// </summary>
public static class SignUpOnPage
{
    public const string Path = "/identity/sign-up";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/sign-up", (HttpContext http, IConfiguration config, BrowserSession sessions, Page page, string? @return, string? email, string? invitation) =>
            ShowAsync(http, config, sessions, page, new(email, null, null, null, invitation), @return)).ExcludeFromDescription();
        routes.MapPost("/sign-up", HandleAsync).DisableAntiforgery().ExcludeFromDescription();
    }

    /// <summary>What the mail of an invitation leads to.</summary>
    public static string LinkOf(string issuer, string email, string invitation) =>
        QueryHelpers.AddQueryString($"{issuer}/sign-up", new Dictionary<string, string?> { ["email"] = email, ["invitation"] = invitation });

    private static async Task<IResult> HandleAsync(
        HttpContext http, Database database, PasswordHasher passwords, IConfiguration config, BrowserSession sessions, Page page, TimeProvider clock, CancellationToken ct)
    {
        var form = await Form.OfAsync(http.Request, ct);
        var (next, wanted) = (form["return"], new SignUp.Request(form["email"], form["password"], form["name"], null, form["invitation"]));
        // Nothing of it is shown again: somebody else may have filled it in.
        if (!sessions.IsOurs(http, form))
            return await ShowAsync(http, config, sessions, page, new(null, null, null, null), next, "The form was too old. Try once more; if you were invited, open the link in the mail again.", 403);
        if ((await SignUp.HandleAsync(wanted, database, passwords, config, clock, ct)).Result is ProblemHttpResult problem)
            return await ShowAsync(http, config, sessions, page, wanted, next, Page.Reasons(problem), problem.StatusCode);
        return await page.ShowAsync<MessagePage>(http, new()
        {
            ["Title"] = "Almost done",
            ["Text"] = $"If {wanted.Email} had no account, it has one now. If we do not know yet that the address is yours, a mail with a link is on its way: open it{(Credentials.AreConfirmedOnly(config) ? " before you sign in" : "")}. "
                + "If it had an account already, nothing has changed, and its owner is told by mail, once a day at most.",
            ["SignsInFor"] = SignInOnPage.OursOr(next), ["Email"] = wanted.Email,
        });
    }

    private static Task<IResult> ShowAsync(
        HttpContext http, IConfiguration config, BrowserSession sessions, Page page, SignUp.Request wanted, string? next, string? problem = null, int status = 200) =>
        page.ShowAsync<SignUpPage>(http, new()
        {
            ["FormToken"] = sessions.FormTokenFor(http), ["Return"] = SignInOnPage.IsOurs(next) ? next : null, ["Wanted"] = wanted, ["Problem"] = problem,
            ["NeedsInvitation"] = SignUp.IsByInvitationOnly(config),
        }, status);
}
