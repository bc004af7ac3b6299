// Every flow with openid-client, the certified client of the Node world, and the tokens looked at with jose.
import * as client from 'openid-client'
import * as jose from 'jose'
import { answer, browse, listen, look, setting, signIn } from './setting.mjs'

const insecure = { execute: [client.allowInsecureRequests] }        // the tests' issuer is http on loopback
const config = await client.discovery(new URL(setting.issuer), setting.client_id, setting.client_secret, undefined, insecure)
const jwks = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))
const callback = await listen()
const { browser, page } = await browse()
const said = {}

async function authorize(parameters) {
  const verifier = client.randomPKCECodeVerifier(), state = client.randomState(), nonce = client.randomNonce()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: callback.uri, scope: 'openid profile email readings:read readings:write offline_access', state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...parameters,
  })
  await page.goto(url.href)
  return async () => client.authorizationCodeGrant(config, await callback.next(), { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, maxAge: parameters?.max_age })
}

let finish = await authorize()
await look(page, 'sign-in')
await page.getByRole('link', { name: 'Forgotten password' }).click()
await look(page, 'forgotten-password')
await page.goBack()
await page.getByRole('link', { name: 'Make an account' }).click()
await look(page, 'sign-up')
await page.getByLabel('E-mail address').fill(setting.email)
await page.getByLabel('Password').fill('Not-the-password-1')
await page.getByRole('button', { name: 'Make the account' }).click()
await look(page, 'sign-up-done')
await page.getByRole('link', { name: 'Sign in' }).click()
await page.getByLabel('E-mail address').fill(setting.email)
await page.getByLabel('Password').fill('Not-the-password-1')
await page.getByRole('button', { name: 'Sign in', exact: true }).click()
await look(page, 'sign-in-wrong')
await signIn(page)
await look(page, 'consent')
await page.getByRole('button', { name: 'Allow' }).click()
let tokens = await finish()
said.claims = tokens.claims()
said.scope = tokens.scope
said.userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)

const verified = await jose.jwtVerify(tokens.access_token, jwks, { issuer: setting.issuer, audience: 'openreadings', typ: 'at+jwt', algorithms: ['ES256'] })
said.access = verified.payload
await jose.jwtVerify(tokens.id_token, jwks, { issuer: setting.issuer, audience: setting.client_id, algorithms: ['ES256'] })

// The application uses what it was let do.
const readings = token => fetch(`${setting.readings}/readings/v1/sources`, { headers: { authorization: `Bearer ${token}` } })
said.sources = (await readings(tokens.access_token)).status

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
said.refreshed = refreshed.claims().sub
said.active = (await client.tokenIntrospection(config, refreshed.access_token)).active
await client.tokenRevocation(config, refreshed.refresh_token)
said.refusal = await client.refreshTokenGrant(config, refreshed.refresh_token).then(() => 'none', e => e.error)
await new Promise(done => setTimeout(done, 1000))
said.activeAfterRevocation = (await client.tokenIntrospection(config, refreshed.access_token)).active
said.sourcesAfterRevocation = (await readings(refreshed.access_token)).status

// Asked again, nobody is shown anything; and with max_age they sign in anew.
finish = await authorize({ prompt: 'none' })
said.silent = (await finish()).claims().sub
await new Promise(done => setTimeout(done, 1100))
finish = await authorize({ max_age: 1 })
await signIn(page)
tokens = await finish()
said.authTimeIsNew = Date.now() / 1000 - tokens.claims().auth_time < 10

said.own = (await client.clientCredentialsGrant(config, { scope: 'readings:read' })).scope

const device = await client.initiateDeviceAuthorization(config, { scope: 'readings:write' })
const polling = client.pollDeviceAuthorizationGrant(config, device)
await page.goto(device.verification_uri_complete)
await look(page, 'device')
await page.getByRole('button', { name: 'Go on' }).click()
await look(page, 'device-consent')
await page.getByRole('button', { name: 'Allow' }).click()
await look(page, 'device-done')
said.device = (await polling).scope

await page.goto(client.buildEndSessionUrl(config, { post_logout_redirect_uri: `${callback.origin}/bye`, id_token_hint: tokens.id_token, state: 'bye-1' }).href)
const bye = await callback.next()
said.bye = bye.pathname + bye.search
finish = await authorize({ prompt: 'none' })
said.afterSignOut = await finish().then(() => 'none', e => e.error)

await browser.close()
callback.close()
answer(said)
