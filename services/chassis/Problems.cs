using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace OpenReadings.Chassis;

/// <summary>One fault among several of a request, found by its JSON pointer (RFC 6901).</summary>
public sealed record ProblemItem(string Pointer, string Type, string Detail);

/// <summary>Thrown by code below a handler; becomes the same answer as <see cref="Problems.Of"/>.</summary>
public sealed class ProblemException(int status, string type, string detail, params ProblemItem[] errors) : Exception(detail)
{
    public int Status => status;
    public string Type => type;
    public IReadOnlyList<ProblemItem> Errors => errors;
}

/// <summary>Of routes whose answers people read in a browser (metadata of an endpoint): makes of a problem what they are shown.</summary>
public interface IShowProblems
{
    Task<IResult> ShowAsync(HttpContext http, ProblemHttpResult problem);
}

/// <summary>RFC 9457 problem details with a stable kebab-case type, on every error path.</summary>
public static class Problems
{
    public static ProblemHttpResult Of(int status, string type, string detail, params ProblemItem[] errors) => TypedResults.Problem(
        detail, statusCode: status, title: Title(status), type: type,
        extensions: errors.Length == 0 ? null : new Dictionary<string, object?> { ["errors"] = errors });

    internal static void Add(IServiceCollection services) => services.AddProblemDetails(options => options.CustomizeProblemDetails = context =>
    {
        if (context.ProblemDetails is HttpValidationProblemDetails invalid) context.ProblemDetails = FromValidation(invalid);
        var problem = context.ProblemDetails;
        if (problem.Type is null || problem.Type.StartsWith("http", StringComparison.Ordinal) || problem.Type == "about:blank")
            problem.Type = TypeOf(problem.Status ?? 500);
        problem.Title ??= Title(problem.Status ?? 500);
        problem.Extensions.Remove("trace_id");              // the framework's own, named by our policy: it would stand there twice
        problem.Extensions["traceId"] = TraceIdOf(context.HttpContext);
    });

    /// <summary>Turns whatever a handler threw into an answer that says what the caller can do about it.</summary>
    internal static async Task HandleAsync(HttpContext http)
    {
        var thrown = http.Features.Get<IExceptionHandlerFeature>()!;
        await AnswerAsync(http, thrown.Endpoint, thrown.Error switch
        {
            ProblemException problem => Of(problem.Status, problem.Type, problem.Message, [.. problem.Errors]),
            BadHttpRequestException { StatusCode: 413 } => Of(413, "body-too-large", "The request body is larger than this route takes."),
            BadHttpRequestException { InnerException: JsonException json } => Malformed(json),
            BadHttpRequestException bad => Of(bad.StatusCode, TypeOf(bad.StatusCode), bad.Message),
            PostgresException { ConstraintName: "user_departed" } => Of(404, "account-deleted", "This account was deleted."),
            PostgresException
            {
                SqlState: PostgresErrorCodes.UntranslatableCharacter or PostgresErrorCodes.CharacterNotInRepertoire
                or PostgresErrorCodes.NumericValueOutOfRange
            } =>
                Of(400, "invalid-value", "A text holds a character, or a number has a size, that cannot be stored."),
            // Without a SQLSTATE no server answered (of several hosts none was primary); read-only is one that no longer is.
            NpgsqlException { IsTransient: true } or NpgsqlException { SqlState: null or PostgresErrorCodes.ReadOnlySqlTransaction }
                or TimeoutException => Of(503, "temporarily-unavailable", "The database does not answer. Try again."),
            _ => Of(500, "internal-error", "Something went wrong here. The traceId finds it in our log."),
        });
    }

    /// <summary>Answers a request of that endpoint with a problem, in the way of the endpoint.</summary>
    internal static async Task AnswerAsync(HttpContext http, Endpoint? endpoint, ProblemHttpResult problem)
    {
        // What is away or full now may not be so in a moment.
        if (problem.StatusCode == 503) http.Response.Headers.RetryAfter = "2";
        IResult answer = endpoint?.Metadata.GetMetadata<IShowProblems>() is { } way ? await way.ShowAsync(http, problem) : problem;
        await answer.ExecuteAsync(http);
    }

    /// <summary>What finds a request in our log.</summary>
    public static string TraceIdOf(HttpContext http) => Activity.Current?.TraceId.ToString() ?? http.TraceIdentifier;

    private static ProblemHttpResult Malformed(JsonException json)
    {
        var pointer = (json.Path ?? "$").TrimStart('$').Replace("['", ".", StringComparison.Ordinal).Replace("']", "", StringComparison.Ordinal)
            .Replace('[', '/').Replace("]", "", StringComparison.Ordinal).Replace('.', '/');
        return Of(400, "malformed-json", "The body is not JSON of the shape this route takes.",
            new ProblemItem(pointer, "malformed-json", json.InnerException?.Message ?? json.Message.Split(" Path:")[0]));
    }

    private static ProblemDetails FromValidation(HttpValidationProblemDetails invalid) => new()
    {
        Status = invalid.Status, Type = "validation-failed", Title = Title(400), Detail = "Some fields are not valid.",
        Extensions =
        {
            ["errors"] = invalid.Errors.SelectMany(field => field.Value.Select(detail =>
                new ProblemItem("/" + string.Join('/', field.Key.Split('.', '[').Select(part => JsonNamingPolicy.SnakeCaseLower.ConvertName(part.TrimEnd(']')))),
                    "invalid-value", detail))).ToArray(),
        },
    };

    private static string TypeOf(int status) => status switch
    {
        400 => "bad-request",
        401 => "authentication-required",
        403 => "forbidden",
        404 => "not-found",
        405 => "method-not-allowed",
        406 => "not-acceptable",
        408 => "request-timeout",
        412 => "precondition-failed",
        413 => "body-too-large",
        415 => "unsupported-media-type",
        428 => "precondition-required",
        429 => "quota-exceeded",
        503 => "temporarily-unavailable",
        504 => "timeout",
        >= 500 => "internal-error",
        _ => string.Create(CultureInfo.InvariantCulture, $"status-{status}"),
    };

    private static string Title(int status) => Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status);
}
