import { Socket } from 'node:net'
import { startApp } from './apps.js'
import { bare, guarded } from './servers.js'
import { median, summary } from './stats.js'

const json = JSON.stringify({ a: 'x'.repeat(1_000) })

const requests = {
  GET: 'GET / HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n',
  '1 KB JSON POST': `POST / HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`
}

/** Rounds before what they take counts: by then everything is compiled. */
const WARMING = 10

/** A connection without an operating system below it: requests are pushed into it, and answers end here. */
class Wire extends Socket {
  /** @type {(value?: undefined) => void} */
  #answered = () => {}
  #bytes = 0

  /** @override */ // @ts-expect-error -- `net.Socket` has an accessor too, which its type calls a property
  get pending () { return this.destroyed }
  /** @override */ // @ts-expect-error -- as above
  get bytesRead () { return this.#bytes }

  /**
   * @override
   * @param {unknown} _chunk
   * @param {BufferEncoding} _encoding
   * @param {() => void} done
   */
  _write (_chunk, _encoding, done) {
    done()
    // Behind what Node does when a response is finished: earlier, the next request would be pipelined.
    process.nextTick(this.#answered)
  }

  /**
   * @override
   * @param {unknown[]} _chunks
   * @param {() => void} done
   */
  _writev (_chunks, done) {
    done()
    // Behind what Node does when a response is finished: earlier, the next request would be pipelined.
    process.nextTick(this.#answered)
  }

  /** @override */
  _read () {}

  /** @param {Buffer} request */
  ask (request) {
    return new Promise((resolve) => {
      this.#answered = resolve
      this.#bytes += request.length
      this.push(request)
    })
  }
}

/** @typedef {{ wire: Wire, took: number[] }} Lane a connection to one application, and what each block of its requests took */

/**
 * @param {import('fastify').FastifyInstance} app
 * @returns {Lane}
 */
function laneTo (app) {
  const wire = new Wire({ allowHalfOpen: true })
  app.server.emit('connection', wire)
  return { wire, took: [] }
}

/**
 * Nanoseconds for each of so many requests.
 *
 * @param {Wire} wire
 * @param {Buffer} request
 * @param {number} count
 */
async function block (wire, request, count) {
  const started = process.hrtime.bigint()
  for (let i = 0; i < count; i++) await wire.ask(request)
  return Number(process.hrtime.bigint() - started) / count
}

/**
 * @param {readonly number[]} without
 * @param {readonly number[]} guarded
 * @param {readonly number[]} again without the guard
 */
function comparison (without, guarded, again) {
  const bothWithout = [...without, ...again]
  return {
    without: median(bothWithout),
    added: summary(guarded.map((took, i) => took - ((without[i] ?? NaN) + (again[i] ?? NaN)) / 2)),
    same: summary(again.map((took, i) => took - (without[i] ?? NaN))),
    least: Math.min(...guarded) - Math.min(...bothWithout)
  }
}

/**
 * What the guard adds where nothing is noisier than JavaScript: nanoseconds per request, of blocks in turns. With a
 * network below it the whole request takes several times as long, and the caches are colder.
 *
 * @typedef {object} Calls
 * @property {string} name
 * @property {number} without the guard, the whole request
 * @property {import('./stats.js').Summary} added by the guard
 * @property {import('./stats.js').Summary} same added by nothing
 * @property {number} least that the guard added
 *
 * @param {number} rounds
 * @param {number} count of requests in a block
 * @returns {Promise<Calls[]>}
 */
export async function withoutNetwork (rounds, count) {
  const apps = { without: await startApp(bare), guarded: await startApp(guarded), again: await startApp(bare) }
  const rows = []
  for (const [name, text] of Object.entries(requests)) {
    const request = Buffer.from(text)
    const lanes = { without: laneTo(apps.without), guarded: laneTo(apps.guarded), again: laneTo(apps.again) }
    let order = Object.values(lanes)
    for (let round = -WARMING; round < rounds; round++) {
      for (const { wire, took } of [...order, ...order.toReversed()]) {
        const nanoseconds = await block(wire, request, count)
        if (round >= 0) took.push(nanoseconds)
      }
      order = [...order.slice(1), ...order.slice(0, 1)]
    }
    for (const { wire } of order) wire.destroy()
    rows.push({ name, ...comparison(lanes.without.took, lanes.guarded.took, lanes.again.took) })
  }
  await Promise.all(Object.values(apps).map((app) => app.close()))
  return rows
}
