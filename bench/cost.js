import { inFreshProcesses, inOneProcess } from './harness.js'
import { startChild } from './child.js'
import { countsInstructions, instructionsPerRequest } from './instructions.js'
import { hasH2load, Loader, loads } from './loads.js'
import { summary } from './stats.js'
import { percent, table } from './table.js'

const head = ['load', 'rounds', 'CPU without', 'CPU with', 'difference', '±', 'half within', 'A/A', '±', 'half within', 'least disturbed', 'A/A', 'requests/s', 'p99']

function within ({ low, high }) {
  return `${percent(low)} … ${percent(high)}`
}

function row (load, { ratios, least, bare, guarded }) {
  const guard = summary(ratios.map((ratio) => ratio.guard))
  const same = summary(ratios.map((ratio) => ratio.same))
  return [
    load.name, ratios.length, `${bare.cpu.toFixed(1)} µs`, `${guarded.cpu.toFixed(1)} µs`,
    percent(guard.median, 2), (guard.error * 100).toFixed(2), within(guard), percent(same.median, 2), (same.error * 100).toFixed(2), within(same),
    percent(least.guard), percent(least.same),
    percent(guarded.perSecond / bare.perSecond),
    load.inject ? '–' : `${(bare.p99 / 1_000).toFixed(2)} → ${(guarded.p99 / 1_000).toFixed(2)} ms`
  ]
}

/** What a request costs the server in CPU time, user and system, as its own process accounts for it. */
export async function cost ({ seconds, pairs, requests, times = 1, only }) {
  const client = await startChild('client-process.js')
  const holder = await startChild('client-process.js')
  const loader = new Loader(client)
  if (!hasH2load) console.log('h2load is not installed: a client of our own takes its place, and HTTP/2 is left out.\n')
  try {
    const rows = []
    for (const [key, load] of Object.entries(loads)) {
      if (!loader.can(load) || (only !== undefined && !only.includes(key))) continue
      const size = { seconds: seconds * times * (load.longer ?? 1), requests: Math.max(4, Math.round(requests * (load.share ?? 1))) }
      rows.push(row(load, await inOneProcess(load, loader, holder, size)))
    }
    console.log('In one process, with and without the guard in turns:\n')
    console.log(table(head, rows))
    const replicates = Math.ceil(pairs * times)
    console.log(`\nIn fresh processes, ${replicates} of each, in turns:\n`)
    const wanted = [loads.get, loads.post, loads.upload]
    console.log(table(head, (await inFreshProcesses(wanted, loader, { pairs: replicates, requests })).map(({ load, ...measured }) => row(load, measured))))
    console.log(countsInstructions()
      ? `\nInstructions per request: ${await instructionsPerRequest(loader, [loads.get, loads.post], requests)}`
      : '\nInstructions per request: `perf stat -e instructions` is not supported on this machine.')
  } finally {
    await loader.close()
    await client.stop()
    await holder.stop()
  }
}
