using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Readings;

var builder = WebApplication.CreateBuilder(args).AddChassis("readings",
    new Subscription("readings.series-types", "catalog.events").On<SeriesTypeDefined, LearnSeriesTypes>(),
    new Subscription("readings.departures", "identity.events").On<AccountDeleted, ForgetAccount>());
builder.Services.AddValidation();      // here, not in the chassis: the generator sees only the project that calls it
builder.Services.AddSingleton<KnownSources>();
builder.Services.AddSingleton<BodyMemory>();
builder.Services.AddHostedService<MakePartitions>();
var app = builder.Build().UseChassis();

var routes = app.MapGroup("/readings/v1").RequireAuthorization().RequireScopes("readings");
PutSource.Map(routes);
CreateSource.Map(routes);
ListSources.Map(routes);
GetSource.Map(routes);
PatchSource.Map(routes);
DeleteSource.Map(routes);
PutMetric.Map(routes);
RecordReadings.Map(routes);
ListReadings.Map(routes);
GetLatest.Map(routes);
GetBuckets.Map(routes);
CorrectReading.Map(routes);
DeleteReading.Map(routes);
DeleteReadings.Map(routes);
ListSeries.Map(routes);
GetSeriesLatest.Map(routes);
ListSeriesReadings.Map(routes);
GetSeriesBuckets.Map(routes);
RecordEvents.Map(routes);
ListEvents.Map(routes);
DeleteEvents.Map(routes);
return await app.ServeAsync();

public partial class Program;
