import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

/** How often the server is looked at, in milliseconds. */
const SAMPLE = 50

export const ways = /** @type {const} */ (['flood', 'chunks', 'requests', 'trickle', 'silence'])

/**
 * What a server held at most while it was attacked, and what was left of it afterwards.
 * @typedef {object} Held
 * @property {number} answers clients that had their answer
 * @property {number} sent bytes that they sent after it
 * @property {number} lingering connections that were lingered on at the same time
 * @property {number} longest milliseconds from an answer to the close of its connection
 * @property {number} heap bytes over what it was before
 * @property {number} rss bytes over what it was before
 * @property {number} kernel bytes in the system's TCP buffers over what it was before, both sides; 0 where it does not tell
 * @property {number} connections that are left
 * @property {number} heapLeft bytes over what it was before
 */

/** Where the attackers ask. @param {import('fastify').FastifyInstance} app guarded */
export function attackedRoutes (app) {
  app.addContentTypeParser('application/x-stream', (_request, payload, done) => done(null, payload))
  app.post('/attacked', { config: { readGuard: { bodyLimit: 100 } } }, (request) => request.readRawBody())
}

/** @param {import('fastify').FastifyInstance} app */
function watchLingering (app) {
  let longest = 0
  app.server.on('request', (request, response) => {
    response.once('finish', () => {
      const answered = performance.now()
      request.socket.once('close', () => { longest = Math.max(longest, performance.now() - answered) })
    })
  })
  return () => longest
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

/**
 * Attacks an application of this process that listens on 127.0.0.1 and has `attackedRoutes`.
 * @param {import('fastify').FastifyInstance & { readGuard: { stats: () => { reading: { lingering: number } } } }} app
 * @param {string} way one of `ways`
 * @param {number} count of clients
 * @returns {Promise<Held>}
 */
export async function attack (app, way, count) {
  const { port } = /** @type {import('node:net').AddressInfo} */ (app.server.address())
  const longest = watchLingering(app)
  collectGarbage()
  const before = { ...process.memoryUsage(), kernel: kernelBytes() }
  const most = { lingering: 0, heap: 0, rss: 0, kernel: 0 }
  const timer = setInterval(() => {
    const { heapUsed, rss } = process.memoryUsage()
    most.lingering = Math.max(most.lingering, app.readGuard.stats().reading.lingering)
    most.heap = Math.max(most.heap, heapUsed - before.heapUsed)
    most.rss = Math.max(most.rss, rss - before.rss)
    most.kernel = Math.max(most.kernel, kernelBytes() - before.kernel)
  }, SAMPLE)
  try {
    const attacker = fileURLToPath(new URL('linger-attacker.js', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [attacker, String(port), String(count), way], { timeout: 60_000 })
    collectGarbage()
    return { ...JSON.parse(stdout), ...most, longest: longest(), connections: await connectionsOf(app), heapLeft: process.memoryUsage().heapUsed - before.heapUsed }
  } finally {
    clearInterval(timer)
  }
}
