import { inFreshProcesses, inOneProcess } from './harness.js'
import { startChild } from './child.js'
import { countsInstructions, instructionsPerRequest } from './instructions.js'
import { hasH2load, Loader, loads } from './loads.js'
import { summary } from './stats.js'
import { percent, table } from './table.js'

const head = ['load', 'rounds', 'CPU without', 'CPU with', 'difference', '±', 'half within', 'A/A', '±', 'half within', 'least disturbed', 'A/A', 'requests/s', 'p99']

/** @param {import('./stats.js').Summary} summary */
function within ({ low, high }) {
  return `${percent(low)} … ${percent(high)}`
}

/**
 * @param {import('./loads.js').Load} load
 * @param {import('./harness.js').Report} report
 */
function row (load, { ratios, least, bare, guarded }) {
  const guard = summary(ratios.map((ratio) => ratio.guard))
  const same = summary(ratios.map((ratio) => ratio.same))
  return [
    load.name, ratios.length, `${bare.cpu.toFixed(1)} µs`, `${guarded.cpu.toFixed(1)} µs`,
    percent(guard.median, 2), (guard.error * 100).toFixed(2), within(guard), percent(same.median, 2), (same.error * 100).toFixed(2), within(same),
    percent(least.guard), percent(least.same),
    percent(guarded.perSecond / bare.perSecond),
    load.inject === true ? '–' : `${(bare.p99 / 1_000).toFixed(2)} → ${(guarded.p99 / 1_000).toFixed(2)} ms`
  ]
}

/**
 * What a request costs the server in CPU time, user and system, as its own process accounts for it.
 *
 * @typedef {object} CostSize
 * @property {number} seconds of each load, in one process
 * @property {number} pairs of fresh processes
 * @property {number} requests in a block
 * @property {number} [warming] blocks before what they take counts
 * @property {number} [idle] connections
 * @property {number} [times] as many rounds
 * @property {number | undefined} [replicates] fresh processes, whatever `times`
 * @property {readonly string[] | undefined} [only] these loads
 *
 * @param {CostSize} size
 */
export async function cost ({ seconds, pairs, requests, warming, idle, times = 1, replicates = Math.ceil(pairs * times), only }) {
  const client = await startChild('client-process.js')
  const holder = await startChild('client-process.js')
  const loader = new Loader(client)
  if (!hasH2load) console.log('h2load is not installed: a client of our own takes its place, and HTTP/2 is left out.\n')
  try {
    const rows = []
    for (const [key, load] of Object.entries(loads)) {
      if (!loader.can(load) || (only !== undefined && !only.includes(key))) continue
      const size = { seconds: seconds * times * (load.longer ?? 1), requests: Math.max(4, Math.round(requests * (load.share ?? 1))), warming }
      rows.push(row(load, await inOneProcess(load.idle === undefined ? load : { ...load, idle: idle ?? load.idle }, loader, holder, size)))
    }
    console.log('In one process, with and without the guard in turns:\n')
    console.log(table(head, rows))
    console.log(`\nIn fresh processes, ${replicates} of each, in turns:\n`)
    const wanted = Object.entries(loads).flatMap(([key, load]) => ['get', 'post', 'upload'].includes(key) && (only === undefined || only.includes(key)) ? [load] : [])
    console.log(table(head, (await inFreshProcesses(wanted, loader, { pairs: replicates, requests, warming })).map(({ load, ...measured }) => row(load, measured))))
    console.log(countsInstructions()
      ? `\nInstructions per request: ${await instructionsPerRequest(loader, [loads.get, loads.post], requests)}`
      : '\nInstructions per request: `perf stat -e instructions` is not supported on this machine.')
  } finally {
    await loader.close()
    await client.stop()
    await holder.stop()
  }
}
