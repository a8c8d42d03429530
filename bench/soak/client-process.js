// The clients of the soaked server, in a process of their own: each keeps an account. Started by `main.js`.
import { connect } from 'node:http2'
import { setTimeout as delay } from 'node:timers/promises'
import { answer } from '../child.js'
import { Connection, head } from './connection.js'
import * as http1 from './http1-clients.js'
import * as http2 from './http2-clients.js'
import { watchLateness } from './lateness.js'

/** @typedef {typeof commands} Commands */
/** @typedef {import('./server-process.js').Protocol} Protocol */

/**
 * What one client has done.
 * @typedef {object} Account
 * @property {string} id
 * @property {Protocol} protocol
 * @property {string} name
 * @property {string | undefined} code of the record that it must have
 * @property {number | undefined} port its own
 * @property {number} begun milliseconds of the calendar
 * @property {number} ended
 * @property {string | undefined} error what the server did not do as it should
 */

/** @type {Record<Protocol, { good: readonly http1.Behaviour[], bad: readonly http1.Behaviour[] }>} */
const behaviours = {
  http: { good: http1.good, bad: http1.bad },
  https: { good: http1.good, bad: [...http1.bad, ...http1.handshakes] },
  h2: { good: http2.good, bad: http2.bad }
}
const protocols = /** @type {Protocol[]} */ (Object.keys(behaviours))

const takeLateness = watchLateness()

let state = 0

/** A number from 0 to 1, repeatable (mulberry32). */
function next () {
  state = (state + 0x6d2b79f5) >>> 0
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}

/**
 * @param {number} min
 * @param {number} max
 */
function int (min, max) {
  return min + Math.floor(next() * (max - min + 1))
}

/**
 * @template T
 * @param {readonly T[]} from
 * @returns {T}
 */
function pick (from) {
  return /** @type {T} */ (from[int(0, from.length - 1)]) // none is empty
}

let started = 0

/**
 * @param {Readonly<Record<Protocol, number>>} ports
 * @param {Protocol} protocol
 * @param {http1.Behaviour} behaviour
 * @returns {Promise<Account>}
 */
async function account (ports, protocol, { name, code, act }) {
  const id = `c${++started}-`
  const begun = Date.now()
  /** @type {(() => void)[]} */
  const atEnd = []
  /** @type {number | undefined} */
  let port
  /** @type {string | undefined} */
  let error
  try {
    await act({ port: ports[protocol], tls: protocol === 'https', id, int, connected: (own) => { port = own }, onOver: (close) => { atEnd.push(close) } })
  } catch (thrown) {
    error = String(thrown instanceof Error ? thrown.message : thrown)
  }
  const ended = Date.now()
  for (const close of atEnd) close()
  return { id, protocol, name, code, port, begun, ended, error }
}

/** @type {(() => Promise<void>)[]} one request on each of the connections that are kept all the time */
const asks = []

const commands = {
  /** @param {number} seed */
  seed (seed) { state = seed >>> 0 },
  /**
   * Opens a connection to each port, which stays.
   *
   * @param {Readonly<Record<Protocol, number>>} ports
   */
  async stay (ports) {
    for (const protocol of /** @type {const} */ (['http', 'https'])) {
      const client = new Connection(ports[protocol], protocol === 'https')
      await client.ready
      asks.push(async () => {
        client.text = ''
        await client.write(head('GET', '/read/kept'))
        await client.answered(/{"read":true}$/)
      })
    }
    const session = connect(`https://127.0.0.1:${ports.h2}`, { rejectUnauthorized: false })
    asks.push(() => new Promise((resolve, reject) => {
      session.request({ ':path': '/read/kept' }).on('close', resolve).on('error', reject).resume()
    }))
  },
  lateness: takeLateness,
  async askKept () {
    for (const ask of asks) await ask()
  },
  /** Every behaviour once: what is made for all times is made by then. */
  everything: (/** @type {Readonly<Record<Protocol, number>>} */ ports) => Promise.all(protocols.flatMap((protocol) => {
    const { good, bad } = behaviours[protocol]
    return [...good, ...bad].map((behaviour) => account(ports, protocol, behaviour))
  })),
  /**
   * Has so many clients a second begin, for so long; resolves when all have come to their end.
   *
   * @param {Readonly<Record<Protocol, number>>} ports
   * @param {number} perSecond
   * @param {number} milliseconds
   */
  async pulse (ports, perSecond, milliseconds) {
    /** @type {Promise<Account>[]} */
    const accounts = []
    const until = performance.now() + milliseconds
    while (performance.now() < until) {
      const protocol = pick(protocols)
      const { good, bad } = behaviours[protocol]
      accounts.push(account(ports, protocol, pick(next() < 0.5 ? good : bad)))
      await delay(1_000 / perSecond)
    }
    return Promise.all(accounts)
  }
}

answer(commands)
