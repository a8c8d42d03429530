import t from 'tap'
import { drawWorld, hostileApp, type HostileApp, type World } from '../support/app/hostile-app.js'
import { drawScript, type Http1Script } from '../support/client/http1-script.js'
import { playHttp1 } from '../support/client/play-http1.js'
import { delay } from '../support/client/raw-client.js'
import { Random } from '../support/oracle/random.js'

/*
 * The same bytes to the same application, with the guard and without: exchanges in which nothing is wrong must not tell the
 * two apart. STOCK_FUZZ_SEED=n and STOCK_FUZZ_RUNS=m choose which, and how many.
 */

const { STOCK_FUZZ_SEED, STOCK_FUZZ_RUNS } = process.env
const first = Number(STOCK_FUZZ_SEED ?? 0)
const runs = Number(STOCK_FUZZ_RUNS ?? 60)
const AT_A_TIME = 20
const STOCK_CLOSES_WITHIN = 1_000

/** A world whose limits nothing that is good can break, and which stays open. */
function drawFair (random: Random, tls: boolean): World {
  const world = drawWorld(random, tls)
  return { ...world, guard: { ...world.guard, bodyLimit: 0, requireContentLength: false, mode: 'enforce' }, closesAfter: undefined, server: { ...world.server, requestTimeout: 0, connectionTimeout: 0, keepAliveTimeout: 72_000 } }
}

interface Pair {
  readonly seed: number
  readonly script: Http1Script
}

/** Those in which all is answered, and nothing is wrong. A client that expects `100 Continue` may get its answer at once instead. */
function goodOnes (world: World, seeds: readonly number[]): Pair[] {
  return seeds
    .map(seed => ({ seed, script: drawScript(new Random(Math.imul(seed + 1, 0x9e3779b1)), world, `${seed}`) }))
    .filter(({ script }) => script.then === 'nothing' && !script.expecting.includes(true) && script.ending.how === 'stays' && script.answered.length > 0)
}

/** All that a client can tell of its answers, but the date. */
async function answersOf (hostile: HostileApp, script: Http1Script, tls: boolean): Promise<unknown> {
  const { answers: { finals, interim, others, rest, isUpgraded } } = await playHttp1(hostile, script, tls)
  return { finals: finals.map(({ headers: { date, ...headers }, ...final }) => ({ ...final, headers, isDated: date !== undefined })), interim, others, rest, isUpgraded }
}

for (const tls of [false, true]) {
  t.test(`over ${tls ? 'https' : 'http'}, good exchanges are answered as without the guard, byte by byte`, { timeout: 0 }, async (t) => {
    let compared = 0
    for (let from = first; from < first + runs; from += AT_A_TIME) {
      const world = drawFair(new Random(from + 0x51ed), tls)
      const pairs = goodOnes(world, Array.from({ length: AT_A_TIME }, (_, i) => from + i))
      const [guarded, stock] = await Promise.all([hostileApp(world, { isGuarded: true }), hostileApp(world, { isGuarded: false })])
      await Promise.all(pairs.map(async ({ seed, script }) => {
        const [own, other] = await Promise.all([answersOf(guarded, script, tls), answersOf(stock, script, tls)])
        compared++
        t.strictSame(own, other, `STOCK_FUZZ_SEED=${from} STOCK_FUZZ_RUNS=${AT_A_TIME}, ${seed}: ${script.name}`)
      }))
      t.strictSame(guarded.records, [], 'nothing is recorded')
      await guarded.app.close()
      // Without the guard, a body that its handler leaves can keep it open for ever.
      await Promise.race([stock.app.close(), delay(STOCK_CLOSES_WITHIN)])
    }
    t.ok(compared >= runs / 7, `${compared} connections are compared`)
  })
}
