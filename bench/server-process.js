// The server's process: applications with and without the guard, and what they cost. Started by `servers.js`.
import { subscribe } from 'node:diagnostics_channel'
import { startApp } from './apps.js'
import { beats, watchBeats } from './beat-probe.js'
import { answer } from './child.js'
import { Expiries } from './expiries.js'

const apps = []
const body = { a: 'x'.repeat(1_000) }
let expiries
let begun = 0
subscribe('http.server.request.start', () => { begun++ })

/** Asks what the guard asks of a connection, and what Node then keeps. */
function askPeers (app) {
  app.server.on('connection', (socket) => socket.remoteAddress)
}

function cpu () {
  const { user, system } = process.cpuUsage()
  return user + system
}

answer({
  /** Returns the port. */
  async start ({ probe = false, late = false, peers = false, ...options }) {
    if (probe) watchBeats()
    if (late) expiries = new Expiries()
    const app = await startApp({ ...options, ...(peers && { before: askPeers }), ...expiries?.hooks(options.guard) })
    expiries?.watch(app)
    apps.push(app)
    return app.server.address().port
  },
  cpu,
  begun: () => begun,
  /** Microseconds of this process, and of the clock, for so many injected requests. */
  async inject (index, requests) {
    const before = cpu()
    const started = performance.now()
    for (let i = 0; i < requests; i++) {
      const { statusCode } = await apps[index].inject({ method: 'POST', url: '/', payload: body })
      if (statusCode !== 200) throw new Error(`inject: ${statusCode}`)
    }
    return { cpu: cpu() - before, wall: (performance.now() - started) * 1_000 }
  },
  heap () {
    globalThis.gc()
    globalThis.gc()
    return process.memoryUsage().heapUsed
  },
  connections: (index = 0) => new Promise((resolve, reject) => {
    apps[index].server.getConnections((error, count) => error === null ? resolve(count) : reject(error))
  }),
  memory: () => process.memoryUsage(),
  reading: (index = 0) => apps[index].readGuard.stats().reading,
  beats,
  expire: (after) => expiries.expire(after),
  lateness: () => expiries.take()
})
