using System.Reflection;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace OpenReadings.Chassis;

/// <summary>What every service stands on. It knows no domain.</summary>
public static class ServiceChassis
{
    private const long LargestBody = 1 << 20;
    // Only their warnings are written down: what a request did is in its trace.
    private static readonly string[] Quiet = ["Microsoft.AspNetCore", "System.Net.Http", "Polly", "Npgsql", "MassTransit"];

    /// <summary>Adds database, events, tokens, limits, health, telemetry and documentation for one service.</summary>
    public static WebApplicationBuilder AddChassis(this WebApplicationBuilder builder, string service, params Subscription[] subscriptions)
    {
        DapperSettings.Apply();
        var (services, config) = (builder.Services, builder.Configuration);
        // Secrets are files, one for each key (__ stands for a colon): an environment or a command line is seen by too many.
        config.AddKeyPerFile(Path.GetFullPath(config["SECRETS_DIRECTORY"] ?? "/run/secrets"), optional: true);
        string Required(string key) => config[key] is { Length: > 0 } value ? value : throw new StartRefusedException($"The setting {key} is missing.");

        // Below all other sources: a setting (Logging:LogLevel:…) wins.
        config.Sources.Insert(0, new MemoryConfigurationSource
        {
            InitialData = Quiet.Select(category => KeyValuePair.Create($"Logging:LogLevel:{category}", (string?)nameof(LogLevel.Warning))),
        });
        builder.Logging.ClearProviders().AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
            console.UseUtcTimestamp = true;
        });
        // It writes whole addresses, and in those of sign-out pages stand ID tokens.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.Warning);
        // A request goes on where its bytes were read, a thread of the pool, without waking another one on its way in and out.
        builder.WebHost.UseSockets(sockets => (sockets.UnsafePreferInlineScheduling, sockets.WaitForDataBeforeAllocatingBuffer) = (true, false));
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = LargestBody;  // routes that take more say so
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        });
        services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(30));
        services.ConfigureHttpJsonOptions(options => Json.Configure(options.SerializerOptions));
        services.Configure<Microsoft.AspNetCore.Routing.RouteHandlerOptions>(options => options.ThrowOnBadRequest = true);   // Problems says why
        services.AddSingleton(TimeProvider.System);

        services.AddSingleton<NpgsqlDataSource>(provider => Connect(Required("ConnectionStrings:app"), service, 40, provider));
        services.AddSingleton(provider => new RelaySource(Connect(Required("ConnectionStrings:relay"), $"{service} relay", 2, provider)));
        services.AddSingleton<OutboxSignal>();
        services.AddSingleton<Database>();
        var broker = new Uri(Required("Broker"));
        // The gate comes first: nothing else starts before the database and its schema are there.
        services.AddSingleton(provider => new SchemaGate(
            provider.GetRequiredService<NpgsqlDataSource>(), SchemaGate.ScriptsOf(Assembly.Load(builder.Environment.ApplicationName)),
            provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<SchemaGate>>()));
        services.AddHostedService(provider => provider.GetRequiredService<SchemaGate>());
        services.AddSingleton(provider => new EventSender(service, broker, provider.GetRequiredService<ILogger<EventSender>>()));
        services.AddSingleton<OutboxRelay>();
        services.AddHostedService(provider => provider.GetRequiredService<OutboxRelay>());
        services.AddHostedService<InboxPruner>();
        services.AddSubscriptions(broker, subscriptions);
        foreach (var subscription in subscriptions) services.AddSingleton(subscription);

        services.AddOutgoing("jwks", new Uri(Required("Identity:Jwks")));
        services.AddSingleton(provider => new JwksCache(provider.GetRequiredService<IHttpClientFactory>().CreateClient("jwks"),
            new Uri(Required("Identity:Jwks")), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new ApiKeys(provider.GetRequiredService<IHttpClientFactory>().CreateClient("jwks"),
            new Uri(new Uri(Required("Identity:Jwks")), "../v1/api-keys/introspect"), provider.GetRequiredService<TimeProvider>()));
        // Without the pipeline of outgoing calls: the next question is the retry, and soon.
        services.AddHttpClient("revocations").UseSocketsHttpHandler((sockets, _) => sockets.ConnectTimeout = TimeSpan.FromSeconds(1));
        services.AddSingleton(provider => new Revocations(provider.GetRequiredService<IHttpClientFactory>().CreateClient("revocations"),
            new Uri(new Uri(Required("Identity:Jwks")), "../v1/revocations"), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<Revocations>>()));
        services.AddHostedService(provider => provider.GetRequiredService<Revocations>());
        services.AddSingleton(provider => new TokenVerifier(
            provider.GetRequiredService<JwksCache>(), Required("Identity:Issuer"), service, provider.GetRequiredService<TimeProvider>()));
        // Not AddAuthentication: it would begin to keep cookie keys in the home folder, which nothing here needs.
        services.AddWebEncoders();
        services.AddAuthenticationCore(options =>
        {
            options.DefaultScheme = BearerHandler.SchemeName;
            options.AddScheme<BearerHandler>(BearerHandler.SchemeName, null);
        });
        services.AddAuthorization();

        services.Configure<ForwardedHeadersOptions>(options =>
        {
            options.ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto;
            foreach (var network in config.GetSection("Edge:Networks").Get<string[]>() ?? []) options.KnownIPNetworks.Add(System.Net.IPNetwork.Parse(network));
        });
        // For programs in pages of others: those named, and without cookies, so that nobody acts in a person's name from there.
        services.AddCors(options => options.AddDefaultPolicy(policy => policy.WithOrigins(config.GetSection("Cors:Origins").Get<string[]>() ?? [])
            .WithHeaders("Authorization", "Content-Type", "If-Match", "If-None-Match", "X-API-Key").WithMethods("GET", "POST", "PUT", "PATCH", "DELETE")
            .WithExposedHeaders("ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate").SetPreflightMaxAge(TimeSpan.FromHours(1))));
        services.AddRequestTimeouts(options => options.DefaultPolicy = new() { Timeout = TimeSpan.FromSeconds(60), TimeoutStatusCode = 504 });
        RateLimits.Add(services, config);
        Problems.Add(services);
        OpenApi.Add(services, service);
        Telemetry.Add(builder, service);
        services.AddSingleton(new ServiceName(service));
        return builder;
    }

    /// <summary>The middleware in its order, health and documentation.</summary>
    public static WebApplication UseChassis(this WebApplication app)
    {
        var service = app.Services.GetRequiredService<ServiceName>().Value;
        app.UseForwardedHeaders();
        Telemetry.UseSpanNames(app);
        app.UseExceptionHandler(new ExceptionHandlerOptions
        {
            ExceptionHandler = Problems.HandleAsync,
            // What the caller did wrong is the caller's to read: a stack trace for each would bury our own faults.
            SuppressDiagnosticsCallback = context => context.Exception is ProblemException or BadHttpRequestException,
        });
        app.UseStatusCodePages();
        // Whoever came by https once is not to be led to http later: said wherever the issuer's own address is https.
        if (app.Configuration["Identity:Issuer"]!.StartsWith("https://", StringComparison.Ordinal))
            app.Use((http, next) =>
            {
                // As the answer goes out: one to an error begins without the headers there were.
                http.Response.OnStarting(() =>
                {
                    http.Response.Headers.StrictTransportSecurity = "max-age=31536000; includeSubDomains";
                    return Task.CompletedTask;
                });
                return next(http);
            });
        app.UseRouting();
        app.UseCors();
        app.UseAuthentication();
        RateLimits.UseHeaders(app);
        app.UseRateLimiter();
        app.UseRequestTimeouts();
        app.UseAuthorization();

        app.MapGet("/livez", () => "live").ExcludeFromDescription().DisableRateLimiting();
        foreach (var path in new[] { "/readyz", "/startupz" })
            app.MapGet(path, ReadyAsync).ExcludeFromDescription().DisableRateLimiting();
        app.MapOpenApi("/{documentName}/openapi.json").ExcludeFromDescription();
        app.UseSwaggerUI(ui =>
        {
            ui.RoutePrefix = $"{service}/docs";
            ui.SwaggerEndpoint($"/{service}/openapi.json", service);
        });
        return app;
    }

    /// <summary>Serves until it is told to stop. The exit code: 1 when the service could not start.</summary>
    public static async Task<int> ServeAsync(this WebApplication app)
    {
        try
        {
            await app.RunAsync();
            return 0;
        }
        catch (StartRefusedException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    private static async Task<IResult> ReadyAsync(SchemaGate gate, CancellationToken ct)
    {
        // A broker that is down does not make a service unready: the outbox absorbs it.
        try
        {
            return (await gate.MissingAsync(ct)).Count == 0 ? Results.Text("ready") : Problems.Of(503, "schema-too-old", "Migrations are pending.");
        }
        catch (NpgsqlException)
        {
            return Problems.Of(503, "temporarily-unavailable", "The database does not answer.");
        }
    }

    // The defaults stand in front, so that a connection string can say otherwise: Max Auto Prepare=0 for a PgBouncer in
    // transaction mode, where the next statement meets another session (decision 0030).
    private static NpgsqlDataSource Connect(string connectionString, string name, int poolSize, IServiceProvider provider)
    {
        var settings = new NpgsqlConnectionStringBuilder(
            $"Minimum Pool Size=2;Maximum Pool Size={poolSize};Max Auto Prepare=60;Auto Prepare Min Usages=2;Host Recheck Seconds=2;{connectionString}")
        {
            ApplicationName = name, Timeout = 5, CommandTimeout = 30,
            // Safe because nothing is ever set on the session: the user lives in the transaction.
            NoResetOnClose = true,
            // A service writes: of several hosts it wants the primary, whichever that is now (decision 0034).
            TargetSessionAttributes = null,
            // The pool takes its connections in turn, so what a burst opened stays in use, each with caches that went cold: a write costs
            // PostgreSQL half as much again on four as on two. So they go soon. Two stay: whoever asks beside another would otherwise
            // wait for a new one, which costs tens of milliseconds of a core.
            ConnectionIdleLifetime = 10, ConnectionPruningInterval = 2,
        };
        var source = new NpgsqlDataSourceBuilder(settings.ConnectionString).UseLoggerFactory(provider.GetService<ILoggerFactory>());
        return settings.Host?.Contains(',', StringComparison.Ordinal) == true
            ? source.BuildMultiHost().WithTargetSession(TargetSessionAttributes.Primary)
            : source.Build();
    }

    internal sealed record ServiceName(string Value);

    /// <summary>Forgets which messages were seen two weeks ago: the broker redelivers within hours.</summary>
    private sealed class InboxPruner(NpgsqlDataSource source, TimeProvider clock, ILogger<InboxPruner> log)
        : PeriodicService(TimeSpan.FromHours(6), clock, log, "The inbox was not pruned", atStart: true)
    {
        public override async Task RunOnceAsync(CancellationToken ct)
        {
            await using var connection = await source.OpenConnectionAsync(ct);
            await connection.ExecuteAsync(new("delete from inbox where received_at < now() - interval '14 days'", cancellationToken: ct));
        }
    }
}
