using OpenReadings.Chassis;
using OpenReadings.Events;
using OpenReadings.Identity;
using OpenReadings.Identity.Accounts;
using OpenReadings.Identity.Administration;
using OpenReadings.Identity.ApiKeys;
using OpenReadings.Identity.Audit;
using OpenReadings.Identity.Avatars;
using OpenReadings.Identity.External;
using OpenReadings.Identity.Factors;
using OpenReadings.Identity.Keys;
using OpenReadings.Identity.Logins;
using OpenReadings.Identity.Mail;
using OpenReadings.Identity.OAuth;
using OpenReadings.Identity.Pages;
using OpenReadings.Identity.Passwords;
using OpenReadings.Identity.Preferences;
using OpenReadings.Identity.Queues;
using OpenReadings.Identity.Tokens;

[assembly: System.Runtime.Versioning.UnsupportedOSPlatform("windows")]      // mails in files are kept from others by their mode

if (HashingProcess.IsMeant(args)) return HashingProcess.Run(args);

var builder = WebApplication.CreateBuilder(args).AddChassis("identity",
    new Subscription("identity.erased-readings", "readings.events").On<AccountErased, NoteErased>(),
    new Subscription("identity.erased-sync", "sync.events").On<AccountErased, NoteErased>().On<ArchiveTaken, NoteArchive>());
// It writes down whole answers of providers, with the codes in them, and whatever a stranger calls an error. What is ours to say we say.
builder.Logging.AddFilter("OpenReadings.Identity.External.ProviderHandler", LogLevel.None);
builder.Services.AddValidation();
builder.Services.AddSingleton<PasswordHasher>();
builder.Services.AddHostedService(services => services.GetRequiredService<PasswordHasher>());
builder.Services.AddSingleton<Sealer>().AddSingleton<KeySealer>();
builder.Services.AddSingleton<SealAnew>().AddHostedService(services => services.GetRequiredService<SealAnew>());
builder.Services.AddSingleton<SecondFactor>().AddSingleton<PasswordAgain>().AddSingleton<PasskeyCeremony>();
builder.Services.AddSingleton<TokenIssuer>();
builder.Services.AddSingleton<RevocationWatch>();
builder.Services.AddSingleton<KnownClients>().AddSingleton<RateLimits.IProveClients>(services =>
    services.GetRequiredService<KnownClients>());
builder.Services.AddSingleton<SignInBudget>();
builder.Services.AddSingleton<Credentials>();
builder.Services.AddSingleton<KeyRing>();
builder.Services.AddHostedService(services => services.GetRequiredService<KeyRing>());
builder.Services.AddSingleton<ForgetOld>();
builder.Services.AddHostedService(services => services.GetRequiredService<ForgetOld>());
builder.Services.AddSingleton<RepeatErasures>();
builder.Services.AddHostedService(services => services.GetRequiredService<RepeatErasures>());

builder.Services.AddHostedService<FirstAdministrator>();
builder.Services.AddSingleton<MailSender>().AddHostedService(services => services.GetRequiredService<MailSender>());
builder.Services.AddSingleton<ClientAuthentication>();
builder.Services.AddSingleton<BrowserSession>();
builder.Services.AddSingleton<UserCodeBudget>();
builder.Services.AddSingleton<Page>();
ProviderHandler.Add(builder.Services, builder.Configuration);
builder.Services.AddSingleton<SignInWithProvider>();

// Queues of applications at the broker, where BrokerManagement is set.
builder.Services.AddSingleton<QueuePlace>().AddSingleton<BrokerManagement>();
BrokerManagement.Add(builder.Services);
builder.Services.AddSingleton<QueueKeeper>().AddHostedService(services => services.GetRequiredService<QueueKeeper>());
builder.Services.AddHostedService<Forwarder>();

var app = builder.Build().UseChassis();

