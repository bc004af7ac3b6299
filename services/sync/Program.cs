using System.Runtime.Versioning;
using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Sync.Archives;
using OpenReadings.Sync.Importing;

[assembly: UnsupportedOSPlatform("windows")]    // files are kept from others by their mode

var builder = WebApplication.CreateBuilder(args).AddChassis("sync",
    new Subscription("sync.departures", "identity.events").On<AccountDeleted, ForgetPerson>());
builder.Services.AddValidation();
builder.Services.AddSingleton(builder.Configuration.GetSection("Imports").Get<ImportOptions>() ?? new ImportOptions());
builder.Services.AddOutgoing("identity", new Uri(builder.Configuration["Identity:Tokens"]!));
builder.Services.AddOutgoing("readings", new Uri(builder.Configuration["Readings:Url"]!));
builder.Services.AddSingleton<ImportFiles>().AddSingleton<Uploads>().AddSingleton<ImportSignal>().AddSingleton<ServiceTokens>().AddSingleton<ReadingsClient>();
builder.Services.AddHostedService<ImportWorker>();
builder.Services.AddSingleton<SweepFiles>().AddHostedService(provider => provider.GetRequiredService<SweepFiles>());
var app = builder.Build().UseChassis();

var routes = app.MapGroup("/sync/v1").RequireAuthorization().RequireScopes("sync");
StartImport.Map(routes);
ListImports.Map(routes);
ShowImport.Map(routes);
ListRejects.Map(routes);
CancelImport.Map(routes);
TakeArchive.Map(routes);
return await app.ServeAsync();

public partial class Program;
