// The soaked server: one application for each protocol, whose limits are as short as its clients' patience. Started by `main.js`.
import { readdirSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import fastify from 'fastify'
import readGuard from 'fastify-read-guard'
import { certificate } from '../certificate.js'
import { answer } from '../child.js'
import { watchLateness } from './lateness.js'

/** @typedef {'http' | 'https' | 'h2'} Protocol */
/** @typedef {typeof commands} Commands */

/**
 * What is planted, for the proof that it would be found: every request is kept, or a listener for each on its connection, or an
 * open file for each.
 * @typedef {'requests' | 'listeners' | 'files'} Leak
 */

/**
 * What a record says of whose it is, and of what.
 * @typedef {Pick<import('fastify-read-guard').AbortRecord, 'code' | 'phase' | 'url' | 'remotePort' | 'time' | 'answered'> & { protocol: Protocol }} Told
 */

/** @type {readonly Protocol[]} */
const protocols = ['http', 'https', 'h2']

const guard = {
  handshakeTimeout: 1_200,
  headersTimeout: 1_500,
  minHeadersRate: { bytesPerSecond: 50, gracePeriod: 1_000 },
  bodyIdleTimeout: 900,
  minBodyRate: { bytesPerSecond: 2_000, gracePeriod: 1_500 },
  bodyLimit: 200_000,
  responseIdleTimeout: 1_000,
  minResponseRate: /** @type {const} */ (false),
  logLimit: { records: 5, period: 1_000 }
}

/** More than the operating system takes for a client that does not read. */
const large = Buffer.alloc(24_000_000)
const fair = Buffer.alloc(3_000_000)

/** @type {Told[]} */
let records = []
/** @type {Map<Protocol, import('fastify').FastifyInstance>} */
const apps = new Map()
/** @type {unknown[]} what has been planted */
const leaked = []

/** @param {import('fastify').FastifyInstance} app */
function routes (app) {
  app.addContentTypeParser('application/x-stream', (_request, _payload, done) => done(null))
  /** @type {import('fastify').RouteHandlerMethod} */
  const read = async (request) => {
    if (request.headers['content-type'] !== 'application/x-stream') return { read: true }
    let bytes = 0
    for await (const part of request.raw) bytes += part.length
    return { bytes }
  }
  app.all('/read/*', read)
  app.post('/timed/*', { config: { readGuard: { bodyTimeout: 2_000, bodyIdleTimeout: 0 } } }, read)
  app.post('/length/*', { config: { readGuard: { requireContentLength: true } } }, read)
  app.get('/slow/*', async () => {
    await new Promise((resolve) => setTimeout(resolve, 300))
    return { slow: true }
  })
  app.get('/never/*', ({ readGuard: { signal } }, reply) => {
    // As a handler would be told that need not go on.
    signal.addEventListener('abort', () => { reply.send({ never: true }) }, { once: true })
  })
  app.get('/fair/*', async () => fair)
  app.get('/large/*', async () => large)
  app.get('/crawl/*', { config: { readGuard: { responseIdleTimeout: 0, minResponseRate: { bytesPerSecond: 4_000_000, gracePeriod: 1_000 } } } }, async () => large)
  app.get('/events/*', (_request, reply) => {
    const events = new PassThrough()
    const timer = setInterval(() => events.write('data: something\n\n'), 200)
    events.on('close', () => clearInterval(timer))
    events.write('data: begun\n\n')
    reply.type('text/event-stream').send(events)
  })
}

/**
 * @param {Protocol} protocol
 * @param {Leak | undefined} leak
 */
async function start (protocol, leak) {
  const https = certificate
  const kinds = { http: {}, https: { https }, h2: { http2: true, https } }
  const stream = { write () {} }
  const app = /** @type {import('fastify').FastifyInstance} */ (/** @type {unknown} */ (fastify(/** @type {{}} */ ({ logger: { level: 'info', stream }, ...kinds[protocol] })))) // of any of its server types
  await app.register(readGuard, { ...guard, onAbort: ({ code, phase, url, remotePort, time, answered }) => { records.push({ code, phase, url, remotePort, time, answered, protocol }) } })
  if (leak === 'requests') app.addHook('onRequest', async (request) => { leaked.push(request) })
  if (leak === 'listeners') app.addHook('onRequest', async ({ raw }) => { raw.socket.setMaxListeners(0).on('timeout', () => {}) })
  if (leak === 'files') {
    const { open } = await import('node:fs/promises')
    app.addHook('onRequest', async () => { if (leaked.length < 1_000) leaked.push(await open('/dev/null')) })
  }
  routes(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  apps.set(protocol, app)
  return /** @type {import('node:net').AddressInfo} */ (app.server.address()).port // it listens on a port
}

/** @type {Map<string, import('node:events').EventEmitter>} the server's sides of the connections that are kept all the time */
const kept = new Map()

/** @param {import('node:events').EventEmitter} emitter */
function listeners (emitter) {
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0)
}

/** @param {import('node:net').Server} server */
function connections (server) {
  return new Promise((resolve, reject) => server.getConnections((error, count) => error === null ? resolve(count) : reject(error)))
}

const commands = {
  /**
   * Returns the ports.
   *
   * @param {Leak} [leak]
   */
  async start (leak) {
    /** @type {Partial<Record<Protocol, number>>} */
    const ports = {}
    for (const protocol of protocols) ports[protocol] = await start(protocol, leak)
    for (const [protocol, app] of apps) {
      app.server.on(protocol === 'h2' ? 'session' : protocol === 'https' ? 'secureConnection' : 'connection', (emitter) => {
        // The first of each is that of the client who stays.
        if (!kept.has(protocol)) kept.set(protocol, emitter)
      })
    }
    return /** @type {Record<Protocol, number>} */ (ports)
  },
  /** What has been recorded since it was last asked. */
  records () {
    const taken = records
    records = []
    return taken
  },
  lateness: watchLateness(),
  stats: () => [...apps.values()].map(({ readGuard }) => readGuard.stats()),
  /** What is there while nothing goes on but the connections that are kept. */
  async rest () {
    for (let i = 0; i < 3; i++) {
      globalThis.gc?.()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    /** @type {Record<string, number>} */
    const resources = {}
    for (const resource of process.getActiveResourcesInfo()) resources[resource] = (resources[resource] ?? 0) + 1
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage()
    let open = 0
    for (const app of apps.values()) open += await connections(app.server)
    return {
      heap: heapUsed,
      external: external + arrayBuffers,
      rss,
      resources,
      /** Without the one by which they are read. */
      files: process.platform === 'linux' ? readdirSync('/proc/self/fd').length - 1 : 0,
      connections: open,
      listeners: {
        process: listeners(process),
        ...Object.fromEntries([...apps].map(([protocol, { server }]) => [`${protocol} server`, listeners(server)])),
        ...Object.fromEntries([...kept].map(([protocol, emitter]) => [`${protocol} connection`, listeners(emitter)]))
      }
    }
  },
  async close () {
    await Promise.all([...apps.values()].map((app) => app.close()))
  }
}

answer(commands)