var wellKnown = app.MapGroup("/identity/.well-known").WithTags("discovery");
ShowDiscovery.Map(app.MapGroup("").WithTags("discovery"));
ShowKeys.Map(wellKnown);

var strangers = app.MapGroup("/identity/v1").RequireRateLimiting(RateLimits.Sensitive).WithTags("identity");
SignUp.Map(strangers);
SignIn.Map(strangers);
SignInWithPasskey.Map(strangers);
RefreshLogin.Map(strangers);
VerifyEmail.Map(strangers);
ResetPassword.Map(strangers);
ChangeEmail.Map(strangers);

// Each of these proves itself, or is limited as strangers are.
var programs = app.MapGroup("/identity/v1").WithTags("programs");
TokenEndpoint.Map(programs);
AuthorizeDevice.Map(programs);
IntrospectToken.Map(programs);
RevokeToken.Map(programs);

// For people with a browser.
Authorize.Map(programs);
EndSession.Map(programs);
var pages = app.MapGroup("/identity").RefuseByPage();
SignInOnPage.Map(pages.MapGroup("").RequireRateLimiting(RateLimits.Sensitive));
SignUpOnPage.Map(pages.MapGroup("").RequireRateLimiting(RateLimits.Sensitive));
ForgottenPassword.Map(pages.MapGroup("").RequireRateLimiting(RateLimits.Sensitive));
DecideDevice.Map(pages.MapGroup("").RequireRateLimiting(RateLimits.Sensitive));
PasskeysOnPage.Map(pages.MapGroup("").RequireRateLimiting(RateLimits.Sensitive));
PasskeysOnPage.MapForScript(app.MapGroup("/identity").RequireRateLimiting(RateLimits.Sensitive));
SignInWithProvider.Map(pages.MapGroup("").RequireRateLimiting(RateLimits.Sensitive));
ConnectionsOnPage.Map(pages.MapGroup("").RequireRateLimiting(RateLimits.Sensitive));
OpenMail.Map(pages.MapGroup("").RequireRateLimiting(RateLimits.Sensitive));
ShowStyles.Map(pages);
ShowUserInfo.Map(app.MapGroup("/identity/v1").RequireAuthorization().WithTags("programs"));

// Not among the sensitive ones: there is nothing to guess, and services ask for everybody from one address.
var services = app.MapGroup("/identity/v1").WithTags("identity");
IntrospectKey.Map(services);
ShowErasure.Map(services);
ShowRevocations.Map(services);

// Who somebody is, is changed by them alone: a key opens readings, and none of this.
var people = app.MapGroup("/identity/v1").RequireAuthorization().RequireLogin().WithTags("identity");
SignOut.Map(people);
ProveAgain.Map(people);
ListLogins.Map(people);
EndLogins.Map(people);
ShowMe.Map(people);
ChangeProfile.Map(people);
ManageAvatar.Map(people);
ChangePassword.Map(people);
ShowPreferences.Map(people);
ChangePreferences.Map(people);
ListEntries.Map(people);
ManageTotp.Map(people);
MakeRecoveryCodes.Map(people);
ShowFactors.Map(people);
AddPasskey.Map(people);
ManagePasskeys.Map(people);
ManageExternalIdentities.Map(people);
MakeKey.Map(people);
ListKeys.Map(people);
EndKey.Map(people);
VerifyEmail.MapAgain(people);
ChangeEmail.MapMine(people);
Invite.Map(people);
MakeApplication.Map(people);
ListApplications.Map(people);
ChangeApplication.Map(people);
EndApplication.Map(people);
MakeDelivery.Map(people);
ShowDelivery.Map(people);
EndDelivery.Map(people);
Pair.Map(people);
ListConsents.Map(people);
RemoveConsent.Map(people);
DeleteAccount.Map(people);

var administrators = people.MapGroup("").RequireRole(ChangeAccount.Administrator);
ListPeople.Map(administrators);
ChangeAccount.Map(administrators);

return await app.ServeAsync();

public partial class Program;
