// The server's process: applications with and without the guard, and what they cost. Started by `servers.js`.
import { subscribe } from 'node:diagnostics_channel'
import { startApp } from './apps.js'
import { beats, watchBeats } from './beat-probe.js'
import { answer } from './child.js'
import { Expiries } from './expiries.js'
import { Refusals } from './refusals.js'

/**
 * @typedef {object} Probes
 * @property {boolean} [probe] times the guard's beats
 * @property {boolean} [late] tells how late reads are ended
 * @property {boolean} [refuses] answers requests with an error, without a guard
 * @property {boolean} [peers] asks for the client's address alone
 */

/** @typedef {Pick<import('./apps.js').AppOptions, 'kind' | 'typical' | 'guard'> & Probes} ServedOptions */

/** @typedef {typeof commands} Commands */

/** @type {import('fastify').FastifyInstance[]} */
const apps = []
const body = { a: 'x'.repeat(1_000) }
/** @type {Expiries | undefined} */
let expiries
/** @type {Refusals | undefined} */
let refusals
let begun = 0
subscribe('http.server.request.start', () => { begun++ })

/** @param {number} index */
function appAt (index) {
  const app = apps[index]
  if (app === undefined) throw new RangeError(`there is no application ${index}`)
  return app
}

/**
 * Asks what the guard asks of a connection, and what Node then keeps.
 *
 * @param {import('fastify').FastifyInstance} app
 */
function askPeers (app) {
  app.server.on('connection', (socket) => socket.remoteAddress)
}

function cpu () {
  const { user, system } = process.cpuUsage()
  return user + system
}

const commands = {
  /**
   * Returns the port.
   *
   * @param {ServedOptions} options
   */
  async start ({ probe = false, late = false, refuses = false, peers = false, ...options }) {
    if (probe) watchBeats()
    if (late) expiries = new Expiries()
    if (refuses) refusals = new Refusals()
    const app = await startApp({ ...options, ...(peers && { before: askPeers }), ...expiries?.hooks(options.guard ?? {}), ...refusals?.hooks() })
    expiries?.watch(app)
    apps.push(app)
    return /** @type {import('node:net').AddressInfo} */ (app.server.address()).port // it listens on a port
  },
  cpu,
  begun: () => begun,
  /**
   * Microseconds of this process, and of the clock, for so many injected requests.
   *
   * @param {number} index of the application
   * @param {number} requests
   */
  async inject (index, requests) {
    const before = cpu()
    const started = performance.now()
    for (let i = 0; i < requests; i++) {
      const { statusCode } = await appAt(index).inject({ method: 'POST', url: '/', payload: body })
      if (statusCode !== 200) throw new Error(`inject: ${statusCode}`)
    }
    return { cpu: cpu() - before, wall: (performance.now() - started) * 1_000 }
  },
  heap () {
    globalThis.gc?.()
    globalThis.gc?.()
    return process.memoryUsage().heapUsed
  },
  /** @returns {Promise<number>} */
  connections: (index = 0) => new Promise((resolve, reject) => {
    appAt(index).server.getConnections((error, count) => error === null ? resolve(count) : reject(error))
  }),
  memory: () => process.memoryUsage(),
  reading: (index = 0) => appAt(index).readGuard.stats().reading,
  beats,
  /** @param {number} after milliseconds from now */
  expire: (after) => expiries?.expire(after) ?? 0,
  lateness: () => expiries?.take() ?? refusals?.take() ?? [],
  held: () => refusals?.held ?? 0,
  refuse: () => refusals?.refuse()
}

answer(commands)
