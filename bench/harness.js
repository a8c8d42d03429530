import { bare, guarded, startServer } from './servers.js'
import { median, quantile, roundRatios } from './stats.js'

/** One without the guard, one with it, and the first again: what the two without it differ by is what can't be resolved. */
const trio = { bare, guarded, again: bare }
const names = Object.keys(trio)

/** Blocks of each before what they take counts: by then everything is compiled. */
const WARMING = 3

/** CPU time of the server, its throughput, and what the client waited for, of one block of requests. */
async function measure (server, index, loader, load, requests) {
  if (load.inject) {
    const { cpu, wall } = await server.ask('inject', index, requests)
    return { cpu: cpu / requests, perSecond: requests / wall * 1e6 }
  }
  const before = await server.ask('cpu')
  const { durations, wall } = await loader.send(load, server.ports[index], requests)
  const cpu = await server.ask('cpu') - before
  return { cpu: cpu / requests, perSecond: requests / wall * 1e6, p99: quantile(durations, 0.99) }
}

/** As `measure`, beside connections on which nothing happens. */
async function measureBesideIdle (server, index, loader, load, requests, holder) {
  if (load.idle === undefined) return measure(server, index, loader, load, requests)
  await holder.ask('open', server.ports[index], load.idle)
  await holder.ask('exchange', 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n')
  const measured = await measure(server, index, loader, load, requests)
  await holder.ask('close')
  return measured
}

function ratiosOf (blocks) {
  return roundRatios(Object.fromEntries(names.map((name) => [name, blocks[name].reduce((sum, { cpu }) => sum + cpu, 0)])))
}

/** What the block that was disturbed least has cost: where others work on the same machine, this is the steadiest figure. */
function least (blocks) {
  return Math.min(...blocks.map(({ cpu }) => cpu))
}

function report (rounds) {
  const all = Object.fromEntries(names.map((name) => [name, rounds.flatMap((blocks) => blocks[name])]))
  const typical = (name, figure) => median(all[name].map((block) => block[figure]))
  return {
    ratios: rounds.map((blocks) => ratiosOf(blocks)),
    least: roundRatios({ bare: least(all.bare), guarded: least(all.guarded), again: least(all.again) }),
    bare: { cpu: typical('bare', 'cpu'), perSecond: typical('bare', 'perSecond'), p99: typical('bare', 'p99') },
    guarded: { cpu: typical('guarded', 'cpu'), perSecond: typical('guarded', 'perSecond'), p99: typical('guarded', 'p99') }
  }
}

/**
 * Apps in one process, in short blocks whose order is mirrored, so that what drifts is shared. It hides what slows all of
 * them. As many rounds as fit into so many seconds.
 */
export async function inOneProcess (load, loader, holder, { seconds, requests, warming = WARMING }) {
  const server = await startServer(names.map((name) => ({ ...trio[name], kind: load.kind })))
  try {
    const block = (name, count) => measureBesideIdle(server, names.indexOf(name), loader, load, count, holder)
    for (let i = 0; i < warming; i++) for (const name of names) await block(name, requests)
    const measured = []
    const end = performance.now() + seconds * 1_000
    while (measured.length === 0 || performance.now() < end) {
      const order = measured.length % 2 === 0 ? names : names.toReversed()
      const blocks = Object.fromEntries(names.map((name) => [name, []]))
      for (const name of [...order, ...order.toReversed()]) blocks[name].push(await block(name, requests))
      measured.push(blocks)
    }
    return report(measured)
  } finally {
    await server.stop()
  }
}

/** A process for each app, and the processes as what is repeated: identical ones settle far apart for their whole life. */
export async function inFreshProcesses (wanted, loader, { pairs, requests, warming = WARMING }) {
  const measured = Object.fromEntries(wanted.map(({ name }) => [name, []]))
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? names : names.toReversed()
    const found = Object.fromEntries(wanted.map(({ name }) => [name, {}]))
    for (const name of order) {
      const server = await startServer([trio[name]])
      try {
        for (const load of wanted) {
          const count = Math.max(4, Math.round(requests * (load.share ?? 1)))
          for (let i = 0; i < warming; i++) await measure(server, 0, loader, load, count)
          found[load.name][name] = [await measure(server, 0, loader, load, count), await measure(server, 0, loader, load, count)]
        }
      } finally {
        await server.stop()
      }
    }
    for (const load of wanted) measured[load.name].push(found[load.name])
  }
  return wanted.map((load) => ({ load, ...report(measured[load.name]) }))
}
