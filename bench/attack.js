import { setTimeout as delay } from 'node:timers/promises'
import { startChild } from './child.js'
import { startServer } from './servers.js'
import { quantile } from './stats.js'
import { milliseconds, table } from './table.js'

/**
 * @typedef {import('./child.js').Client} Client
 * @typedef {import('./servers.js').Server} Server
 */

/**
 * What there was of the server at one moment, in connections and bytes.
 * @typedef {{ connections: number, rss: number, heapUsed: number }} Sample
 */

/** @typedef {{ p50: number, p99: number }} Waited */

/**
 * @typedef {object} AttackSize
 * @property {number} connections of each kind
 * @property {number} limit milliseconds
 * @property {number} perSecond requests of the good client
 * @property {number} seconds before and after the attack
 */

/**
 * Shorter than the defaults, so that it does not take a minute until they have passed.
 *
 * @param {number} limit milliseconds
 */
function limits (limit) {
  return { headersTimeout: limit, bodyIdleTimeout: limit, minBodyRate: { bytesPerSecond: 240, gracePeriod: limit }, linger: { timeout: limit / 4, bytes: 1_000_000 } }
}

const openings = {
  head: 'GET / HTTP/1.1\r\nHost: bench\r\n',
  body: 'POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n'
}

/** @type {{ [attack: string]: readonly (keyof typeof openings)[] }} */
const attacks = { heads: ['head'], bodies: ['body'], 'heads and bodies': ['head', 'body'] }

/** How often an attacker sends, and how often the server is looked at, in milliseconds. */
const EVERY = 1_000
const SAMPLE = 500

/**
 * @param {Server} server
 * @param {Sample[]} series
 */
async function sample (server, series) {
  const { rss, heapUsed } = await server.ask('memory')
  series.push({ connections: await server.ask('connections'), rss, heapUsed })
}

/**
 * Watches the server for so long.
 *
 * @param {Server} server
 * @param {Client} good
 * @param {Sample[]} series
 * @param {number} seconds
 * @returns {Promise<Waited>} what the good client waited meanwhile, in milliseconds
 */
async function watch (server, good, series, seconds) {
  await good.ask('durations')
  for (let i = 0; i < seconds * 1_000 / SAMPLE; i++) {
    await sample(server, series)
    await delay(SAMPLE)
  }
  const durations = await good.ask('durations')
  return { p50: quantile(durations, 0.5), p99: quantile(durations, 0.99) }
}

/**
 * @param {readonly (keyof typeof openings)[]} kinds
 * @param {import('../dist/index.js').ReadGuardOptions | undefined} guard
 * @param {AttackSize} size
 */
async function measure (kinds, guard, { connections, limit, perSecond, seconds }) {
  const server = await startServer([guard === undefined ? {} : { guard }])
  const port = server.portOf()
  const good = await startChild('client-process.js')
  const attackers = []
  /** @type {Sample[]} */
  const series = []
  try {
    await good.ask('behave', port, perSecond, 16)
    await delay(limit / 2)
    const before = await watch(server, good, series, seconds)
    await good.ask('durations')
    for (const kind of kinds) {
      const attacker = await startChild('client-process.js')
      attackers.push(attacker)
      await attacker.ask('open', port, connections, openings[kind])
      await attacker.ask('trickle', EVERY, kind)
    }
    const during = await watch(server, good, series, 2 * limit / 1_000) // the limits, and what lingers
    const after = await watch(server, good, series, seconds)
    return { before, during, after, series, failed: await good.ask('failed') }
  } finally {
    for (const child of [...attackers, good, server]) await child.stop()
  }
}

/**
 * @param {string} name
 * @param {readonly Sample[]} series
 */
function seriesLine (name, series) {
  const every = series.filter((_, i) => i % 2 === 0)
  /** @param {(sample: Sample) => number | string} figure */
  const of = (figure) => every.map(figure).join(' ')
  return `${name}\n  connections ${of(({ connections }) => connections)}\n  RSS, MB     ${of(({ rss }) => (rss / 1e6).toFixed(0))}\n  heap, MB    ${of(({ heapUsed }) => (heapUsed / 1e6).toFixed(0))}`
}

/** @param {Waited} waited */
function cell ({ p50, p99 }) {
  return `${milliseconds(p50)} / ${milliseconds(p99)} ms`
}

/**
 * What a well-behaved client notices of an attack, with the guard and without. Loopback only; it ends by itself.
 *
 * @param {AttackSize & { attacks: readonly string[] }} size
 */
export async function attack (size) {
  const rows = []
  const lines = []
  for (const name of size.attacks) {
    const kinds = attacks[name] ?? []
    for (const { how, guard } of [{ how: 'without', guard: undefined }, { how: 'with', guard: limits(size.limit) }]) {
      const { before, during, after, series, failed } = await measure(kinds, guard, size)
      const label = `${kinds.length * size.connections} slow ${name}, ${how} the guard`
      rows.push([label, cell(before), cell(during), cell(after), (after.p99 / before.p99).toFixed(2), series.at(-1)?.connections ?? NaN, failed])
      lines.push(seriesLine(label, series))
    }
  }
  console.log(`The good client's ${size.perSecond} requests a second, p50 / p99. The attackers' limits are ${size.limit / 1_000} s here, and each sends once a second:\n`)
  console.log(table(['attack', 'before', 'while limits run', 'after them', 'p99 after : before', 'connections left', 'good requests failed'], rows))
  console.log(`\nEvery second from its start:\n\n${lines.join('\n')}`)
}
