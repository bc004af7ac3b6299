using OpenReadings.Catalog.SeriesTypes;
using OpenReadings.Catalog.Units;
using OpenReadings.Chassis;

var builder = WebApplication.CreateBuilder(args).AddChassis("catalog");
builder.Services.AddValidation();
builder.Services.AddSingleton<DefineSeriesTypes>();
builder.Services.AddHostedService(services => services.GetRequiredService<DefineSeriesTypes>());
builder.Services.AddSingleton<AnnounceSeriesTypes>();
builder.Services.AddHostedService(services => services.GetRequiredService<AnnounceSeriesTypes>());

var app = builder.Build().UseChassis();

// What is the same for everybody is nobody's secret: no token is asked for, and addresses are limited.
var anybody = app.MapGroup("/catalog/v1");
ListSeriesTypes.Map(anybody);
ShowSeriesType.Map(anybody);
ListUnits.Map(anybody);
ConvertUnits.Map(anybody);

return await app.ServeAsync();

public partial class Program;
