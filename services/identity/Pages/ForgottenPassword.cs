using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Accounts;
using OpenReadings.Identity.OAuth;

namespace OpenReadings.Identity.Pages;

/// <summary>
/// The page where a person has a link mailed for a new password, or for their first one, if they came by way of a provider. The answer is the same
/// whether anybody has the address or not.
/// </summary>
public static class ForgottenPassword
{
    public const string Path = "/identity/forgotten-password";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/forgotten-password", (HttpContext http, BrowserSession sessions, Page page, string? @return, string? email) =>
            ShowAsync(http, sessions, page, @return, email)).ExcludeFromDescription();
        routes.MapPost("/forgotten-password", HandleAsync).DisableAntiforgery().ExcludeFromDescription();
    }

    /// <summary>What mails lead to that tell of something somebody else may have done.</summary>
    public static string LinkOf(string issuer) => $"{issuer}/forgotten-password";

    private static async Task<IResult> HandleAsync(HttpContext http, Database database, BrowserSession sessions, Page page, CancellationToken ct)
    {
        var form = await Form.OfAsync(http.Request, ct);
        var (next, email) = (form["return"], form["email"]);
        if (!sessions.IsOurs(http, form)) return await ShowAsync(http, sessions, page, next, null, "The form was too old. Try once more.", 403);
        if ((await ResetPassword.AskAsync(new(email), database, ct)).Result is ProblemHttpResult problem) return await ShowAsync(http, sessions, page, next, email, Page.Reasons(problem), problem.StatusCode);
        return await page.ShowAsync<MessagePage>(http, new()
        {
            ["Title"] = "Look for the mail", ["Text"] = $"If {email} has an account, a mail is on its way there with a link to choose a password. It is good for an hour.",
            ["SignsInFor"] = SignInOnPage.OursOr(next), ["Email"] = email,
        });
    }

    private static Task<IResult> ShowAsync(HttpContext http, BrowserSession sessions, Page page, string? next, string? email, string? problem = null, int status = 200) =>
        page.ShowAsync<ForgottenPasswordPage>(http, new()
        {
            ["FormToken"] = sessions.FormTokenFor(http), ["Return"] = SignInOnPage.IsOurs(next) ? next : null, ["Email"] = email, ["Problem"] = problem,
        }, status);
}
