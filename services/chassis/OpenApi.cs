using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;

namespace OpenReadings.Chassis;

/// <summary>What an operation's request and successful answer look like, shown in the OpenAPI document.</summary>
public sealed record OperationExample(string? Request, string? Response, string RequestType, string ResponseType);

/// <summary>OpenAPI 3.1 at /service/openapi.json and Swagger UI at /service/docs.</summary>
public static class OpenApi
{
    public static TBuilder WithExample<TBuilder>(
        this TBuilder builder, string? request = null, string? response = null, string requestType = "application/json",
        string responseType = "application/json") where TBuilder : IEndpointConventionBuilder =>
        builder.WithMetadata(new OperationExample(request, response, requestType, responseType));

    internal static void Add(IServiceCollection services, string service) => services.AddOpenApi(service, options =>
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = $"OpenReadings {service}", Version = "v1",
                Description = "Times are RFC 3339 with an offset, units are UCUM, errors are RFC 9457 problem details.",
            };
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>();
            document.Components.SecuritySchemes["bearer"] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http, Scheme = "bearer", BearerFormat = "JWT", Description = "The access token of a login, or an API key, which may also come as Token, as the password of Basic, or in X-API-Key.",
            };
            return Task.CompletedTask;
        });
        options.AddOperationTransformer((operation, context, _) =>
        {
            var metadata = context.Description.ActionDescriptor.EndpointMetadata;
            if (metadata.OfType<IAuthorizeData>().Any() && !metadata.OfType<IAllowAnonymous>().Any())
                operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("bearer", context.Document)] = [] }];
            operation.Responses ??= [];
            operation.Responses.TryAdd("default", new OpenApiResponse
            {
                Description = "A problem (RFC 9457).",
                Content = new Dictionary<string, OpenApiMediaType> { ["application/problem+json"] = new() },
            });
            if (metadata.OfType<TakesOwner>().Any())
                (operation.Parameters ??= []).Add(new OpenApiParameter
                {
                    Name = "owner", In = ParameterLocation.Query, Description = "Whose rows are meant, where somebody shares them with you; your own if you say nothing.",
                    Schema = new OpenApiSchema { Type = JsonSchemaType.String, Format = "uuid" },
                });
            if (metadata.OfType<OperationExample>().FirstOrDefault() is { } example) Show(operation, example);
            return Task.CompletedTask;
        });
    });

    private static void Show(OpenApiOperation operation, OperationExample example)
    {
        if (example.Request is not null)
        {
            operation.RequestBody ??= new OpenApiRequestBody { Required = true };
            Set(((OpenApiRequestBody)operation.RequestBody).Content ??= new Dictionary<string, OpenApiMediaType>(), example.RequestType, example.Request);
        }
        if (example.Response is null) return;
        var response = operation.Responses!.FirstOrDefault(entry => entry.Key.StartsWith('2')).Value as OpenApiResponse;
        if (response is null) operation.Responses!["200"] = response = new OpenApiResponse { Description = "OK" };
        Set(response.Content ??= new Dictionary<string, OpenApiMediaType>(), example.ResponseType, example.Response);
    }

    private static void Set(IDictionary<string, OpenApiMediaType> content, string type, string example)
    {
        if (!content.TryGetValue(type, out var media)) content[type] = media = new OpenApiMediaType();
        media.Example = type.EndsWith("json", StringComparison.Ordinal) ? JsonNode.Parse(example) : JsonValue.Create(example);
    }
}
