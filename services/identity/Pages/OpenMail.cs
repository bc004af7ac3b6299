using Microsoft.AspNetCore.Http.HttpResults;
using OpenReadings.Chassis;
using OpenReadings.Identity.Accounts;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.OAuth;
using OpenReadings.Identity.Passwords;

namespace OpenReadings.Identity.Pages;

/// <summary>
/// Where the links in mails lead, but those of invitations (<see cref="SignUpOnPage"/>). Opening one changes nothing, because programs open links before people do: the person presses a button.
/// The token is in the query, which we and the edge keep out of every log, and no other site is told where a person comes from.
/// </summary>
public static class OpenMail
{
    private sealed record Wording(string Title, string Text, string Action, string Done);

    private static readonly Dictionary<string, Wording> Wordings = new()
    {
        ["verify"] = new("Confirm your address", "Press the button if you have signed up at OpenReadings.", "Confirm", "Your address is confirmed."),
        ["change"] = new("Confirm your new address", "Press the button if you want to use this address for your account.", "Confirm", "Your address is changed."),
        ["undo"] = new("Undo what was changed", "Press the button if it was not you who changed the address of your account, or who added an authenticator or a passkey. All of that since then is undone, and what was made or shared since. Everybody is signed out then, API keys end, the password is good no more, and you get a mail for a new one.", "Undo it", "It is undone. Look for the mail and choose a new password."),
        ["reset"] = new("Choose a new password", $"{PasswordRules.InShort} All your logins and API keys end, and applications have to ask you again.", "Change the password", "Your password is changed. Sign in with the new one, and make new API keys for your gadgets."),
    };

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/mail", async (HttpContext http, Database database, BrowserSession sessions, Page page, CancellationToken ct, string? token) =>
            await MailToken.FindAsync(database, token, ct, [.. Wordings.Keys]) is { } found
                ? await AskAsync(http, sessions, page, found.Purpose, token!)
                : await page.ShowErrorAsync(http, MailToken.Refused().ProblemDetails.Detail!)).ExcludeFromDescription();
        routes.MapPost("/mail", HandleAsync).DisableAntiforgery().ExcludeFromDescription();
    }

    private static async Task<IResult> HandleAsync(HttpContext http, Database database, BrowserSession sessions, PasswordHasher passwords, TimeProvider clock, Page page, CancellationToken ct)
    {
        var form = await Form.OfAsync(http.Request, ct);
        var token = form["token"];
        if (await MailToken.FindAsync(database, token, ct, [.. Wordings.Keys]) is not { } found) return await page.ShowErrorAsync(http, MailToken.Refused().ProblemDetails.Detail!);
        if (!sessions.IsOurs(http, form)) return await AskAsync(http, sessions, page, found.Purpose, token!, "The form was too old. Try once more.", 403);
        ProblemHttpResult? problem = found.Purpose switch
        {
            "verify" => await VerifyEmail.VerifyAsync(token, database, http, ct),
            "change" => await ChangeEmail.ConfirmAsync(token, database, http, ct),
            "undo" => await ChangeEmail.UndoAsync(token, database, passwords, clock, http, ct),
            _ => (await ResetPassword.ResetAsync(token, form["password"], database, passwords, clock, http, ct)).Problem,
        };
        if (problem is null) return await page.ShowAsync<MessagePage>(http, new()
        {
            ["Title"] = "Done", ["Text"] = Wordings[found.Purpose].Done, ["SignsInFor"] = found.Purpose is "verify" or "reset" ? SignInOnPage.OursOr(null) : null,
        });
        return await AskAsync(http, sessions, page, found.Purpose, token!, Page.Reasons(problem), problem.StatusCode);
    }

    private static Task<IResult> AskAsync(HttpContext http, BrowserSession sessions, Page page, string purpose, string token, string? problem = null, int status = 200)
    {
        var wording = Wordings[purpose];
        return page.ShowAsync<MailPage>(http, new()
        {
            ["Title"] = wording.Title, ["Text"] = wording.Text, ["Action"] = wording.Action, ["FormToken"] = sessions.FormTokenFor(http), ["Token"] = token,
            ["AsksForPassword"] = purpose == "reset", ["Problem"] = problem,
        }, status);
    }
}
