using System.Buffers.Binary;
using System.Buffers.Text;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using static System.Net.HttpStatusCode;

namespace OpenReadings.Identity.Tests.Factors;

/// <summary>
/// Passkeys as a real browser makes them. For what no browser does, the test signs with the private key that the virtual authenticator gives
/// away: what it makes is right in all but the one thing that is tried.
/// </summary>
public sealed class PasskeyTests(PasskeyTests.OwnService service) : IClassFixture<PasskeyTests.OwnService>, IAsyncLifetime
{
    public const string Origin = "http://localhost:7177", RpId = "localhost";
    private const byte Present = 1, Verified = 4, BackedUp = 16;

    /// <summary>With an issuer on a host that browsers let use passkeys without TLS.</summary>
    public sealed class OwnService : IdentityService
    {
        public BrowserWithAuthenticator Browser { get; } = new();

        protected override IEnumerable<KeyValuePair<string, string?>> Settings => [.. base.Settings, new("Identity:Issuer", $"{Origin}/identity")];

        public override async ValueTask DisposeAsync()
        {
            await Browser.DisposeAsync();
            await base.DisposeAsync();
            GC.SuppressFinalize(this);
        }
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private BrowserWithAuthenticator Browser => service.Browser;

    public async ValueTask InitializeAsync() => await Browser.NewAuthenticatorAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_person_adds_a_passkey_and_signs_in_with_it_and_nothing_else()
    {
        var ada = await Person.SignedInAsync(service);
        var passkey = await AddAsync(ada);
        Assert.Equal("Phone", passkey.GetProperty("name").GetString());
        Assert.Equal(JsonValueKind.Null, passkey.GetProperty("last_used_at").ValueKind);

        var asked = await AskAsync();
        // Nobody's name is said or asked for.
        Assert.Equal((RpId, "required"), (asked.GetProperty("rpId").GetString(), asked.GetProperty("userVerification").GetString()));
        Assert.False(asked.TryGetProperty("allowCredentials", out var allowed) && allowed.GetArrayLength() > 0);
        using var answer = await SignInAsync(await Browser.GetAsync(asked, Origin));
        Assert.Equal("no-store", answer.Headers.CacheControl?.ToString());
        var tokens = await answer.TokensAsync();
        using var me = await service.WithToken(tokens.AccessToken).GetAsync("/identity/v1/me", Ct);
        Assert.Equal(ada.AccountId, (await me.JsonAsync()).GetProperty("account_id").GetGuid());
        using (var refreshed = await service.RefreshAsync(tokens.RefreshToken)) Assert.Equal(OK, refreshed.StatusCode);
        Assert.Equal(["pwd", "webauthn"], await service.SqlAsync<string>("select methods from logins where user_id = @AccountId order by login_id", new { ada.AccountId }));
        Assert.Equal(["signed-in", "passkey-added", "signed-in"], await ActionsAsync(ada));
        Assert.Equal(JsonValueKind.String, Assert.Single(await ListAsync(ada)).GetProperty("last_used_at").ValueKind);
    }

    [Fact]
    public async Task Whoever_has_confirmed_their_address_hears_of_a_passkey_and_can_undo_it()
    {
        var ada = await Person.SignedInAsync(service);
        await AddAsync(ada);
        async Task<IReadOnlyList<bool>> MailsAsync() => await service.SqlAsync<bool>(
            "select m.created_at <= p.created_at from mail_outbox m join passkeys p using (user_id) where user_id = @AccountId and kind = 'factor-added' and to_address = @Email order by p.created_at", new { ada.AccountId, ada.Email });
        Assert.Empty(await MailsAsync());
        await service.SqlAsync("delete from passkeys where user_id = @AccountId; update accounts set email_verified_at = now() where user_id = @AccountId", new { ada.AccountId });
        await Browser.NewAuthenticatorAsync();
        await AddAsync(ada);
        // What is undone is what was made from then on: this one, too.
        Assert.Equal([true], await MailsAsync());
    }

