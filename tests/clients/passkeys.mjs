// A browser with a virtual authenticator, for the tests of passkeys: a line of JSON on standard input is one thing to do, and a line on standard
// output what came of it. Pages are made up here, on whatever origin is asked for; what they make goes to the service from the test.
import readline from 'node:readline'
import { chromium } from 'playwright-core'

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
const page = await (await browser.newContext()).newPage()
await page.route('**/*', route => route.fulfill({ contentType: 'text/html', body: '<!DOCTYPE html><title>Passkeys</title>' }))
const devtools = await page.context().newCDPSession(page)
await devtools.send('WebAuthn.enable')
let authenticatorId

const actions = {
  async authenticator() {
    if (authenticatorId) await devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
    ;({ authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    }))
  },
  async create({ origin, options }) {
    await page.goto(`${origin}/`)
    return page.evaluate(async json => {
      const made = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(json) })
      return made.toJSON()
    }, options)
  },
  async get({ origin, options }) {
    await page.goto(`${origin}/`)
    return page.evaluate(async json => {
      const made = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(json) })
      return made.toJSON()
    }, options)
  },
  async verified({ is }) { await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: is }) },
  async credentials() { return (await devtools.send('WebAuthn.getCredentials', { authenticatorId })).credentials },
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line)
  let said
  try { said = { result: await actions[asked.do](asked) ?? null } } catch (e) { said = { error: String(e.message) } }
  process.stdout.write(`${JSON.stringify(said)}\n`)
}
await browser.close()
