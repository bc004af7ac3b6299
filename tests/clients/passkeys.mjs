// A browser with a virtual authenticator, for the tests of passkeys: a line of JSON on standard input is one thing to do, and a line on standard
// output what came of it. Pages are made up here, on whatever origin is asked for; what they make goes to the service from the test.
import readline from 'node:readline'
import { chromium } from 'playwright-core'
import { inspect } from './inspect.mjs'

const launch = (...more) => chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...more],
})
const platform = { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true }
const browser = await launch()
const page = await (await browser.newContext()).newPage()
await page.route('**/*', route => route.fulfill({ contentType: 'text/html', body: '<!DOCTYPE html><title>Passkeys</title>' }))
const devtools = await page.context().newCDPSession(page)
await devtools.send('WebAuthn.enable')
let authenticatorId, site

const actions = {
  async authenticator() {
    if (authenticatorId) await devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
    ;({ authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: platform,
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
  // The pages of the service itself, under the name that the service believes it has, in a browser of their own with an authenticator of its own.
  async open({ origin, address, path }) {
    if (site) await site.browser.close()
    const own = await launch(`--host-resolver-rules=MAP ${new URL(origin).host} ${new URL(address).host}`)
    const context = await own.newContext(), tab = await context.newPage(), complaints = []
    tab.on('console', line => line.type() === 'error' && !line.text().includes('status of 4') && complaints.push(line.text()))
    tab.on('pageerror', error => complaints.push(String(error)))
    const tools = await context.newCDPSession(tab)
    await tools.send('WebAuthn.enable')
    await tools.send('WebAuthn.addVirtualAuthenticator', { options: platform })
    site = { browser: own, context, tab, complaints }
    await tab.goto(`${origin}${path}`)
    return actions.see()
  },
  async go({ address }) { await site.tab.goto(address); return actions.see() },
  async fill({ field, value }) { await site.tab.getByLabel(field, { exact: true }).last().fill(value) },
  async press({ button, shows }) {
    await site.tab.getByRole('button', { name: button, exact: true }).click()
    await site.tab.getByText(shows).first().waitFor({ timeout: 20000 })
    return actions.see()
  },
  async follow({ link, shows }) {
    await site.tab.getByRole('link', { name: link, exact: true }).click()
    await site.tab.getByText(shows).first().waitFor({ timeout: 20000 })
    return actions.see()
  },
  // Axe puts styles into the page, which its policy refuses: that is no complaint about the page.
  async inspect({ name, pictures }) {
    const before = site.complaints.length
    try { return await inspect(site.tab, name, pictures) } finally { site.complaints.length = before }
  },
  async forget() { await site.context.clearCookies() },
  async see() {
    await site.tab.waitForLoadState()
    return {
      address: site.tab.url(), text: await site.tab.locator('main').innerText(), complaints: site.complaints,
      buttons: await site.tab.getByRole('button').allInnerTexts(), names: await site.tab.locator('input[name=name]').evaluateAll(all => all.map(one => one.value)),
    }
  },
  // A picture as canvas makes it: a slope of colours, half of it see-through where the format can.
  async draw({ type, width, height, quality }) {
    await page.goto('http://localhost/')
    return page.evaluate(async ({ type, width, height, quality }) => {
      const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext('2d')
      for (let x = 0; x < width; x++) {
        pen.fillStyle = `rgba(${x * 255 / width}, 90, ${255 - x * 255 / width}, ${x < width / 2 || type === 'image/jpeg' ? 1 : 0.5})`
        pen.fillRect(x, 0, 1, height)
      }
      return btoa(String.fromCharCode(...new Uint8Array(await (await canvas.convertToBlob({ type, quality })).arrayBuffer())))
    }, { type, width, height, quality })
  },
  // What the browser shows of a picture.
  async look({ type, bytes }) {
    await page.goto('http://localhost/')
    return page.evaluate(async ({ type, bytes }) => {
      const shown = await createImageBitmap(new Blob([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], { type }))
      const pen = new OffscreenCanvas(shown.width, shown.height).getContext('2d')
      pen.drawImage(shown, 0, 0)
      let pixels = ''
      for (const one of pen.getImageData(0, 0, shown.width, shown.height).data) pixels += String.fromCharCode(one)
      return { width: shown.width, height: shown.height, pixels: btoa(pixels) }
    }, { type, bytes })
  },
  async credentials() { return (await devtools.send('WebAuthn.getCredentials', { authenticatorId })).credentials },
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line)
  let said
  try { said = { result: await actions[asked.do](asked) ?? null } } catch (e) { said = { error: String(e.message) } }
  process.stdout.write(`${JSON.stringify(said)}\n`)
}
await site?.browser.close()
await browser.close()
