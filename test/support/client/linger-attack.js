import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

/** How often the server is looked at, in milliseconds. */
const SAMPLE = 200
/** An attack that takes longer is not over. In milliseconds. */
const PATIENCE = 60_000

export const ways = /** @type {const} */ (['flood', 'chunks', 'requests', 'trickle', 'silence'])

/**
 * What a server held at most while it was attacked, and what was left of it afterwards.
 * @typedef {object} Held
 * @property {number} answers clients that had their answer
 * @property {number} sent bytes that they sent after it
 * @property {number} lingering connections that were lingered on at the same time
 * @property {number} read bytes that were read from one connection after its answer, at most
 * @property {number} longest milliseconds from an answer to the close of its connection, or to the end of patience
 * @property {number} blocked milliseconds that the server could not run in one piece
 * @property {number} left connections that were not closed before the end of patience
 * @property {number} heap bytes in use over what it was before
 * @property {number} rss bytes over what it was before
 * @property {number} kernel bytes in the system's TCP buffers over what it was before, both sides; 0 where it does not tell
 * @property {number} heapLeft bytes in use over what it was before
 * @property {Sample[]} samples
 */

/**
 * @typedef {object} Sample
 * @property {number} at milliseconds from the first answer
 * @property {number} connections
 * @property {number} heap bytes in use over what it was before
 * @property {number} rss bytes over what it was before
 */

/** Where the attackers ask. @param {import('fastify').FastifyInstance} app guarded */
export function attackedRoutes (app) {
  app.addContentTypeParser('application/x-stream', (_request, payload, done) => done(null, payload))
  app.post('/413', { config: { readGuard: { bodyLimit: 100 } } }, (request) => request.readRawBody())
  app.post('/401', {
    onRequest: async (_request, reply) => reply.code(401).send({ statusCode: 401, error: 'Unauthorized', message: 'Who are you?' })
  }, (request) => request.readRawBody())
}

/** From the first answer on each connection. @param {import('fastify').FastifyInstance} app */
function watchConnections (app) {
  const most = { longest: 0, read: 0 }
  /** @type {Map<import('node:net').Socket, () => void>} */
  const open = new Map()
  const answered = new WeakSet()
  let first = NaN
  app.server.on('request', ({ socket }, response) => {
    if (answered.has(socket)) return
    response.once('finish', () => {
      if (answered.has(socket)) return
      answered.add(socket)
      const at = performance.now()
      const { bytesRead } = socket
      first = Math.min(at, first || at)
      const look = () => {
        most.longest = Math.max(most.longest, performance.now() - at)
        most.read = Math.max(most.read, socket.bytesRead - bytesRead)
      }
      open.set(socket, look)
      // Its descriptor is closed at once, while others may have much to say before 'close' is emitted.
      const { destroy } = socket
      socket.destroy = (error) => {
        if (open.delete(socket)) look()
        return destroy.call(socket, error)
      }
    })
  })
  return {
    get sinceFirst () { return performance.now() - first },
    /** Closed or not. */
    results () {
      for (const look of open.values()) look()
      return most
    }
  }
}

function kernelBytes () {
  try {
    return Number(/^TCP:.* mem (\d+)/m.exec(readFileSync('/proc/net/sockstat', 'utf8'))?.[1] ?? 0) * 4_096
  } catch {
    return 0
  }
}

/** @param {import('fastify').FastifyInstance} app @returns {Promise<number>} */
function connectionsOf (app) {
  return new Promise((resolve, reject) => app.server.getConnections((error, count) => error ? reject(error) : resolve(count)))
}

/** @typedef {{ stats: () => { reading: { lingering: number } } }} ReadGuard */

/**
 * Attacks an application of this process that listens on 127.0.0.1 and has `attackedRoutes`, until it has closed every
 * connection, or patience is at its end.
 * @param {import('fastify').FastifyInstance & { readGuard: ReadGuard }} app
 * @param {string} way one of `ways`
 * @param {number} count of clients
 * @param {{ statusCode?: 401 | 413, patience?: number }} [options] the answer, and milliseconds
 * @returns {Promise<Held>}
 */
export async function attack (app, way, count, { statusCode = 413, patience = PATIENCE } = {}) {
  const { port } = /** @type {import('node:net').AddressInfo} */ (app.server.address())
  const watched = watchConnections(app)
  let accepted = 0
  app.server.on('connection', () => { accepted++ })
  collectGarbage()
  const before = { ...process.memoryUsage(), kernel: kernelBytes() }
  const most = { lingering: 0, heap: 0, rss: 0, kernel: 0 }
  /** @type {Sample[]} */
  const samples = []
  const timer = setInterval(async () => {
    const rss = process.memoryUsage().rss - before.rss
    collectGarbage() // what is not held is not of interest
    const heap = process.memoryUsage().heapUsed - before.heapUsed
    most.lingering = Math.max(most.lingering, app.readGuard.stats().reading.lingering)
    most.heap = Math.max(most.heap, heap)
    most.rss = Math.max(most.rss, rss)
    most.kernel = Math.max(most.kernel, kernelBytes() - before.kernel)
    samples.push({ at: watched.sinceFirst, connections: await connectionsOf(app), heap, rss })
  }, SAMPLE)
  const delay = monitorEventLoopDelay({ resolution: 10 })
  const attacker = fork(fileURLToPath(new URL('linger-attacker.js', import.meta.url)), [String(port), String(count), way, String(statusCode)], { execArgv: [] })
  try {
    delay.enable()
    const deadline = performance.now() + patience
    const isOver = async () => accepted >= count && await connectionsOf(app) === 0
    while (performance.now() < deadline && !await isOver()) await wait(20)
    delay.disable()
    const left = await connectionsOf(app)
    const { longest, read } = watched.results()
    clearInterval(timer)
    attacker.send('how did it go?')
    const [{ answers, sent }] = await once(attacker, 'message')
    while (await connectionsOf(app) > 0) await wait(20)
    collectGarbage()
    const heapLeft = process.memoryUsage().heapUsed - before.heapUsed
    return { answers, sent, ...most, longest, read, blocked: delay.max / 1e6, left, heapLeft, samples }
  } finally {
    clearInterval(timer)
    attacker.kill()
  }
}
