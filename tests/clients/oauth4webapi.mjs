// The code flow of a public application on a person's own machine with oauth4webapi, in a browser that runs no scripts; discovery as RFC 8414 says.
import * as oauth from 'oauth4webapi'
import { answer, browse, listen, setting, signIn } from './setting.mjs'

const insecure = { [oauth.allowInsecureRequests]: true }            // the tests' issuer is http on loopback
const issuer = new URL(setting.issuer)
const said = {}
for (const algorithm of ['oidc', 'oauth2'])
  said[algorithm] = (await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...insecure }))).issuer
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure))
const client = { client_id: setting.client_id }, proof = oauth.None()
const callback = await listen()
const { browser, page } = await browse({ javaScriptEnabled: false })

const verifier = oauth.generateRandomCodeVerifier(), state = oauth.generateRandomState(), nonce = oauth.generateRandomNonce()
const url = new URL(server.authorization_endpoint)
for (const [name, value] of Object.entries({
  client_id: setting.client_id, redirect_uri: callback.uri, response_type: 'code', scope: 'openid readings:read offline_access', state, nonce,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
})) url.searchParams.set(name, value)
await page.goto(url.href)
await signIn(page)
await page.getByLabel('see everything you have measured').uncheck()
await page.getByRole('button', { name: 'Allow' }).click()

const parameters = oauth.validateAuthResponse(server, client, await callback.next(), state)
const tokens = await oauth.processAuthorizationCodeResponse(server, client,
  await oauth.authorizationCodeGrantRequest(server, client, proof, parameters, callback.uri, verifier, insecure), { expectedNonce: nonce, requireIdToken: true })
said.scope = tokens.scope
const next = await oauth.processRefreshTokenResponse(server, client, await oauth.refreshTokenGrantRequest(server, client, proof, tokens.refresh_token, insecure))
said.refreshed = Boolean(next.access_token)
await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, proof, next.refresh_token, insecure))

await browser.close()
callback.close()
answer(said)