    [Fact]
    public async Task With_a_second_factor_a_passkey_asks_for_no_code()
    {
        var mine = await AuthenticatorOf.AddedAsync(service);
        await AddAsync(mine.Person);
        using var answer = await SignInAsync(await Browser.GetAsync(await AskAsync(), Origin));
        Assert.Equal(OK, answer.StatusCode);
    }

    [Fact]
    public async Task Within_a_login_a_passkey_proves_its_person_and_nobody_else()
    {
        var mine = await AuthenticatorOf.AddedAsync(service);
        var (ada, bob) = (mine.Person, await Person.SignedInAsync(service));
        await AddAsync(ada);
        await service.AgeAsync(ada);
        await service.AgeAsync(bob);
        await ada.Http.PostAsJsonAsync("/identity/v1/me/recovery-codes", new { password = ada.Password }, Ct).RefusedAsync(Forbidden, "insufficient-user-authentication");
        Task<HttpResponseMessage> ProveAsync(Person person, JsonElement credential) => person.Http.PostAsJsonAsync("/identity/v1/logins/current/proof", new { credential }, Ct);
        await ProveAsync(bob, await Browser.GetAsync(await AskAsync(), Origin)).RefusedAsync(Forbidden, "invalid-passkey");
        var answer = await Browser.GetAsync(await AskAsync(), Origin);
        using (var proved = await ProveAsync(ada, answer)) Assert.Equal(OK, proved.StatusCode);
        await ProveAsync(ada, answer).RefusedAsync(Forbidden, "invalid-passkey");
        await RefusedAsync(answer);
        using (var made = await ada.Http.PostAsJsonAsync("/identity/v1/me/recovery-codes", new { password = ada.Password }, Ct)) Assert.Equal(OK, made.StatusCode);
        await bob.Http.PostAsync("/identity/v1/me/totp", null, Ct).RefusedAsync(Forbidden, "insufficient-user-authentication");
    }

    [Fact]
    public async Task Passkeys_are_listed_named_anew_and_taken_away_by_their_person_alone()
    {
        var (ada, bob) = (await Person.SignedInAsync(service), await Person.SignedInAsync(service));
        var id = (await AddAsync(ada)).GetProperty("passkey_id").GetGuid();
        await bob.Http.PatchAsJsonAsync($"/identity/v1/me/passkeys/{id}", new { name = "Bob was here" }, Ct).RefusedAsync(NotFound, "passkey-not-found");
        await bob.Http.DeleteAsync($"/identity/v1/me/passkeys/{id}", Ct).RefusedAsync(NotFound, "passkey-not-found");
        Assert.Empty(await ListAsync(bob));
        foreach (var name in new[] { "", "a\u0007", new string('x', 101), null }) await ada.Http.PatchAsJsonAsync($"/identity/v1/me/passkeys/{id}", new { name }, Ct).RefusedAsync(BadRequest, "validation-failed");
        using (var renamed = await ada.Http.PatchAsJsonAsync($"/identity/v1/me/passkeys/{id}", new { name = "Old phone" }, Ct)) Assert.Equal("Old phone", (await renamed.JsonAsync()).GetProperty("name").GetString());
        Assert.Equal("Old phone", Assert.Single(await ListAsync(ada)).GetProperty("name").GetString());

        using (var removed = await ada.Http.DeleteAsync($"/identity/v1/me/passkeys/{id}", Ct)) Assert.Equal(NoContent, removed.StatusCode);
        await ada.Http.DeleteAsync($"/identity/v1/me/passkeys/{id}", Ct).RefusedAsync(NotFound, "passkey-not-found");
        await RefusedAsync(await Browser.GetAsync(await AskAsync(), Origin));
        Assert.Equal(["signed-in", "passkey-added", "passkey-renamed", "passkey-removed"], await ActionsAsync(ada));
    }

