using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.WebUtilities;
using OpenReadings.Chassis;
using OpenReadings.Identity.OAuth;

namespace OpenReadings.Identity.Pages;

/// <summary>Shows a page: plain HTML that needs no script (but for adding and using passkeys), and may load, frame and send nothing but what it says.</summary>
public sealed class Page(IServiceProvider services, ILoggerFactory loggers)
{
    /// <param name="http">Whose answer it is.</param>
    /// <param name="parameters">Of the component.</param>
    /// <param name="status">200 unless it says that something is wrong.</param>
    /// <param name="sendsTo">Where a form of the page may lead, beside ourselves: browsers hold the redirect after a form to it, too.</param>
    /// <param name="usesPasskeys">Browsers let passkeys be used by a script alone: ours, which asks ourselves.</param>
    public async Task<IResult> ShowAsync<T>(HttpContext http, Dictionary<string, object?> parameters, int status = 200, string? sendsTo = null, bool usesPasskeys = false) where T : IComponent
    {
        await using var renderer = new HtmlRenderer(services, loggers);
        var html = await renderer.Dispatcher.InvokeAsync(async () => (await renderer.RenderComponentAsync<T>(ParameterView.FromDictionary(parameters))).ToHtmlString());
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers.ContentSecurityPolicy = $"default-src 'none'; {(usesPasskeys ? "script-src 'self'; connect-src 'self'; " : "")}style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'{(sendsTo is null ? "" : $" {sendsTo}")}";
        return Results.Content($"<!DOCTYPE html>\n{html}\n", "text/html; charset=utf-8", statusCode: status);
    }

    /// <summary>Says what is wrong where nobody can be sent back to, or only by a link that says where it leads.</summary>
    public Task<IResult> ShowErrorAsync(HttpContext http, string problem, int status = 400, string? leadsTo = null) =>
        ShowAsync<MessagePage>(http, new() { ["Title"] = "This does not work", ["Text"] = problem, ["LeadsTo"] = leadsTo }, status);

    /// <summary>What is wrong, in one text: each of the fields that are, or else the whole.</summary>
    public static string? Reasons(ProblemHttpResult problem) => problem.ProblemDetails.Extensions.TryGetValue("errors", out var errors)
        ? string.Join(' ', ((ProblemItem[])errors!).Select(item => item.Detail))
        : problem.ProblemDetails.Detail;

    /// <summary>The address of a page that leads on to another one of ours, with what is known of who comes.</summary>
    public static string PathTo(string page, string next, string? email) => QueryHelpers.AddQueryString(page, new Dictionary<string, string?> { ["return"] = next, ["email"] = email });

    /// <summary>A day as pages say it.</summary>
    public static string Day(DateTimeOffset at) => at.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>What a form may lead to when its answer redirects there.</summary>
    public static string SourceOf(string redirectUri) => new Uri(redirectUri) is { Scheme: "http" or "https" } web ? web.GetLeftPart(UriPartial.Authority) : $"{new Uri(redirectUri).Scheme}:";
}

public static class PageRoutes
{
    /// <summary>Whatever is wrong is said by a page: a form that cannot be read, too many requests, no room or no database at this moment.</summary>
    public static TBuilder RefuseByPage<TBuilder>(this TBuilder builder) where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new ByPage())
        .AddEndpointFilter(async (context, next) =>
        {
            try { return await next(context); }
            catch (RefusedException e) { return await ByPage.ShowAsync(context.HttpContext, e.Message, 400); }
        });

    private sealed class ByPage : IShowProblems
    {
        public Task<IResult> ShowAsync(HttpContext http, ProblemHttpResult problem) => ShowAsync(http, problem.StatusCode switch
        {
            429 => $"Too many requests came from where you are. Try again in {http.Response.Headers.RetryAfter} seconds.",
            500 => $"Something went wrong here. In our log it is found by {Problems.TraceIdOf(http)}.",
            _ => problem.ProblemDetails.Detail!,
        }, problem.StatusCode);

        public static Task<IResult> ShowAsync(HttpContext http, string text, int status) => http.RequestServices.GetRequiredService<Page>().ShowErrorAsync(http, text, status);
    }
}
