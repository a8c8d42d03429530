import t from 'tap'
import { ReadClock, type ClockLimits, type Expiry } from '../../../lib/clock/read-clock.js'

/** When the read begins, and what had been lost before; neither is anybody's business afterwards. */
const BEGIN = 1_234.5
const LOST = 77

const unlimited: ClockLimits = { total: 0, idle: 0, minRate: false }
/** A byte buys a millisecond. */
const rate = (gracePeriod: number) => ({ bytesPerSecond: 1_000, gracePeriod })

type Step = (clock: ReadClock, now: number) => void
const bytes = (count: number): Step => (clock, now) => clock.arrive(count, now)
const pause: Step = (clock, now) => clock.pause(now)
const resume: Step = (clock, now) => clock.resume(now)
const limits = (changed: Partial<ClockLimits>): Step => (clock, now) => clock.setLimits({ ...unlimited, ...changed }, now)

interface Row {
  readonly name: string
  readonly limits: Partial<ClockLimits>
  /** What happens, each so many milliseconds after the read began. */
  readonly steps?: ReadonlyArray<readonly [at: number, step: Step]>
  /** What the clock says afterwards. */
  readonly verdicts: ReadonlyArray<readonly [at: number, expiry: Expiry | undefined]>
}

const rows: readonly Row[] = [
  { name: 'total: runs out at the limit and not before', limits: { total: 300 }, verdicts: [[0, undefined], [299, undefined], [300, 'total'], [301, 'total']] },
  { name: 'total: is not extended by bytes', limits: { total: 300 }, steps: [[100, bytes(5)], [299, bytes(1e6)]], verdicts: [[299, undefined], [300, 'total']] },
  { name: 'total: 0 is no limit', limits: {}, verdicts: [[1e12, undefined]] },

  { name: 'idle: runs out at the limit after the beginning', limits: { idle: 50 }, verdicts: [[49, undefined], [50, 'idle'], [51, 'idle']] },
  { name: 'idle: runs out at the limit after the last byte', limits: { idle: 50 }, steps: [[30, bytes(1)], [79, bytes(1)]], verdicts: [[128, undefined], [129, 'idle'], [130, 'idle']] },
  { name: 'idle: a byte that is a verdict late takes it back', limits: { idle: 50 }, steps: [[60, bytes(1)]], verdicts: [[60, undefined], [109, undefined], [110, 'idle']] },
  { name: 'idle: is not stretched by how many bytes come', limits: { idle: 50 }, steps: [[10, bytes(1e9)]], verdicts: [[59, undefined], [60, 'idle']] },
  { name: 'idle: 0 is no limit', limits: { total: 9_000 }, steps: [[1, bytes(1)]], verdicts: [[8_999, undefined], [9_000, 'total']] },

  { name: 'rate: silence spends the grace period', limits: { minRate: rate(200) }, verdicts: [[199, undefined], [200, 'rate'], [201, 'rate']] },
  { name: 'rate: every byte buys its time', limits: { minRate: rate(200) }, steps: [[100, bytes(30)]], verdicts: [[229, undefined], [230, 'rate'], [231, 'rate']] },
  { name: 'rate: fractions of bytes per second count', limits: { minRate: { bytesPerSecond: 0.5, gracePeriod: 1_000 } }, steps: [[900, bytes(1)]], verdicts: [[1_899, undefined], [1_900, 'rate']] },
  { name: 'rate: a burst cannot save up more than the grace period', limits: { minRate: rate(200) }, steps: [[50, bytes(1e9)]], verdicts: [[249, undefined], [250, 'rate'], [251, 'rate']] },
  { name: 'rate: what would be saved up beyond the grace period is gone', limits: { minRate: rate(200) }, steps: [[0, bytes(500)], [10, bytes(500)], [150, bytes(60)]], verdicts: [[269, undefined], [270, 'rate']] },
  { name: 'rate: a client exactly at the rate lasts', limits: { minRate: rate(100) }, steps: Array.from({ length: 100 }, (_, i) => [i * 50 + 50, bytes(50)] as const), verdicts: [[5_099, undefined], [5_100, 'rate']] },
  { name: 'rate: a client one byte below the rate runs out of its grace period', limits: { minRate: rate(100) }, steps: Array.from({ length: 100 }, (_, i) => [i * 50 + 50, bytes(49)] as const), verdicts: [[4_999, undefined], [5_000, 'rate']] },
  { name: 'rate: time that was overdrawn is paid for first', limits: { minRate: rate(200) }, steps: [[230, bytes(20)]], verdicts: [[230, 'rate']] },
  { name: 'rate: exactly what was overdrawn does not do', limits: { minRate: rate(200) }, steps: [[230, bytes(30)]], verdicts: [[230, 'rate']] },
  { name: 'rate: more than what was overdrawn before a verdict saves', limits: { minRate: rate(200) }, steps: [[230, bytes(31)]], verdicts: [[230, undefined], [231, 'rate']] },
  { name: 'rate: drops just before every verdict buy no forgiveness', limits: { minRate: rate(100) }, steps: Array.from({ length: 8 }, (_, i) => [i * 100 + 99, bytes(5)] as const), verdicts: [[800, 'rate']] },
  { name: 'rate: false is no limit', limits: {}, steps: [[1e6, bytes(1)]], verdicts: [[1e9, undefined]] },

  { name: 'all: the total first', limits: { total: 100, idle: 101, minRate: rate(102) }, verdicts: [[99, undefined], [100, 'total'], [500, 'total']] },
  { name: 'all: the silence first', limits: { total: 102, idle: 100, minRate: rate(101) }, verdicts: [[99, undefined], [100, 'idle'], [500, 'idle']] },
  { name: 'all: the rate first', limits: { total: 101, idle: 102, minRate: rate(100) }, verdicts: [[99, undefined], [100, 'rate'], [500, 'rate']] },
  { name: 'all: what ran out first is told, also where the verdict comes when all have', limits: { total: 300, idle: 50, minRate: rate(100) }, steps: [[240, bytes(10)]], verdicts: [[400, 'rate']] },
  { name: 'all: at the same moment total comes before idle', limits: { total: 100, idle: 100, minRate: rate(100) }, verdicts: [[100, 'total']] },
  { name: 'all: at the same moment idle comes before rate', limits: { total: 101, idle: 100, minRate: rate(100) }, verdicts: [[100, 'idle']] },

  { name: 'pause: no limit runs out', limits: { total: 100, idle: 50, minRate: rate(60) }, steps: [[49, pause]], verdicts: [[49, undefined], [1e6, undefined]] },
  { name: 'pause: what was left is left afterwards', limits: { total: 100 }, steps: [[99, pause], [5_000, resume]], verdicts: [[5_000, undefined], [5_001, 'total']] },
  { name: 'pause: silence goes on where it was', limits: { idle: 50 }, steps: [[10, bytes(1)], [40, pause], [1_000, resume]], verdicts: [[1_019, undefined], [1_020, 'idle']] },
  { name: 'pause: the bucket is not spent', limits: { minRate: rate(200) }, steps: [[50, pause], [1_000, resume]], verdicts: [[1_149, undefined], [1_150, 'rate']] },
  { name: 'pause: a second one changes nothing', limits: { total: 100 }, steps: [[10, pause], [20, pause], [30, resume]], verdicts: [[119, undefined], [120, 'total']] },
  { name: 'pause: one resume ends any number of them', limits: { total: 100 }, steps: [[10, pause], [20, pause], [30, resume], [40, resume]], verdicts: [[119, undefined], [120, 'total']] },
  { name: 'pause: resuming what runs changes nothing', limits: { total: 100 }, steps: [[50, resume]], verdicts: [[99, undefined], [100, 'total']] },
  { name: 'pause: several add up', limits: { total: 100 }, steps: [[10, pause], [30, resume], [40, pause], [90, resume]], verdicts: [[169, undefined], [170, 'total']] },
  { name: 'pause: of no length', limits: { total: 100 }, steps: [[10, pause], [10, resume]], verdicts: [[99, undefined], [100, 'total']] },
  { name: 'pause: a byte that comes meanwhile ends the silence', limits: { idle: 50 }, steps: [[40, pause], [500, bytes(1)], [1_000, resume]], verdicts: [[1_049, undefined], [1_050, 'idle']] },
  { name: 'pause: a byte that comes meanwhile buys its time', limits: { minRate: rate(200) }, steps: [[150, pause], [500, bytes(100)], [1_000, resume]], verdicts: [[1_149, undefined], [1_150, 'rate']] },
  { name: 'pause: what ran out before it has run out', limits: { total: 100 }, steps: [[100, pause]], verdicts: [[100, 'total'], [1e6, 'total']] },

  { name: 'setLimits: time that has passed counts against a new total', limits: { total: 1_000 }, steps: [[300, limits({ total: 400 })]], verdicts: [[399, undefined], [400, 'total']] },
  { name: 'setLimits: a total below what has passed has run out', limits: { total: 1_000 }, steps: [[300, limits({ total: 100 })]], verdicts: [[300, 'total']] },
  { name: 'setLimits: a longer total holds from now on', limits: { total: 100 }, steps: [[99, limits({ total: 200 })]], verdicts: [[199, undefined], [200, 'total']] },
  { name: 'setLimits: the silence so far counts against a new idle', limits: {}, steps: [[30, bytes(1)], [60, limits({ idle: 50 })]], verdicts: [[79, undefined], [80, 'idle']] },
  { name: 'setLimits: a new rate starts with a full bucket', limits: { minRate: rate(100) }, steps: [[99, limits({ minRate: rate(50) })]], verdicts: [[148, undefined], [149, 'rate']] },
  { name: 'setLimits: a rate where there was none starts with a full bucket', limits: {}, steps: [[5_000, limits({ minRate: rate(100) })]], verdicts: [[5_099, undefined], [5_100, 'rate']] },
  { name: 'setLimits: a new rate during a pause is spent from its end', limits: {}, steps: [[10, pause], [50, limits({ minRate: rate(100) })], [500, resume]], verdicts: [[599, undefined], [600, 'rate']] },
  { name: 'setLimits: limits that are taken away do not run out', limits: { total: 100, idle: 100, minRate: rate(100) }, steps: [[50, limits({})]], verdicts: [[1e6, undefined]] }
]