    [Fact]
    public async Task Adding_one_asks_for_the_password_and_answers_what_was_asked_of_this_person_lately_once()
    {
        var (ada, bob) = (await Person.SignedInAsync(service), await Person.SignedInAsync(service));
        await ada.Http.PostAsJsonAsync("/identity/v1/me/passkeys/options", new { password = "Not-for-any-log-9" }, Ct).RefusedAsync(Forbidden, "wrong-password");
        var made = await Browser.CreateAsync(await AskAsync(ada), Origin);
        // What Ada was asked is no answer of Bob's; and it signs nobody in.
        await PostAsync(bob, made).RefusedAsync(BadRequest, "invalid-passkey");
        await RefusedAsync(made);
        using (var added = await PostAsync(ada, made)) Assert.Equal(Created, added.StatusCode);
        await PostAsync(ada, made).RefusedAsync(BadRequest, "invalid-passkey");

        await Browser.NewAuthenticatorAsync();
        made = await Browser.CreateAsync(await AskAsync(ada), Origin);
        await service.SqlAsync("update passkey_challenges set created_at = created_at - interval '301 seconds' where asked_by = @AccountId", new { ada.AccountId });
        await PostAsync(ada, made).RefusedAsync(BadRequest, "invalid-passkey");
        foreach (var nonsense in new object?[] { null, "text", new { id = "x" }, new { id = "AAAA", response = new { clientDataJSON = "!" } }, Array.Empty<int>() })
            await ada.Http.PostAsJsonAsync("/identity/v1/me/passkeys", new { name = "Phone", credential = nonsense }, Ct).RefusedAsync(BadRequest, "invalid-passkey");
        Assert.Single(await ListAsync(ada));
    }

    [Fact]
    public async Task One_that_another_origin_or_an_authenticator_without_its_person_made_is_not_added()
    {
        var ada = await Person.SignedInAsync(service);
        var elsewhere = await Browser.CreateAsync(await AskAsync(ada), "http://localhost:7178");
        await PostAsync(ada, elsewhere).RefusedAsync(BadRequest, "invalid-passkey");

        await Browser.NewAuthenticatorAsync();
        var lax = JsonNode.Parse((await AskAsync(ada)).GetRawText())!;
        lax["authenticatorSelection"]!["userVerification"] = "discouraged";
        await PostAsync(ada, Without(Verified, await Browser.CreateAsync(JsonSerializer.SerializeToElement(lax), Origin))).RefusedAsync(BadRequest, "invalid-passkey");

        await Browser.NewAuthenticatorAsync();
        var other = JsonNode.Parse((await AskAsync(ada)).GetRawText())!;
        other["rp"]!["id"] = "elsewhere.localhost";
        var made = await Browser.CreateAsync(JsonSerializer.SerializeToElement(other), "http://elsewhere.localhost:7177");
        await PostAsync(ada, WithClientData(made, data => data["origin"] = Origin)).RefusedAsync(BadRequest, "invalid-passkey");
        Assert.Empty(await ListAsync(ada));
    }

    [Fact]
    public async Task One_credential_is_added_once_by_whomever()
    {
        var (ada, bob) = (await Person.SignedInAsync(service), await Person.SignedInAsync(service));
        await AddAsync(ada);
        // The browser knows what is there already.
        var again = await AskAsync(ada);
        Assert.Equal(1, again.GetProperty("excludeCredentials").GetArrayLength());
        await Assert.ThrowsAsync<BrowserRefusedException>(() => Browser.CreateAsync(again, Origin));

        // And so do we: Bob answers his question with what Ada's authenticator made, which no signature binds to it.
        await Browser.NewAuthenticatorAsync();
        var hers = await AskAsync(ada);
        var made = await Browser.CreateAsync(hers, Origin);
        using (var added = await PostAsync(ada, made)) Assert.Equal(Created, added.StatusCode);
        foreach (var person in new[] { bob, ada })
        {
            var asked = await AskAsync(person);
            var taken = WithClientData(made, data => data["challenge"] = asked.GetProperty("challenge").GetString());
            using var answer = await PostAsync(person, taken);
            Assert.True(answer.StatusCode is Conflict or BadRequest, $"{answer.StatusCode}");
        }
        Assert.Empty(await ListAsync(bob));
        Assert.Equal(2, (await ListAsync(ada)).Count);
    }

