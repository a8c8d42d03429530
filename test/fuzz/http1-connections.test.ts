import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { drawWorld, hostileApp } from '../support/app/hostile-app.js'
import { drawScript } from '../support/client/http1-script.js'
import { playHttp1 } from '../support/client/play-http1.js'
import { Crashes } from '../support/oracle/crashes.js'
import { verdict } from '../support/oracle/http1-verdict.js'
import { Random } from '../support/oracle/random.js'
import { connectionsOf, underWay } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

/*
 * Connections made from seeds: good and broken exchanges of HTTP/1 in any mixture, by clients that leave at any byte, to
 * handlers that do what they should not. FUZZ_SEED=n replays one connection, with FUZZ_RUNS=m as many from there on;
 * FUZZ_RUNS alone makes so many. FUZZ_PROTOCOL=http or https chooses one, FUZZ_GUARD=off shows what happens without a guard.
 */

/** Connections of one application, which is made from a seed as well. */
const TOGETHER = 25
const APPLICATIONS_AT_A_TIME = 8

const { FUZZ_SEED, FUZZ_RUNS, FUZZ_PROTOCOL, FUZZ_GUARD } = process.env
const first = Number(FUZZ_SEED ?? 0)
const runs = Number(FUZZ_RUNS ?? (FUZZ_SEED === undefined ? 150 : 1))
const isGuarded = FUZZ_GUARD !== 'off'

/** The seeds, by application. */
function applications (): number[][] {
  const byWorld = new Map<number, number[]>()
  for (let seed = first; seed < first + runs; seed++) {
    const world = Math.floor(seed / TOGETHER)
    byWorld.set(world, [...byWorld.get(world) ?? [], seed])
  }
  return [...byWorld.values()]
}

async function endsInTime (what: Promise<unknown>, limit: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => { timer = setTimeout(() => resolve(false), limit) })
  const isInTime = await Promise.race([what.then(() => true), late])
  clearTimeout(timer)
  return isInTime
}

async function together (t: Test, tls: boolean, seeds: readonly number[], crashes: Crashes): Promise<void> {
  const [some = 0] = seeds
  const number = Math.floor(some / TOGETHER)
  const world = drawWorld(new Random(number + 0x51ed), tls)
  const told = `seeds ${seeds[0]} to ${seeds.at(-1)} over ${tls ? 'https' : 'http'}`
  const hostile = await hostileApp(world, { isGuarded })
  const { app, records } = hostile
  const leave = crashes.enter(told)
  if (world.closesAfter !== undefined) setTimeout(() => { app.close() }, world.closesAfter)
  const plays = await Promise.all(seeds.map(async (seed) => {
    const script = drawScript(new Random(Math.imul(seed + 1, 0x9e3779b1)), world, `${seed}`)
    const played = await playHttp1(hostile, script, tls)
    if (FUZZ_SEED !== undefined && runs === 1) t.comment(inspect({ world, script, played, records }, { depth: 9, breakLength: 200, maxStringLength: 600 }))
    return { seed, script, played }
  }))
  const isDeserted = world.closesAfter !== undefined || await until(async () => await connectionsOf(app) === 0, '').then(() => true, () => false)
  if (!isDeserted) {
    const left = plays.filter(({ played }) => !hostile.hasClosed(played.port)).map(({ seed, script }) => `${seed}: ${script.name}`)
    t.fail(`${told}: ${await connectionsOf(app)} connections are left`, { left, world })
  }
  if (isGuarded && world.closesAfter === undefined) {
    await until(() => underWay(app) === 0, '').catch(() => t.fail(`${told}: reads are left`, { world, reading: app.readGuard.stats().reading }))
  }
  if (!await endsInTime(app.close(), 15_000)) {
    t.fail(`${told}: the application does not close`, { world })
    app.server.closeAllConnections()
  }
  leave()
  if (!isGuarded) return
  const { linger } = world.guard
  const isAnswerSure = typeof linger === 'object' && (linger.bytes ?? 0) > 100_000 && !world.hasClientErrorHandler
  for (const { seed, script, played } of plays) {
    const own = records.filter(({ url, remotePort }) => url === undefined ? remotePort === played.port && played.port !== undefined : script.urls.includes(url))
    for (const wrong of verdict(script, played, own, isAnswerSure, world)) {
      t.fail(`FUZZ_SEED=${seed} FUZZ_PROTOCOL=${tls ? 'https' : 'http'}: ${wrong}`, { did: script.name, end: played.end, text: played.text.slice(0, 1_500), world, records: own })
    }
  }
}

async function all (t: Test, tls: boolean): Promise<void> {
  const crashes = new Crashes()
  const waiting = applications()
  await Promise.all(Array.from({ length: APPLICATIONS_AT_A_TIME }, async () => {
    for (let seeds = waiting.shift(); seeds !== undefined; seeds = waiting.shift()) await together(t, tls, seeds, crashes)
  }))
  for (const crash of crashes.stop()) t.fail(`the process would have ended: ${crash.what}`, { ...crash })
  t.pass(`${runs} connections`)
}

for (const protocol of ['http', 'https']) {
  if (FUZZ_PROTOCOL !== undefined && FUZZ_PROTOCOL !== protocol) continue
  t.test(`over ${protocol}, whatever clients and handlers do, each exchange ends as it must and the process stands`, { timeout: 0 }, async (t) => {
    await all(t, protocol === 'https')
  })
}
