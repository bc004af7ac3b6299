// What the tests say on standard input, and a browser and a callback for the clients of this folder. A client answers with JSON on standard output.
import http from 'node:http'
import { readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { inspect } from './inspect.mjs'

export const setting = JSON.parse(readFileSync(0, 'utf8'))

/** Listens where the application wants its answers sent, and says which addresses came. */
export async function listen() {
  const came = []
  let tell
  const server = http.createServer((request, response) => {
    if (request.url !== '/favicon.ico') came.push(new URL(request.url, 'http://127.0.0.1'))
    response.end('<!DOCTYPE html><title>Back</title>Back at the application.')
    tell?.()
  })
  await new Promise(done => server.listen(setting.callback_port ?? 0, '127.0.0.1', done))
  const origin = `http://127.0.0.1:${server.address().port}`
  return {
    uri: `${origin}/callback`, origin,
    async next() {
      const late = setTimeout(() => { console.error('Nothing came back to the application.'); process.exit(1) }, 20_000)
      while (!came.length) await new Promise(done => { tell = done })
      clearTimeout(late)
      return new URL(came.shift().href.replace('http://127.0.0.1', origin))
    },
    close: () => server.close(),
  }
}

export async function browse(options = {}) {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
  return { browser, page: await browser.newPage({ viewport: { width: 900, height: 800 }, ...options }) }
}

export const seen = []

/** Keeps a picture of a page, and what of it is not accessible, does not fit a small phone, or was not let load. */
export const look = async (page, name) => seen.push(await inspect(page, name, setting.pictures))

export async function signIn(page) {
  await page.getByLabel('E-mail address').fill(setting.email)
  await page.getByLabel('Password').fill(setting.password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

export const answer = said => process.stdout.write(JSON.stringify({ ...said, seen }))