    [Fact]
    public async Task What_a_browser_answered_signs_in_once_and_only_as_it_was_asked()
    {
        var ada = await Person.SignedInAsync(service);
        await AddAsync(ada);
        var answer = await Browser.GetAsync(await AskAsync(), Origin);
        using (var first = await SignInAsync(answer)) Assert.Equal(OK, first.StatusCode);
        await RefusedAsync(answer);

        var raced = await Browser.GetAsync(await AskAsync(), Origin);
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => SignInAsync(raced)));
        Assert.Single(answers, response => response.StatusCode == OK);

        await RefusedAsync(await Browser.GetAsync(await AskAsync(), "http://localhost:7178"));

        var late = await Browser.GetAsync(await AskAsync(), Origin);
        await service.SqlAsync("update passkey_challenges set created_at = created_at - interval '301 seconds' where asked_by is null");
        await RefusedAsync(late);

        // The browser holds to what we ask; a page that asks for less gets no further.
        var asked = await AskAsync();
        await Browser.VerifiesAsync(false);
        await Assert.ThrowsAsync<BrowserRefusedException>(() => Browser.GetAsync(asked, Origin));
        var lax = JsonNode.Parse(asked.GetRawText())!;
        lax["userVerification"] = "discouraged";
        await RefusedAsync(await Browser.GetAsync(JsonSerializer.SerializeToElement(lax), Origin));
        await Browser.VerifiesAsync(true);
        using (var still = await SignInAsync(await Browser.GetAsync(await AskAsync(), Origin))) Assert.Equal(OK, still.StatusCode);

