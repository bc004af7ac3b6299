using Microsoft.AspNetCore.Http.HttpResults;

namespace OpenReadings.Identity.OAuth;

/// <summary>The error of RFC 6749 §5.2, because clients of the protocol read that and not problem details.</summary>
public sealed record Refusal(string Error, string ErrorDescription)
{
    public static JsonHttpResult<Refusal> Of(string error, string description, int status = 400) =>
        TypedResults.Json(new Refusal(error, description), statusCode: status);

    public static JsonHttpResult<Refusal> InvalidClient(HttpContext http)
    {
        http.Response.Headers.WWWAuthenticate = "Basic realm=\"tokens\"";
        return Of("invalid_client", "The client is unknown, or its secret is wrong.", 401);
    }
}

/// <summary>Thrown where a request of the protocol is not as it must be; becomes a <see cref="Refusal"/>.</summary>
public sealed class RefusedException(string error, string description) : Exception(description)
{
    public string Error => error;
}
