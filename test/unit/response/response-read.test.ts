import t from 'tap'
import type { GuardContext } from '../../../lib/guard.js'
import type { ReadGuardRouteOptions } from '../../../lib/index.js'
import { mergeLimits, unguarded, type RoutePolicy } from '../../../lib/limits/resolve.js'
import { ResponseRead, type ResponseSink } from '../../../lib/response/response-read.js'

/*
 * One response by a hand clock. It has no request: what a record says is tested on the wire.
 */

const BEGIN = 5_000

interface HandSink extends ResponseSink {
  bytes: number
  waits: boolean
  policy: RoutePolicy
  resets: number
}

function sink (limits: ReadGuardRouteOptions): HandSink {
  return {
    guard: { heartbeat: { lost: 0 } } as GuardContext, // all that is asked of it here
    bytes: 0,
    waits: true,
    policy: mergeLimits(unguarded, limits),
    resets: 0,
    taken () { return this.bytes },
    isWaiting () { return this.waits },
    policyOf () { return this.policy },
    owedOf () { throw new Error('there is no request') },
    reset () { this.resets++ }
  }
}

type Step = (sink: HandSink) => void

const take = (bytes: number): Step => (sink) => { sink.bytes += bytes }
const waits = (isWaiting: boolean): Step => (sink) => { sink.waits = isWaiting }
const limit = (limits: ReadGuardRouteOptions): Step => (sink) => { sink.policy = mergeLimits(unguarded, limits) }

interface Row {
  readonly name: string
  readonly limits: ReadGuardRouteOptions
  /** What happens, each so many milliseconds after bytes began to wait. */
  readonly steps?: ReadonlyArray<readonly [at: number, step: Step]>
  /** When it is ended: not a millisecond before. */
  readonly endsAt: number
}

/** A byte buys a millisecond. */
const rate = (gracePeriod: number): ReadGuardRouteOptions => ({ minResponseRate: { bytesPerSecond: 1_000, gracePeriod } })

const rows: readonly Row[] = [
  { name: 'idle: at the limit after bytes began to wait', limits: { responseIdleTimeout: 300 }, endsAt: 300 },
  { name: 'idle: at the limit after the last byte was taken', limits: { responseIdleTimeout: 300 }, steps: [[100, take(1)], [399, take(1)]], endsAt: 699 },
  { name: 'idle: not stretched by how many are taken', limits: { responseIdleTimeout: 300 }, steps: [[10, take(1e9)]], endsAt: 310 },
  { name: 'idle: time in which nothing waits does not count', limits: { responseIdleTimeout: 300 }, steps: [[200, waits(false)], [9_200, waits(true)]], endsAt: 9_300 },
  { name: 'rate: nothing taken spends the grace period', limits: rate(300), endsAt: 300 },
  { name: 'rate: every byte buys its time', limits: rate(300), steps: [[200, take(30)]], endsAt: 330 },
  { name: 'rate: no more than the grace period is saved up', limits: rate(300), steps: [[200, take(1e9)]], endsAt: 500 },
  { name: 'rate: time in which nothing waits does not count', limits: rate(300), steps: [[200, waits(false)], [5_200, waits(true)]], endsAt: 5_300 },
  { name: 'both: the one that runs out first', limits: { ...rate(500), responseIdleTimeout: 300 }, steps: [[250, take(1)]], endsAt: 501 },
  { name: 'a limit that is lowered on the way', limits: { responseIdleTimeout: 9_000 }, steps: [[100, limit({ responseIdleTimeout: 200 })]], endsAt: 200 },
  { name: 'a limit that is raised on the way', limits: { responseIdleTimeout: 200 }, steps: [[199, limit({ responseIdleTimeout: 400 })]], endsAt: 400 },
  { name: 'a rate that is changed on the way begins with a full grace period', limits: rate(300), steps: [[200, limit(rate(400))]], endsAt: 600 }
]

for (const { name, limits, steps = [], endsAt } of rows) {
  t.test(`${name}: ended at ${endsAt}, and not at ${endsAt - 1}`, async (t) => {
    const hand = sink(limits)
    const read = new ResponseRead(hand, undefined, hand.policy, BEGIN, 0)
    for (const [at, step] of steps) {
      read.look(BEGIN + at)
      step(hand)
      read.look(BEGIN + at)
    }
    t.equal(read.look(BEGIN + endsAt - 1), 1, 'it is looked at in time')
    read.judge(BEGIN + endsAt - 1)
    t.equal(hand.resets, 0)
    t.ok(read.look(BEGIN + endsAt) <= 0)
    read.judge(BEGIN + endsAt)
    t.equal(hand.resets, 1)
  })
}

t.test('a byte that is taken between the look and the verdict counts', async (t) => {
  const hand = sink({ responseIdleTimeout: 300 })
  const read = new ResponseRead(hand, undefined, hand.policy, BEGIN, 0)
  t.equal(read.look(BEGIN + 300), 0)
  hand.bytes++
  read.judge(BEGIN + 300)
  t.equal(hand.resets, 0)
})

t.test('what waits no more at the verdict is not ended', async (t) => {
  const hand = sink({ responseIdleTimeout: 300 })
  const read = new ResponseRead(hand, undefined, hand.policy, BEGIN, 0)
  t.equal(read.look(BEGIN + 300), 0)
  hand.waits = false
  read.judge(BEGIN + 300)
  t.equal(hand.resets, 0)
})