for (const { name, limits, steps = [], verdicts } of rows) {
  t.test(name, async (t) => {
    const clock = new ReadClock({ ...unlimited, ...limits }, BEGIN, LOST)
    for (const [at, step] of steps) step(clock, BEGIN + at)
    for (const [at, expiry] of verdicts) {
      t.equal(clock.expired(BEGIN + at), expiry, `after ${at} ms`)
      t.equal(clock.remaining(BEGIN + at) <= 0, expiry !== undefined, `${clock.remaining(BEGIN + at)} ms are left after ${at} ms`)
    }
  })
}

t.test('an unchanged rate does not fill the bucket again', async (t) => {
  const minRate = rate(100)
  const clock = new ReadClock({ ...unlimited, minRate }, BEGIN, LOST)
  clock.setLimits({ total: 1_000, idle: 0, minRate }, BEGIN + 60)
  t.equal(clock.expired(BEGIN + 99), undefined)
  t.equal(clock.expired(BEGIN + 100), 'rate')
})

t.test('what comes after the moment of a verdict is to the credit of the client', async (t) => {
  const clock = new ReadClock({ total: 0, idle: 100, minRate: rate(100) }, BEGIN, LOST)
  t.equal(clock.expired(BEGIN + 100), 'idle')
  clock.arrive(1, BEGIN + 105)
  t.equal(clock.expired(BEGIN + 100), undefined, 'a byte ends the silence and buys a millisecond')
  t.equal(clock.expired(BEGIN + 101), 'rate', 'and no more')
})

