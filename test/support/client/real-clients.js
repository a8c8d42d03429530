import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** @typedef {import('./real/upload.js').Upload} Upload */

/** Longer than the `bodyIdleTimeout` of the route, and shorter than that and the default linger. */
const STALL = 1_500

/** @type {readonly Upload[]} */
export const uploads = [
  { name: '413, 50 MB declared', path: '/limited', bytes: 50_000_000, chunked: false, stall: 0, statusCode: 413 },
  { name: '413, 50 MB chunked', path: '/limited', bytes: 50_000_000, chunked: true, stall: 0, statusCode: 413 },
  { name: '408, stalled', path: '/slow', bytes: 1_000, chunked: false, stall: STALL, statusCode: 408 },
  { name: '411, 1 MB', path: '/measured', bytes: 1_000_000, chunked: true, stall: 0, statusCode: 411 },
  { name: '401, 5 MB unread', path: '/private', bytes: 5_000_000, chunked: false, stall: 0, statusCode: 401 }
]

const [declared, chunked, stalled, unmeasured, unread] = uploads.map(({ name }) => name)

/**
 * A client that people use, as a program of the folder `real`.
 * @typedef {object} RealClient
 * @property {string} name
 * @property {string} file
 * @property {readonly string[]} needs a command that succeeds where the client is installed
 * @property {'http' | 'h2c' | 'h2'} server
 * @property {readonly (string | undefined)[]} [uploads] those that it can do, where it can't do all
 * @property {Readonly<Record<string, string>>} [env]
 */

const node = [process.execPath, '--version']
const curl = ['curl', '--version']
const python = ['python3', '--version']
const chromium = ['chromium', '--version']

/** @type {readonly RealClient[]} */
export const realClients = [
  { name: 'curl', file: 'curl.js', needs: curl, server: 'http' },
  { name: 'curl without Expect', file: 'curl.js', env: { CURL: '--header Expect:' }, needs: curl, server: 'http' },
  { name: 'curl, HTTP/2', file: 'curl.js', env: { CURL: '--http2-prior-knowledge' }, needs: curl, server: 'h2c' },
  { name: 'Python http.client', file: 'http_client.py', needs: python, server: 'http' },
  { name: 'Python urllib', file: 'urllib_request.py', needs: python, server: 'http' },
  { name: 'Python requests', file: 'requests_post.py', needs: ['python3', '-c', 'import requests'], server: 'http' },
  { name: 'undici fetch', file: 'undici-fetch.js', needs: node, server: 'http' },
  { name: 'undici request', file: 'undici-request.js', needs: node, server: 'http' },
  { name: 'Node http.request', file: 'node-http.js', needs: node, server: 'http' },
  { name: 'Node http.request, keep-alive', file: 'node-http.js', env: { KEEP_ALIVE: '1' }, needs: node, server: 'http' },
  { name: 'got', file: 'got.js', needs: node, server: 'http' },
  { name: 'axios', file: 'axios.js', needs: node, server: 'http' },
  { name: 'Node http2', file: 'node-http2.js', needs: node, server: 'h2c' },
  { name: 'nghttp', file: 'nghttp.js', needs: ['nghttp', '--version'], server: 'h2c', uploads: [declared, chunked, unmeasured, unread] },
  { name: 'h2load (status only)', file: 'h2load.js', needs: ['h2load', '--version'], server: 'h2c', uploads: [declared, unread] },
  { name: 'Chromium fetch', file: 'chromium.js', needs: chromium, server: 'http', uploads: [declared, unread] },
  { name: 'Chromium form', file: 'chromium.js', env: { PAGE: 'form' }, needs: chromium, server: 'http', uploads: [declared, unread] },
  { name: 'Chromium fetch, HTTP/2', file: 'chromium.js', needs: chromium, server: 'h2', uploads: [declared, chunked, stalled, unmeasured, unread] }
]

/** @type {Map<readonly string[], boolean>} */
const installed = new Map()

/** @param {RealClient} client */
export function isInstalled ({ needs }) {
  const [command = '', ...args] = needs
  const is = installed.get(needs) ?? spawnSync(command, args).status === 0
  installed.set(needs, is)
  return is
}

/**
 * @param {RealClient} client
 * @returns {readonly Upload[]} what it can do
 */
export function uploadsOf (client) {
  return uploads.filter(({ name }) => client.uploads?.includes(name) ?? true)
}

/** Longest time for one try, in milliseconds; most programs give up before. */
const PATIENCE = 20_000

/**
 * @typedef {{ statusCode?: number, body?: string, error?: string }} Saw
 */

/**
 * Has a client make uploads, one after the other.
 * @param {RealClient} client
 * @param {readonly Upload[]} uploads
 * @param {string} origin
 * @param {number} tries of each
 * @returns {Promise<Map<Upload, Saw[]>>} what it saw
 */
export async function tryUploads (client, uploads, origin, tries) {
  const file = fileURLToPath(new URL(`real/${client.file}`, import.meta.url))
  const program = client.file.endsWith('.py') ? 'python3' : process.execPath
  const expected = uploads.length * tries
  const child = spawn(program, [file, origin, String(tries), JSON.stringify(uploads)], {
    env: { ...process.env, ...client.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: expected * PATIENCE
  })
  /** @type {Saw[]} */
  const saw = []
  let errors = ''
  createInterface({ input: child.stdout }).on('line', (line) => { saw.push(JSON.parse(line)) })
  child.stderr.on('data', (text) => { errors += text })
  await once(child, 'close')
  while (saw.length < expected) saw.push({ error: errors.trim().split('\n').at(-1) || 'ended without a word' })
  return new Map(uploads.map((upload, index) => [upload, saw.slice(index * tries, (index + 1) * tries)]))
}

/**
 * Whether it saw the whole answer.
 * @param {Saw} saw
 * @param {Upload} upload
 */
export function sawAnswer ({ statusCode, body }, upload) {
  if (statusCode !== upload.statusCode) return false
  return body === undefined || JSON.parse(body).statusCode === statusCode
}
