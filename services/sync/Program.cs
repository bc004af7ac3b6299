using OpenReadings.Chassis;

var builder = WebApplication.CreateBuilder(args).AddChassis("sync");
builder.Services.AddValidation();
var app = builder.Build().UseChassis();

return await app.ServeAsync();

public partial class Program;
