// Good and bad clients at a bounded rate, for a long while: what the server keeps must not grow, and its records must be those of
// the clients' own accounts. npm run soak [-- --minutes 30 --per-second 30 --seed 1 --leak requests]
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { startChild } from '../child.js'
import { slope } from '../stats.js'
import { table } from '../table.js'
import { reconcile } from './reconcile.js'

/** @typedef {import('./server-process.js').Leak} Leak */

const { values } = parseArgs({
  options: {
    /** For so long the server is measured. */
    minutes: { type: 'string', default: '2' },
    /** Clients that begin. */
    'per-second': { type: 'string', default: '30' },
    /** Clients before that time: until then V8 still makes what it keeps. They come no faster, as what that needs would be let go of afterwards. */
    warming: { type: 'string', default: '2500' },
    seed: { type: 'string', default: String(randomInt(2 ** 32)) },
    /** What the server is to leak: `requests`, `listeners` or `files`. */
    leak: { type: 'string' }
  }
})
const perSecond = Number(values['per-second'])
const lasts = Number(values.minutes) * 60_000
const leak = /** @type {Leak | undefined} */ (values.leak)

/** Clients begin for so long; then all come to their end, and the server is looked at. In milliseconds. */
const PULSE = 8_000
/**
 * Bytes that the heap may grow by for each client: the objects of one request take several thousand. In ten minutes what V8 still makes
 * at first is no more than a small part.
 */
const MOST_PER_CLIENT = lasts < 600_000 ? 2_000 : 300
/** The share of clients that say nothing, because their process or the server's could not run. */
const MOST_DISTURBED = 0.05

let [passed, failed] = [0, 0]

/**
 * @param {boolean} holds
 * @param {string} claim
 * @param {readonly string[]} [details]
 */
function check (holds, claim, details = []) {
  if (holds) passed++
  else failed++
  console.log(`${holds ? 'ok    ' : 'not ok'} ${claim}`)
  if (!holds) for (const detail of details.slice(0, 20)) console.log(`       ${detail}`)
}

/** @param {number} bytes */
const kilobytes = (bytes) => `${(bytes / 1_000).toFixed(0)} KB`

/** @param {Readonly<Record<string, number>>} counts */
const counted = (counts) => Object.entries(counts).sort(([a], [b]) => a < b ? -1 : 1).map(([name, count]) => `${name} ${count}`).join(', ')

const server = await startChild('soak/server-process.js', ['--expose-gc'])
const clients = await startChild('soak/client-process.js')
try {
  await soak()
} finally {
  await clients.stop()
  await server.stop()
}
console.log(`\n${passed} passed, ${failed} failed`)
if (failed > 0) process.exitCode = 1

async function soak () {
  console.log(`Node ${process.versions.node}, ${values.minutes} minutes, ${perSecond} clients a second, seed ${values.seed}${leak === undefined ? '' : `, leaking ${leak}`}\n`)
  const ports = await server.ask('start', leak)
  await clients.ask('seed', Number(values.seed))
  await clients.ask('stay', ports)

  /** What is looked at while nothing goes on. */
  async function atRest () {
    await clients.ask('askKept')
    const deadline = performance.now() + 10_000
    for (;;) {
      const reading = (await server.ask('stats')).flatMap((stats) => Object.values(stats.reading))
      const rest = await server.ask('rest')
      const isQuiet = reading.every((count) => count === 0) && rest.connections === 3
      if (isQuiet || performance.now() > deadline) return rest
    }
  }

  const accounts = await clients.ask('everything', ports)
  const records = await server.ask('records')
  /** @type {import('./lateness.js').Lateness[]} */
  const late = []

  async function pulse () {
    accounts.push(...await clients.ask('pulse', ports, perSecond, PULSE))
    const rest = await atRest()
    records.push(...await server.ask('records'))
    late.push(...await server.ask('lateness'), ...await clients.ask('lateness'))
    return { clients: accounts.length, ...rest }
  }

  let rest = { clients: accounts.length, ...await atRest() }
  while (accounts.length < Number(values.warming)) rest = await pulse()
  const begun = performance.now()
  const samples = [{ minutes: 0, ...rest }]
  while (performance.now() - begun < lasts) {
    rest = await pulse()
    samples.push({ minutes: (performance.now() - begun) / 60_000, ...rest })
  }
  await clients.stop()
  await server.ask('close')
  records.push(...await server.ask('records'))

  const perMinute = slope(samples.map(({ minutes, heap }) => [minutes, heap]))
  const perClient = slope(samples.map(({ clients, heap }) => [clients, heap]))

  const shown = samples.filter((_, index) => index % Math.ceil(samples.length / 20) === 0 || index === samples.length - 1)
  console.log(table(['minute', 'clients', 'heap', 'external', 'RSS', 'files', 'handles', 'listeners'], shown.map((sample) => [
    sample.minutes.toFixed(1), sample.clients, kilobytes(sample.heap), kilobytes(sample.external), kilobytes(sample.rss), sample.files,
    Object.values(sample.resources).reduce((sum, count) => sum + count, 0), Object.values(sample.listeners).reduce((sum, count) => sum + count, 0)
  ])))
  /** @type {Record<string, number>} */
  const byCode = {}
  for (const { code } of records) byCode[code] = (byCode[code] ?? 0) + 1
  console.log(`\n${table(['code', 'records', 'clients that say so'], Object.entries(byCode).sort(([a], [b]) => a < b ? -1 : 1).map(([code, count]) => [code, count, accounts.filter((account) => account.code === code).length]))}\n`)

  const { differences, disturbed } = reconcile(accounts, records, late)
  const stats = await server.ask('stats')
  const total = stats.flatMap(({ aborted }) => Object.values(aborted)).reduce((sum, count) => sum + count, 0)
  check(differences.length === 0, `${accounts.length} clients and ${records.length} records agree, one by one`, differences)
  check(disturbed <= accounts.length * MOST_DISTURBED, `${disturbed} clients say nothing, as a process could not run meanwhile`)
  check(total === records.length, `stats() has counted ${total}`)
  check(stats.flatMap(({ reading }) => Object.values(reading)).every((count) => count === 0), 'nothing is read any more')
  check(new Set(accounts.map(({ code }) => code)).size === Object.keys(byCode).length + 1, 'every code was met')
  check(perClient <= MOST_PER_CLIENT, `the heap grows by ${perClient.toFixed(0)} bytes for each client, ${kilobytes(perMinute)} a minute, over ${samples.at(-1)?.minutes.toFixed(1)} minutes (at most ${MOST_PER_CLIENT} bytes)`)
  for (const [name, of] of /** @type {const} */ ([['handles', 'resources'], ['listeners', 'listeners']])) {
    const kinds = [...new Set(samples.map((sample) => counted(sample[of])))]
    check(kinds.length === 1, `${name} stay the same: ${kinds[0]}`, kinds)
  }
  const files = [...new Set(samples.map((sample) => sample.files))]
  check(files.length === 1, `open files stay the same: ${files[0]}`, files.map(String))
}
