import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { Crashes } from '../support/oracle/crashes.js'
import { type Choice, playTogether, smallest, TOGETHER, worldOf, type Wrong } from '../support/oracle/http1-plays.js'

/*
 * Connections made from seeds: good and broken exchanges of HTTP/1 in any mixture, by clients that leave at any byte, to
 * handlers that do what they should not. FUZZ_SEED=n replays one connection (FUZZ_EXCHANGES=0,2 with these exchanges alone,
 * FUZZ_PLAIN=1 not cut into pieces), FUZZ_SEED=n,m,o some of one application; FUZZ_SEED=n with FUZZ_RUNS=m plays as many from
 * there on; FUZZ_RUNS alone makes so many. FUZZ_PROTOCOL=http or https chooses one, FUZZ_GUARD=off shows what happens without a guard.
 */

const APPLICATIONS_AT_A_TIME = 8
/** Failures for which the least that shows them is looked for, and whether they are seen without the guard as well. */
const MOST_SHRUNK = 12

const { FUZZ_SEED, FUZZ_RUNS, FUZZ_PROTOCOL, FUZZ_GUARD, FUZZ_EXCHANGES, FUZZ_PLAIN } = process.env
const given = FUZZ_SEED?.split(',').map(Number) ?? []
const first = given[0] ?? 0
const runs = Number(FUZZ_RUNS ?? (FUZZ_SEED === undefined ? 150 : given.length))
const isGuarded = FUZZ_GUARD !== 'off'
const isReplay = FUZZ_SEED !== undefined && FUZZ_RUNS === undefined

const smaller = {
  ...(FUZZ_EXCHANGES !== undefined && { exchanges: FUZZ_EXCHANGES.split(',').map(Number) }),
  isPlain: FUZZ_PLAIN === '1'
}

/** The connections, by application. */
function applications (): Choice[][] {
  if (isReplay) return [given.map(seed => ({ seed, ...smaller }))]
  const byWorld = new Map<number, Choice[]>()
  for (let seed = first; seed < first + runs; seed++) {
    const world = Math.floor(seed / TOGETHER)
    byWorld.set(world, [...byWorld.get(world) ?? [], { seed }])
  }
  return [...byWorld.values()]
}

async function all (t: Test, tls: boolean): Promise<void> {
  const crashes = new Crashes()
  const stage = { tls, isGuarded, crashes }
  const protocol = tls ? 'https' : 'http'
  const waiting = applications()
  const failures: Array<{ readonly wrong: Wrong, readonly choices: readonly Choice[] }> = []
  await Promise.all(Array.from({ length: APPLICATIONS_AT_A_TIME }, async () => {
    for (let choices = waiting.shift(); choices !== undefined; choices = waiting.shift()) {
      const { wrong: some, plays } = await playTogether(choices, stage)
      if (isReplay) t.comment(inspect({ world: worldOf(first, tls), plays }, { depth: 9, breakLength: 200, maxStringLength: 600 }))
      for (const wrong of some) failures.push({ wrong, choices })
    }
  }))
  for (const [index, { wrong, choices }] of failures.entries()) {
    const { seed, what, details } = wrong
    const least = isReplay || index >= MOST_SHRUNK ? undefined : await smallest(wrong, choices, stage)
    const told = `FUZZ_SEED=${seed ?? choices.map(choice => choice.seed).join()} FUZZ_PROTOCOL=${protocol}: ${what}`
    if (isGuarded && least?.isStock === true) t.comment(`without the guard as well: ${least.replay}: ${what}`)
    else t.fail(told, { least: least?.replay, ...details })
  }
  for (const crash of crashes.stop()) t.fail(`the process would have ended: ${crash.what}`, { ...crash })
  t.pass(`${runs} connections`)
}

for (const protocol of ['http', 'https']) {
  if (FUZZ_PROTOCOL !== undefined && FUZZ_PROTOCOL !== protocol) continue
  t.test(`over ${protocol}, whatever clients and handlers do, each exchange ends as it must and the process stands`, { timeout: 0 }, async (t) => {
    await all(t, protocol === 'https')
  })
}
