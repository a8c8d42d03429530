import { setTimeout as delay } from 'node:timers/promises'
import { startChild } from './child.js'
import { startServer } from './servers.js'
import { quantile } from './stats.js'
import { milliseconds, table } from './table.js'

/** Shorter than the defaults, so that it does not take a minute until they have passed. */
function limits (limit) {
  return { headersTimeout: limit, bodyIdleTimeout: limit, minBodyRate: { bytesPerSecond: 240, gracePeriod: limit }, linger: { timeout: limit / 4, bytes: 1_000_000 } }
}

const openings = {
  head: 'GET / HTTP/1.1\r\nHost: bench\r\n',
  body: 'POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n'
}

const attacks = { heads: ['head'], bodies: ['body'], 'heads and bodies': ['head', 'body'] }

/** How often an attacker sends, and how often the server is looked at, in milliseconds. */
const EVERY = 1_000
const SAMPLE = 500

async function sample (server, series) {
  const { rss, heapUsed } = await server.ask('memory')
  series.push({ connections: await server.ask('connections'), rss, heapUsed })
}

/** Watches the server for so long, and returns what the good client waited meanwhile. */
async function watch (server, good, series, seconds) {
  await good.ask('durations')
  for (let i = 0; i < seconds * 1_000 / SAMPLE; i++) {
    await sample(server, series)
    await delay(SAMPLE)
  }
  const durations = await good.ask('durations')
  return [0.5, 0.99].map((share) => quantile(durations, share))
}

async function measure (kinds, guard, { connections, limit, perSecond, seconds }) {
  const server = await startServer([{ guard }])
  const [port] = server.ports
  const good = await startChild('client-process.js')
  const attackers = []
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

function seriesLine (name, series) {
  const every = series.filter((_, i) => i % 2 === 0)
  const of = (figure) => every.map(figure).join(' ')
  return `${name}\n  connections ${of(({ connections }) => connections)}\n  RSS, MB     ${of(({ rss }) => (rss / 1e6).toFixed(0))}\n  heap, MB    ${of(({ heapUsed }) => (heapUsed / 1e6).toFixed(0))}`
}

/** What a well-behaved client notices of an attack, with the guard and without. Loopback only; it ends by itself. */
export async function attack (size) {
  const rows = []
  const lines = []
  for (const name of size.attacks) {
    const kinds = attacks[name]
    for (const [how, guard] of [['without', undefined], ['with', limits(size.limit)]]) {
      const { before, during, after, series, failed } = await measure(kinds, guard, size)
      const cell = ([p50, p99]) => `${milliseconds(p50)} / ${milliseconds(p99)} ms`
      const label = `${kinds.length * size.connections} slow ${name}, ${how} the guard`
      rows.push([label, cell(before), cell(during), cell(after), (after[1] / before[1]).toFixed(2), series.at(-1).connections, failed])
      lines.push(seriesLine(label, series))
    }
  }
  console.log(`The good client's ${size.perSecond} requests a second, p50 / p99. The attackers' limits are ${size.limit / 1_000} s here, and each sends once a second:\n`)
  console.log(table(['attack', 'before', 'while limits run', 'after them', 'p99 after : before', 'connections left', 'good requests failed'], rows))
  console.log(`\nEvery second from its start:\n\n${lines.join('\n')}`)
}
