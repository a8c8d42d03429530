import { setTimeout as delay } from 'node:timers/promises'
import { Writable } from 'node:stream'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

/**
 * @typedef {object} DemoServer
 * @property {number} port
 * @property {Array<Record<string, unknown>>} log
 * @property {(port: number) => void} onClosed told of the port of each client whose connection has been closed
 * @property {() => Promise<void>} close
 */

/** More than what the operating system takes for a client that does not read. */
const EXPORT_BYTES = 20_000_000
/** What the demo's report takes, in milliseconds, where nothing tells it to stop. */
const REPORT_TAKES = 30_000

/** How long the demo's disk needs before it takes the first byte, in milliseconds: longer than the silence a client is granted. */
const SLOW_DISK = 2_000

/** @satisfies {import('fastify-read-guard').ReadGuardOptions} */
export const limits = { headersTimeout: 2_000, bodyTimeout: 3_000, bodyIdleTimeout: 1_000, responseIdleTimeout: 1_000 }

/** @satisfies {Record<string, import('fastify-read-guard').ReadGuardRouteOptions>} */
export const routeLimits = {
  '/login': { bodyLimit: 256, bodyTimeout: 1_500, requireContentLength: true },
  '/videos': { bodyLimit: 1_000_000, bodyTimeout: 0, minBodyRate: { bytesPerSecond: 500, gracePeriod: 1_500 } }
}

/** @param {import('fastify').FastifyRequest} request */
async function countBytes (request) {
  let bytes = 0
  for await (const chunk of request.raw) bytes += chunk.length
  return { bytes }
}

/**
 * Stock Fastify knows no `config.readGuard`, and passes over it.
 *
 * @param {import('fastify').FastifyInstance} app
 */
function addRoutes (app) {
  app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))

  app.post('/login', {
    config: { readGuard: routeLimits['/login'] }
  }, async () => ({ token: 'secret' }))

  app.post('/notes', async (request) => ({ saved: request.body }))

  app.post('/videos', {
    config: { readGuard: routeLimits['/videos'] }
  }, countBytes)

  app.get('/export', async () => Buffer.alloc(EXPORT_BYTES, 'x'))

  app.get('/report', async ({ readGuard }) => {
    await delay(REPORT_TAKES, undefined, { ref: false, ...(readGuard === undefined ? {} : { signal: readGuard.signal }) })
    return { report: 'done' }
  })

  app.post('/archive', async (request) => {
    await delay(SLOW_DISK)
    return countBytes(request)
  })
}

/**
 * The demo's application, on a free port of the loopback interface.
 *
 * @param {boolean} guarded
 * @returns {Promise<DemoServer>}
 */
export async function startServer (guarded) {
  /** @type {DemoServer['log']} */
  const log = []
  const stream = new Writable({
    write (line, _encoding, done) {
      log.push(JSON.parse(line))
      done()
    }
  })
  const app = Fastify({ logger: { level: 'debug', stream }, keepAliveTimeout: 2_000 })
  if (guarded) await app.register(readGuard, limits)
  addRoutes(app)
  app.server.on('connection', (socket) => {
    const { remotePort = 0 } = socket
    socket.on('close', () => server.onClosed(remotePort))
  })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  /** @type {DemoServer} */
  const server = {
    port: Number(new URL(address).port),
    log,
    onClosed: () => {},
    close: async () => {
      app.server.closeAllConnections()
      await app.close()
    }
  }
  return server
}
