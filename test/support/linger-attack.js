import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
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
 * @property {number} longest milliseconds from an answer to the close of its connection
 * @property {number} heap bytes in use over what it was before
 * @property {number} rss bytes over what it was before
 * @property {number} kernel bytes in the system's TCP buffers over what it was before, both sides; 0 where it does not tell
 * @property {number} heapLeft bytes in use over what it was before
 */

/** Where the attackers ask. @param {import('fastify').FastifyInstance} app guarded */
export function attackedRoutes (app) {
  app.addContentTypeParser('application/x-stream', (_request, payload, done) => done(null, payload))
  app.post('/attacked', { config: { readGuard: { bodyLimit: 100 } } }, (request) => request.readRawBody())
}

/** @param {import('fastify').FastifyInstance} app */
function watchLingering (app) {
  const most = { longest: 0, read: 0 }
  app.server.on('request', ({ socket }, response) => {
    response.once('finish', () => {
      const answered = performance.now()
      const { bytesRead } = socket
      socket.once('close', () => {
        most.longest = Math.max(most.longest, performance.now() - answered)
        most.read = Math.max(most.read, socket.bytesRead - bytesRead)
      })
    })
  })
  return most
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

/** @param {() => Promise<boolean>} isOver */
async function over (isOver) {
  const deadline = performance.now() + PATIENCE
  while (!await isOver()) {
    if (performance.now() > deadline) throw new Error('the attack is not over')
    await wait(20)
  }
}

/** @typedef {{ stats: () => { lingered: number, reading: { lingering: number } } }} ReadGuard */

/**
 * Attacks an application of this process that listens on 127.0.0.1 and has `attackedRoutes`, until it has closed every connection.
 * @param {import('fastify').FastifyInstance & { readGuard: ReadGuard }} app
 * @param {string} way one of `ways`
 * @param {number} count of clients
 * @returns {Promise<Held>}
 */
export async function attack (app, way, count) {
  const { port } = /** @type {import('node:net').AddressInfo} */ (app.server.address())
  const lingers = watchLingering(app)
  const { lingered } = app.readGuard.stats()
  collectGarbage()
  const before = { ...process.memoryUsage(), kernel: kernelBytes() }
  const most = { lingering: 0, heap: 0, rss: 0, kernel: 0 }
  const timer = setInterval(() => {
    const { rss } = process.memoryUsage()
    collectGarbage() // what is not held is not of interest
    const { heapUsed } = process.memoryUsage()
    most.lingering = Math.max(most.lingering, app.readGuard.stats().reading.lingering)
    most.heap = Math.max(most.heap, heapUsed - before.heapUsed)
    most.rss = Math.max(most.rss, rss - before.rss)
    most.kernel = Math.max(most.kernel, kernelBytes() - before.kernel)
  }, SAMPLE)
  const attacker = fork(fileURLToPath(new URL('linger-attacker.js', import.meta.url)), [String(port), String(count), way], { execArgv: [] })
  try {
    await over(async () => app.readGuard.stats().lingered - lingered >= count && await connectionsOf(app) === 0)
    attacker.send('how did it go?')
    const [{ answers, sent }] = await once(attacker, 'message')
    collectGarbage()
    return { answers, sent, ...most, ...lingers, heapLeft: process.memoryUsage().heapUsed - before.heapUsed }
  } finally {
    clearInterval(timer)
    attacker.kill()
  }
}