        // What the question was for adding one is none for signing in.
        var forAdding = await AskAsync(ada);
        var mixed = JsonNode.Parse((await AskAsync()).GetRawText())!;
        mixed["challenge"] = forAdding.GetProperty("challenge").GetString();
        await RefusedAsync(await Browser.GetAsync(JsonSerializer.SerializeToElement(mixed), Origin));
        Assert.DoesNotContain("passkey-copied", await ActionsAsync(ada));
    }

    [Fact]
    public async Task A_forged_answer_signs_nobody_in()
    {
        var (ada, bob) = (await Person.SignedInAsync(service), await Person.SignedInAsync(service));
        await AddAsync(ada);
        var hers = (await Browser.CredentialsAsync()).EnumerateArray().Single();
        await Browser.NewAuthenticatorAsync();
        await AddAsync(bob);
        var his = (await Browser.CredentialsAsync()).EnumerateArray().Single();
        var count = 100u;

        async Task<JsonElement> ForgeAsync(
            JsonElement? with = null, JsonElement? signedWith = null, string origin = Origin, string rpId = RpId, byte flags = Present | Verified, string? challenge = null, Person? whose = null,
            string type = "webauthn.get", bool crossOrigin = false, bool breakSignature = false)
        {
            challenge ??= (await AskAsync()).GetProperty("challenge").GetString();
            var data = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new { type, challenge, origin, crossOrigin }));
            return Sign(with ?? hers, signedWith ?? with ?? hers, data, rpId, flags, ++count, (whose ?? ada).AccountId.ToString(), breakSignature);
        }

        // The forger forges well: with nothing wrong it signs in.
        using (var right = await SignInAsync(await ForgeAsync())) Assert.Equal(OK, right.StatusCode);
        await RefusedAsync(await ForgeAsync(breakSignature: true));
        await RefusedAsync(await ForgeAsync(signedWith: his));
        await RefusedAsync(await ForgeAsync(whose: bob));
        await RefusedAsync(await ForgeAsync(with: his, whose: ada));
        await RefusedAsync(await ForgeAsync(origin: "https://localhost:7177"));
        await RefusedAsync(await ForgeAsync(origin: "http://localhost"));
        await RefusedAsync(await ForgeAsync(origin: $"{Origin}.example"));
        await RefusedAsync(await ForgeAsync(origin: "http://sub.localhost:7177"));
        await RefusedAsync(await ForgeAsync(crossOrigin: true));
        await RefusedAsync(await ForgeAsync(rpId: "elsewhere.localhost"));
        await RefusedAsync(await ForgeAsync(flags: Present));
        await RefusedAsync(await ForgeAsync(flags: Verified));
        await RefusedAsync(await ForgeAsync(flags: Present | Verified | BackedUp));
        await RefusedAsync(await ForgeAsync(type: "webauthn.create"));
        await RefusedAsync(await ForgeAsync(challenge: Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32))));
        await RefusedAsync(await ForgeAsync(challenge: ""));
        // A challenge that is changed after the signature was made.
        var asked = (await AskAsync()).GetProperty("challenge").GetString();
        await RefusedAsync(WithClientData(await ForgeAsync(), data => data["challenge"] = asked));
        using (var right = await SignInAsync(await ForgeAsync())) Assert.Equal(OK, right.StatusCode);
        using (var right = await SignInAsync(await ForgeAsync(with: his, whose: bob))) Assert.Equal(OK, right.StatusCode);
        foreach (var nonsense in new object?[] { null, "text", new { id = "x" }, new { id = "AAAA", response = new { clientDataJSON = "e30" } }, Array.Empty<int>() })
            await service.PostAsync("passkey-logins", new { credential = nonsense }).RefusedAsync(Unauthorized, "invalid-passkey");
    }

    [Fact]
    public async Task A_counter_that_does_not_go_on_is_refused_and_told_to_the_person()
    {
        var ada = await Person.SignedInAsync(service);
        await AddAsync(ada);
        using (var right = await SignInAsync(await Browser.GetAsync(await AskAsync(), Origin))) Assert.Equal(OK, right.StatusCode);
        var known = (await service.SqlAsync<long>("select sign_count from passkeys where user_id = @AccountId", new { ada.AccountId })).Single();
        Assert.True(known > 0);
        var copy = (await Browser.CredentialsAsync()).EnumerateArray().Single();
        foreach (var count in new[] { known, known - 1, 0 })
        {
            var challenge = (await AskAsync()).GetProperty("challenge").GetString();
            var data = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new { type = "webauthn.get", challenge, origin = Origin }));
            await RefusedAsync(Sign(copy, copy, data, RpId, Present | Verified, (uint)count, ada.AccountId.ToString()));
        }
        Assert.Equal(3, (await ActionsAsync(ada)).Count(action => action == "passkey-copied"));
        Assert.Equal(known, (await service.SqlAsync<long>("select sign_count from passkeys where user_id = @AccountId", new { ada.AccountId })).Single());
        using (var still = await SignInAsync(await Browser.GetAsync(await AskAsync(), Origin))) Assert.Equal(OK, still.StatusCode);
    }

    [Fact]
    public async Task A_disabled_account_is_refused_with_the_answer_of_an_unknown_passkey()
    {
        var ada = await Person.SignedInAsync(service);
        await AddAsync(ada);
        await service.SqlAsync("update accounts set disabled_at = now() where user_id = @AccountId", new { ada.AccountId });
        var disabled = await RefusedAsync(await Browser.GetAsync(await AskAsync(), Origin));
        await service.SqlAsync("delete from passkeys where user_id = @AccountId", new { ada.AccountId });
        var unknown = await RefusedAsync(await Browser.GetAsync(await AskAsync(), Origin));
        Assert.Equal((unknown.Type, unknown.Detail), (disabled.Type, disabled.Detail));
        Assert.Single(await service.SqlAsync<Guid>("select login_id from logins where user_id = @AccountId", new { ada.AccountId }));
    }

    [Fact]
    public async Task What_was_asked_and_never_answered_is_forgotten()
    {
        await AskAsync();
        await service.SqlAsync("update passkey_challenges set created_at = created_at - interval '6 minutes'");
        await service.SqlAsync("call forget_old_passkey_challenges()");
        Assert.Equal(0, Assert.Single(await service.SqlAsync<int>("select count(*)::int from passkey_challenges where created_at < now() - interval '5 minutes'")));
    }

    private static async Task<JsonElement> AskAsync(Person person)
    {
        using var answer = await person.Http.PostAsJsonAsync("/identity/v1/me/passkeys/options", new { password = person.Password }, Ct);
        Assert.Equal(OK, answer.StatusCode);
        return (await answer.JsonAsync()).GetProperty("public_key");
    }

    private async Task<JsonElement> AskAsync()
    {
        using var answer = await service.Anonymous().PostAsync("/identity/v1/passkey-logins/options", null, Ct);
        Assert.Equal(OK, answer.StatusCode);
        return (await answer.JsonAsync()).GetProperty("public_key");
    }

    private static Task<HttpResponseMessage> PostAsync(Person person, JsonElement credential) =>
        person.Http.PostAsJsonAsync("/identity/v1/me/passkeys", new { name = "Phone", credential }, Ct);

    private async Task<JsonElement> AddAsync(Person person)
    {
        using var added = await PostAsync(person, await Browser.CreateAsync(await AskAsync(person), Origin));
        Assert.True(added.StatusCode == Created, await added.Content.ReadAsStringAsync(Ct));
        return await added.JsonAsync();
    }

    private Task<HttpResponseMessage> SignInAsync(JsonElement credential) => service.PostAsync("passkey-logins", new { credential });

    private Task<Problem> RefusedAsync(JsonElement credential) => SignInAsync(credential).RefusedAsync(Unauthorized, "invalid-passkey");

    private static async Task<IReadOnlyList<JsonElement>> ListAsync(Person person) =>
        [.. (await person.Http.GetFromJsonAsync<JsonElement>("/identity/v1/me/passkeys", Ct)).GetProperty("passkeys").EnumerateArray()];

    private Task<IReadOnlyList<string>> ActionsAsync(Person person) =>
        service.SqlAsync<string>("select action from audit where user_id = @AccountId order by entry_id", new { person.AccountId });

    // An assertion as an authenticator makes it (WebAuthn §6.3.3).
    private static JsonElement Sign(JsonElement credential, JsonElement signedWith, byte[] clientData, string rpId, byte flags, uint count, string userHandle, bool breakSignature = false)
    {
        var about = new byte[37];
        SHA256.HashData(Encoding.ASCII.GetBytes(rpId)).CopyTo(about, 0);
        about[32] = flags;
        BinaryPrimitives.WriteUInt32BigEndian(about.AsSpan(33), count);
        using var key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(Convert.FromBase64String(signedWith.GetProperty("privateKey").GetString()!), out _);
        var signature = key.SignData([.. about, .. SHA256.HashData(clientData)], HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        if (breakSignature) signature[^1] ^= 1;
        var id = Base64Url.EncodeToString(Convert.FromBase64String(credential.GetProperty("credentialId").GetString()!));
        return JsonSerializer.SerializeToElement(new
        {
            id, rawId = id, type = "public-key", clientExtensionResults = new { }, authenticatorAttachment = "platform",
            response = new
            {
                clientDataJSON = Base64Url.EncodeToString(clientData), authenticatorData = Base64Url.EncodeToString(about), signature = Base64Url.EncodeToString(signature),
                userHandle = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(userHandle)),
            },
        });
    }

    // The client data is not signed in a registration without attestation.
    private static JsonElement WithClientData(JsonElement credential, Action<JsonNode> change)
    {
        var changed = JsonNode.Parse(credential.GetRawText())!;
        var data = JsonNode.Parse(Base64Url.DecodeFromChars(changed["response"]!["clientDataJSON"]!.GetValue<string>()))!;
        change(data);
        changed["response"]!["clientDataJSON"] = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(data.ToJsonString()));
        return JsonSerializer.SerializeToElement(changed);
    }

    // Nor are the flags: they follow the hash of the RP id.
    private static JsonElement Without(byte flag, JsonElement credential)
    {
        var changed = JsonNode.Parse(credential.GetRawText())!;
        var made = Base64Url.DecodeFromChars(changed["response"]!["attestationObject"]!.GetValue<string>());
        var flags = made.AsSpan().IndexOf(SHA256.HashData(Encoding.ASCII.GetBytes(RpId))) + 32;
        made[flags] &= (byte)~flag;
        changed["response"]!["attestationObject"] = Base64Url.EncodeToString(made);
        return JsonSerializer.SerializeToElement(changed);
    }
}