t.test('what is told of a read adds up', async (t) => {
  const clock = new ReadClock(unlimited, BEGIN, LOST)
  const facts = (at: number, lost = 0) => ({
    received: clock.received,
    elapsed: clock.elapsed(BEGIN + at),
    paused: clock.paused(BEGIN + at, LOST + lost),
    idle: clock.idle(BEGIN + at),
    isPaused: clock.isPaused
  })
  t.strictSame(facts(0), { received: 0, elapsed: 0, paused: 0, idle: 0, isPaused: false })
  clock.arrive(3, BEGIN + 10)
  clock.arrive(4, BEGIN + 20)
  t.strictSame(facts(50), { received: 7, elapsed: 50, paused: 0, idle: 30, isPaused: false })
  clock.pause(BEGIN + 60)
  t.strictSame(facts(100), { received: 7, elapsed: 60, paused: 40, idle: 40, isPaused: true })
  clock.arrive(1, BEGIN + 110)
  t.strictSame(facts(120), { received: 8, elapsed: 60, paused: 60, idle: 0, isPaused: true })
  clock.resume(BEGIN + 160)
  t.strictSame(facts(200), { received: 8, elapsed: 100, paused: 100, idle: 40, isPaused: false })
  t.strictSame(facts(200, 900), { received: 8, elapsed: 100, paused: 1_000, idle: 40, isPaused: false }, 'what this process lost was no time of the client')
})
