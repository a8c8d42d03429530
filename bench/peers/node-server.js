// A server of Node's: what stands behind the proxies, Fastify as it comes, and Fastify with the guard. Started by `servers.js`.
import { createServer } from 'node:http'
import fastify from 'fastify'
import readGuard from 'fastify-read-guard'
import { answer } from '../child.js'
import { LARGE, limits, MEDIUM } from './settings.js'

/** @typedef {typeof commands} Commands */

const large = Buffer.alloc(LARGE)
const medium = Buffer.alloc(MEDIUM)

/** Reads the whole body; `/never` does not answer, `/large` and `/medium` answer with more than fits anywhere. */
function backend () {
  return createServer((request, response) => {
    request.on('error', () => {}).on('end', () => {
      if (request.url === '/large') response.end(large)
      else if (request.url === '/medium') response.end(medium)
      else if (request.url !== '/never') response.end('fine')
    }).resume()
  }).listen(0, '127.0.0.1', 4_096)
}

/** @type {object[]} */
const lines = []
const stream = { write: (/** @type {string} */ line) => { lines.push(JSON.parse(line)) } }

/** @param {boolean} isGuarded */
async function application (isGuarded) {
  const { seconds, rate: bytesPerSecond, bodyBytes } = limits
  const app = fastify({ logger: { level: 'info', stream }, bodyLimit: bodyBytes })
  const milliseconds = seconds * 1_000
  if (isGuarded) {
    const rate = { bytesPerSecond, gracePeriod: milliseconds }
    await app.register(readGuard, { headersTimeout: milliseconds, bodyIdleTimeout: milliseconds, minBodyRate: rate, bodyLimit: bodyBytes, responseIdleTimeout: milliseconds, minResponseRate: rate, logLimit: false })
  }
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.get('/', async () => 'fine')
  app.post('/', async () => 'fine')
  app.get('/large', async () => large)
  app.get('/medium', async () => medium)
  app.get('/never', () => {})
  await app.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 })
  return app.server
}

const commands = {
  /**
   * Returns the port.
   *
   * @param {'backend' | 'stock' | 'guarded'} kind
   */
  async start (kind) {
    const server = kind === 'backend' ? backend() : await application(kind === 'guarded')
    if (!server.listening) await new Promise((resolve) => server.once('listening', () => resolve(undefined)))
    return /** @type {import('node:net').AddressInfo} */ (server.address()).port // it listens on a port
  },
  lines: () => lines
}

answer(commands)
