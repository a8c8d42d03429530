// More reads than one machine's ports and files allow, on sockets that are not there. Started by `beat.js`.
import { connect, createServer } from 'node:net'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { BodyRead } from '../dist/body/body-read.js'
import { Connection } from '../dist/http1/connection.js'
import { Heartbeat } from '../dist/clock/heartbeat.js'
import { rememberReply } from '../dist/node/fastify-replies.js'
import { resolveOptions } from '../dist/limits/resolve.js'
import { beats, watchBeats } from './beat-probe.js'
import { answer } from './child.js'

watchBeats()
const server = createServer().listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address()) // it listens on a port
const real = connect(port, '127.0.0.1')
await once(real, 'connect')

/**
 * In the place of a whole object: it has what a beat asks of it, and nothing else is asked here.
 *
 * @template T
 * @param {unknown} part
 */
function asked (part) {
  return /** @type {T} */ (part)
}

const { _handle: handle } = /** @type {{ _handle: { bytesWritten: number, writeQueueSize: number } }} */ (asked(real))
const simulatedHandle = {
  get bytesWritten () { return handle.bytesWritten },
  get writeQueueSize () { return handle.writeQueueSize }
}

/** Asks a real socket for its bytes, which is the dearest of what is asked; the rest are fields of its own. */
class SimulatedSocket {
  pending = false
  get bytesRead () { return real.bytesRead }
  writableLength = 0
  /** Node's parser has the connection. */
  parser = {}
  _handle = simulatedHandle
  /** @type {unknown} */
  _httpMessage = null
  isPaused () { return false }
  on () { return this }
  prependListener () { return this }
  setTimeout () {}
}

const options = resolveOptions({})
const response = { writableFinished: false }
const headers = { 'content-length': '1000' }

/**
 * @typedef {import('../dist/guard.js').GuardContext} GuardContext
 * @typedef {keyof typeof phases} Phase
 * @typedef {typeof commands} Commands
 */

const phases = {
  /**
   * @param {GuardContext} _guard
   * @param {Connection} connection
   */
  idle: (_guard, connection) => connection.rest(),
  /**
   * @param {GuardContext} _guard
   * @param {Connection} connection
   */
  'header phase': (_guard, connection) => { connection.beginHead() },
  /**
   * @param {GuardContext} guard
   * @param {Connection} connection
   */
  'body under way': (guard, connection) => {
    const request = Object.assign(new Readable({ read () {} }), { headers, socket: connection.socket, httpVersionMajor: 1 })
    connection.beginBody(new BodyRead(guard, connection, asked(request), asked(response), options.policy))
  },
  /**
   * @param {GuardContext} _guard
   * @param {Connection} connection
   */
  'download under way': (_guard, connection) => {
    const raw = {}
    const response = { req: raw, socket: connection.socket }
    rememberReply(asked({ raw: response, request: { raw } }))
    Object.assign(connection.socket, { writableLength: 65_536, _httpMessage: response })
    connection.rest()
  }
}

const commands = {
  /**
   * @param {Phase} phase
   * @param {number} count
   */
  simulate (phase, count) {
    /** @type {GuardContext} */
    const guard = asked({ options, heartbeat: new Heartbeat(options.resolution), lingered: 0, servers: new WeakSet(), policyOf: () => options.policy })
    for (let i = 0; i < count; i++) {
      const connection = new Connection(guard, asked(new SimulatedSocket()))
      connection.accept()
      phases[phase](guard, connection)
    }
  },
  beats
}

answer(commands)
