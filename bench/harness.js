import { bare, guarded, startServer } from './servers.js'
import { median, quantile, roundRatios } from './stats.js'

/** One without the guard, one with it, and the first again: what the two without it differ by is what can't be resolved. */
const trio = { bare, guarded, again: bare }

/** @type {readonly (keyof typeof trio)[]} */
const names = ['bare', 'guarded', 'again']

/** Blocks of each before what they take counts: by then everything is compiled. */
const WARMING = 3

/**
 * @typedef {import('./loads.js').Load} Load
 * @typedef {import('./loads.js').Loader} Loader
 * @typedef {import('./servers.js').Server} Server
 */

/**
 * What one block of requests took: microseconds of the server for each, how many there were in a second, and
 * microseconds that the client waited (of injected requests there is no client).
 * @typedef {{ cpu: number, perSecond: number, p99: number }} Block
 */

/**
 * The blocks of one round.
 * @typedef {Record<keyof typeof trio, Block[]>} Round
 */

/** @typedef {ReturnType<typeof report>} Report */

/**
 * CPU time of the server, its throughput, and what the client waited for, of one block of requests.
 *
 * @param {Server} server
 * @param {number} index of the application
 * @param {Loader} loader
 * @param {Load} load
 * @param {number} requests
 * @returns {Promise<Block>}
 */
async function measure (server, index, loader, load, requests) {
  if (load.inject === true) {
    const { cpu, wall } = await server.ask('inject', index, requests)
    return { cpu: cpu / requests, perSecond: requests / wall * 1e6, p99: NaN }
  }
  const before = await server.ask('cpu')
  const { durations, wall } = await loader.send(load, server.portOf(index), requests)
  const cpu = await server.ask('cpu') - before
  return { cpu: cpu / requests, perSecond: requests / wall * 1e6, p99: quantile(durations, 0.99) }
}

/**
 * As `measure`, beside connections on which nothing happens.
 *
 * @param {Server} server
 * @param {number} index of the application
 * @param {Loader} loader
 * @param {Load} load
 * @param {number} requests
 * @param {import('./child.js').Client} holder of the idle connections
 */
async function measureBesideIdle (server, index, loader, load, requests, holder) {
  if (load.idle === undefined) return measure(server, index, loader, load, requests)
  await holder.ask('open', server.portOf(index), load.idle)
  await holder.ask('exchange', 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n')
  const measured = await measure(server, index, loader, load, requests)
  await holder.ask('close')
  return measured
}

/**
 * The same of each application.
 *
 * @template T
 * @param {(name: keyof typeof trio) => T} of
 */
function forEachApp (of) {
  return { bare: of('bare'), guarded: of('guarded'), again: of('again') }
}

/** @returns {Round} */
function noBlocks () {
  return forEachApp(() => [])
}

/** @param {Round} blocks */
function ratiosOf (blocks) {
  return roundRatios(forEachApp((name) => blocks[name].reduce((sum, { cpu }) => sum + cpu, 0)))
}

/**
 * What the block that was disturbed least has cost: where others work on the same machine, this is the steadiest figure.
 *
 * @param {readonly Block[]} blocks
 */
function least (blocks) {
  return Math.min(...blocks.map(({ cpu }) => cpu))
}

/** @param {readonly Round[]} rounds */
function report (rounds) {
  const all = forEachApp((name) => rounds.flatMap((blocks) => blocks[name]))
  /**
   * @param {keyof typeof trio} name
   * @param {keyof Block} figure
   */
  const typical = (name, figure) => median(all[name].map((block) => block[figure]))
  return {
    ratios: rounds.map((blocks) => ratiosOf(blocks)),
    least: roundRatios(forEachApp((name) => least(all[name]))),
    bare: { cpu: typical('bare', 'cpu'), perSecond: typical('bare', 'perSecond'), p99: typical('bare', 'p99') },
    guarded: { cpu: typical('guarded', 'cpu'), perSecond: typical('guarded', 'perSecond'), p99: typical('guarded', 'p99') }
  }
}

/**
 * Apps in one process, in short blocks whose order is mirrored, so that what drifts is shared. It hides what slows all of
 * them. As many rounds as fit into so many seconds.
 *
 * @param {Load} load
 * @param {Loader} loader
 * @param {import('./child.js').Client} holder of idle connections
 * @param {{ seconds: number, requests: number, warming?: number | undefined }} size
 */
export async function inOneProcess (load, loader, holder, { seconds, requests, warming = WARMING }) {
  const server = await startServer(names.map((name) => ({ ...trio[name], ...(load.kind !== undefined && { kind: load.kind }), typical: load.typical ?? false })))
  try {
    /**
     * @param {keyof typeof trio} name
     * @param {number} count
     */
    const block = (name, count) => measureBesideIdle(server, names.indexOf(name), loader, load, count, holder)
    for (let i = 0; i < warming; i++) for (const name of names) await block(name, requests)
    /** @type {Round[]} */
    const measured = []
    const end = performance.now() + seconds * 1_000
    while (measured.length === 0 || performance.now() < end) {
      const order = measured.length % 2 === 0 ? names : names.toReversed()
      const blocks = noBlocks()
      for (const name of [...order, ...order.toReversed()]) blocks[name].push(await block(name, requests))
      measured.push(blocks)
    }
    return report(measured)
  } finally {
    await server.stop()
  }
}

/**
 * A process for each app, and the processes as what is repeated: identical ones settle far apart for their whole life.
 *
 * @param {readonly Load[]} wanted
 * @param {Loader} loader
 * @param {{ pairs: number, requests: number, warming?: number | undefined }} size
 * @returns {Promise<(Report & { load: Load })[]>}
 */
export async function inFreshProcesses (wanted, loader, { pairs, requests, warming = WARMING }) {
  const measured = wanted.map((load) => ({ load, rounds: Array.from({ length: pairs }, noBlocks) }))
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? names : names.toReversed()
    for (const name of order) {
      const server = await startServer([trio[name]])
      try {
        for (const { load, rounds } of measured) {
          const count = Math.max(4, Math.round(requests * (load.share ?? 1)))
          for (let i = 0; i < warming; i++) await measure(server, 0, loader, load, count)
          for (let block = 0; block < 2; block++) rounds[pair]?.[name].push(await measure(server, 0, loader, load, count))
        }
      } finally {
        await server.stop()
      }
    }
  }
  return measured.map(({ load, rounds }) => ({ load, ...report(rounds) }))
}
