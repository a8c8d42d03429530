// What clients hold that never stop sending after their answer, with the default linger and with none. Run
// `npm run build` first, then `node bench/linger-attack.js [clients]`; `ulimit -n` must be above their number.
import { availableParallelism } from 'node:os'
import { startChild } from './child.js'
import { table } from './table.js'

/**
 * @typedef {import('../test/support/client/linger-attack.js').Sample} Sample
 * @typedef {typeof import('../test/support/client/linger-attack.js').ways} Ways
 */

const count = Number(process.argv[2] ?? 2_000)
/** Those that reach the byte bound before the time bound: the machine reads no more than so many times 64 MiB in 2 s. */
const FEW = 2
/** With `linger: false` what follows a 401 is a body like any other, for up to `bodyTimeout`: no use waiting for it, in milliseconds. */
const PATIENCE = { default: 120_000, false: 6_000 }
/** What is shown over time: every so many samples, which are a second, or fewer of a long attack. */
const EVERY = 5
const COLUMNS = 12

/** A tenth of the clients, where a few bytes take Node's parser a microsecond. */
/** @type {readonly { statusCode: 401 | 413, way: Ways[number], clients: number }[]} */
const attacks = [
  { statusCode: 413, way: 'flood', clients: count },
  { statusCode: 413, way: 'flood', clients: FEW },
  { statusCode: 413, way: 'chunks', clients: count / 10 },
  { statusCode: 413, way: 'requests', clients: count / 10 },
  { statusCode: 413, way: 'trickle', clients: count },
  { statusCode: 413, way: 'silence', clients: count },
  { statusCode: 401, way: 'flood', clients: count },
  { statusCode: 401, way: 'flood', clients: FEW },
  { statusCode: 401, way: 'trickle', clients: count }
]
/** @type {readonly { mode: keyof typeof PATIENCE, guard: import('fastify-read-guard').ReadGuardOptions }[]} */
const modes = [{ mode: 'default', guard: {} }, { mode: 'false', guard: { linger: false } }]

/** @param {number} bytes */
const megabytes = (bytes) => (bytes / 1e6).toFixed(1)
/** @param {number} milliseconds */
const seconds = (milliseconds) => `${(milliseconds / 1_000).toFixed(2)} s`

const rows = []
const lines = []
for (const { statusCode, way, clients } of attacks) {
  for (const { mode, guard } of modes) {
    const server = await startChild('linger-attack-server.js')
    const held = await server.ask('attack', guard, way, clients, { statusCode, patience: PATIENCE[mode] })
    await server.stop()
    const name = `${statusCode}, ${way}, linger: ${mode}`
    rows.push([
      name, clients, held.answers, held.lingering, `${held.left > 0 ? '> ' : ''}${seconds(held.longest)}`, seconds(held.blocked), held.left,
      Math.round(held.read), megabytes(held.heap), megabytes(held.rss), megabytes(held.kernel), megabytes(held.heapLeft)
    ])
    if (clients === count && held.samples.length > EVERY) lines.push(seriesLine(name, held.samples))
  }
}

/**
 * @param {string} name
 * @param {readonly Sample[]} samples
 */
function seriesLine (name, samples) {
  const answered = samples.filter(({ at }) => at !== null) // NaN before the first answer
  const every = Math.max(EVERY, Math.ceil(answered.length / COLUMNS))
  const shown = answered.filter((_, i) => i % every === 0)
  /** @param {(sample: Sample) => number | string} figure */
  const of = (figure) => shown.map(figure).join(' ')
  return `${name}\n  seconds     ${of(({ at }) => (at / 1_000).toFixed(1))}\n  connections ${of(({ connections }) => connections)}\n  RSS, MB     ${of(({ rss }) => (rss / 1e6).toFixed(0))}\n  heap, MB    ${of(({ heap }) => (heap / 1e6).toFixed(0))}`
}

console.log(`Node ${process.versions.node}, ${availableParallelism()} cores; the default linger is 2 s, ${64 * 1_024 * 1_024} bytes\n`)
console.log(table(['answer, then', 'clients', 'answered', 'lingered on', 'longest', 'blocked', 'left', 'most bytes read', 'heap, MB', 'RSS, MB', 'TCP buffers, MB', 'heap left, MB'], rows))
console.log(`\nFrom the first answer on, over what it was before:\n\n${lines.join('\n')}`)
