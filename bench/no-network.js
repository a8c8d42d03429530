// The process in which requests are served without a network, and timed. Started by `quick.js`.
import { makeApp } from './apps.js'
import { answer } from './child.js'
import { quantile } from './stats.js'
import { Http1Wire, Http2Wire } from './wires.js'

/** @typedef {import('fastify').FastifyInstance} FastifyInstance */
/** @typedef {import('./wires.js').Exchange} Exchange */

const json = { a: 'x'.repeat(1_000) }
/** @type {Exchange} */
const jsonPost = { method: 'POST', type: 'application/json', body: JSON.stringify(json) }

/**
 * What can be asked for: `count` requests make a block of some milliseconds, and `ask` makes one.
 *
 * @type {Record<string, { kind?: 'h2c', count: number, askTo: (app: FastifyInstance) => () => Promise<unknown> }>}
 */
const loads = {
  GET: { count: 400, askTo: (app) => overWire(app, new Http1Wire({ method: 'GET' })) },
  '1 KB JSON POST': { count: 250, askTo: (app) => overWire(app, new Http1Wire(jsonPost)) },
  '100 KB POST': { count: 150, askTo: (app) => overWire(app, new Http1Wire({ method: 'POST', type: 'application/octet-stream', body: Buffer.alloc(100_000) })) },
  'HTTP/2 1 KB JSON POST': { kind: 'h2c', count: 80, askTo: (app) => overWire(app, new Http2Wire(jsonPost)) },
  'inject, 1 KB JSON POST': { count: 80, askTo: (app) => () => app.inject({ method: 'POST', url: '/', payload: json }) }
}

/**
 * What stands in the process: two applications without the guard, which should not differ, and those with it, which are asked
 * in turns.
 *
 * @type {Record<string, { typical?: boolean, guarded: number }>}
 */
const forms = {
  bare: { guarded: 1 },
  typical: { typical: true, guarded: 1 },
  eight: { guarded: 8 }
}

/**
 * @param {FastifyInstance} app
 * @param {Http1Wire | Http2Wire} wire
 */
function overWire (app, wire) {
  app.server.emit('connection', wire)
  return () => wire.ask()
}

/**
 * Nanoseconds for each of so many requests.
 *
 * @param {() => Promise<unknown>} ask
 * @param {number} count
 */
async function block (ask, count) {
  const started = process.hrtime.bigint()
  for (let i = 0; i < count; i++) await ask()
  return Number(process.hrtime.bigint() - started) / count
}

/**
 * Blocks of all in mirrored order, so that what drifts is shared. Most of what disturbs them makes them longer: the tenth that
 * was disturbed least is the steadiest there is.
 *
 * @param {{ bare: () => Promise<unknown>, again: () => Promise<unknown>, guarded: readonly (() => Promise<unknown>)[] }} asked
 * @param {number} count of requests in a block
 * @param {number} seconds
 */
async function compare ({ bare, again, guarded }, count, seconds) {
  /** @type {Record<'bare' | 'guarded' | 'again', number[]>} */
  const took = { bare: [], guarded: [], again: [] }
  const warmAt = performance.now() + seconds * 1_000 / 4
  const end = warmAt + seconds * 1_000
  for (let round = 0; took.bare.length === 0 || performance.now() < end; round++) {
    const ask = guarded[round % guarded.length] ?? bare
    /** @type {[keyof typeof took, () => Promise<unknown>][]} */
    const lanes = [['bare', bare], ['guarded', ask], ['again', again]]
    const order = [...lanes.slice(round % 3), ...lanes.slice(0, round % 3)]
    const isWarm = performance.now() > warmAt
    for (const [name, ask] of [...order, ...order.toReversed()]) {
      const nanoseconds = await block(ask, count)
      if (isWarm) took[name].push(nanoseconds)
    }
  }
  const [without, withGuard, same] = [took.bare, took.guarded, took.again].map((numbers) => quantile(numbers, 0.1))
  return { without, guarded: withGuard, again: same, blocks: took.bare.length }
}

/** @typedef {typeof commands} Commands */

const commands = {
  names: () => ({ forms: Object.keys(forms), loads: Object.keys(loads) }),
  /**
   * Nanoseconds per request of one form of application.
   *
   * @param {string} form
   * @param {string} load
   * @param {number} seconds
   */
  async measure (form, load, seconds) {
    const { typical = false, guarded } = forms[form] ?? { guarded: 1 }
    const { kind = 'http', count, askTo } = loads[load] ?? { count: 1, askTo: () => async () => {} }
    const make = (/** @type {object} */ options) => makeApp({ kind, typical, ...options })
    const apps = [await make({}), await make({})]
    for (let i = 0; i < guarded; i++) apps.push(await make({ guard: {} }))
    const [bare = async () => {}, again = async () => {}, ...withGuard] = apps.map(askTo)
    return compare({ bare, again, guarded: withGuard }, count, seconds)
  }
}

answer(commands)
