using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Readings;

var builder = WebApplication.CreateBuilder(args).AddChassis("readings",
    new Subscription("readings.series-types", "catalog.events").On<SeriesTypeDefined, LearnSeriesTypes>(),
    new Subscription("readings.departures", "identity.events").On<AccountDeleted, ForgetAccount>().On<AccountRecovered, EndGrantsSince>());
builder.Services.AddValidation();      // here, not in the chassis: the generator sees only the project that calls it
builder.Services.AddSingleton<KnownSources>();
builder.Services.AddSingleton<BodyMemory>();
builder.Services.AddHostedService<MakePartitions>();
builder.Services.AddSingleton<ForgetOldAccess>().AddHostedService(provider => provider.GetRequiredService<ForgetOldAccess>());
var app = builder.Build().UseChassis();

var routes = app.MapGroup("/readings/v1").RequireAuthorization().RequireScopes("readings");
PutSource.Map(routes);
CreateSource.Map(routes);
DeleteSource.Map(routes);
var shared = routes.MapGroup("").WithMetadata(new TakesOwner());
ListSources.Map(shared);
GetSource.Map(shared);
PatchSource.Map(shared);
PutMetric.Map(shared);
RecordReadings.Map(shared);
ListReadings.Map(shared);
GetLatest.Map(shared);
GetBuckets.Map(shared);
CorrectReading.Map(shared);
DeleteReading.Map(shared);
DeleteReadings.Map(shared);
ListSeries.Map(shared);
GetSeriesLatest.Map(shared);
ListSeriesReadings.Map(shared);
GetSeriesBuckets.Map(shared);
RecordEvents.Map(shared);
ListEvents.Map(shared);
DeleteEvents.Map(shared);
OfferGrant.Map(routes);
AcceptGrant.Map(routes);
DeclineGrant.Map(routes);
EndGrant.Map(routes);
ListGrants.Map(routes);
ListAccess.Map(routes);
return await app.ServeAsync();

public partial class Program;
