import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { CountedTime } from '../../lib/clock/counted-time.js'
import { ReadClock, type ClockLimits, type Expiry } from '../../lib/clock/read-clock.js'
import { ClockOracle, eventLoop, type Happening, type Script } from '../support/oracle/clock-oracle.js'

/** Milliseconds of a life. */
const LENGTH = 1_500
const LONGEST_BEAT = 1.5
const RUNS = 2_000

/** The first verdict of a life. */
interface Verdict {
  readonly at: number
  readonly expiry: Expiry | undefined
  readonly oracle: ClockOracle
  /** Since when something had run out. */
  readonly ranOut: number
  /** Beats that came between, and should have seen it. */
  readonly missed: readonly number[]
}

/** Lives through a script until either side has a verdict: at a beat, on what had run out by then and was not made good since. */
function live (limits: ClockLimits, script: Script, resolution: number, hair: boolean): Verdict | undefined {
  const longest = resolution * LONGEST_BEAT
  const time = new CountedTime(longest, 0)
  const clock = new ReadClock(limits, 0, 0)
  const oracle = new ClockOracle(limits, longest)
  const beats: number[] = []
  let ticks = 0
  let ranOut = Infinity
  let now = 0
  let nominated: readonly [boolean, boolean] = [false, false]
  for (const step of eventLoop(script, resolution, LENGTH)) {
    if (step.kind === 'tick') {
      ticks++
      oracle.tick()
    } else if (step.kind === 'beat') {
      beats.push(step.at)
      now = time.beat(step.at)
      oracle.beat()
      nominated = [clock.remaining(now) <= 0, oracle.out.length > 0]
    } else if (step.kind === 'happens') {
      happen(clock, step.what, time.now(step.at))
      oracle.happens(step.what)
    } else {
      const expiry = nominated[0] ? clock.expired(now) : undefined
      const isOut = nominated[1] && oracle.out.length > 0 && !(hair && expiry === undefined && oracle.isOnTheBrink)
      if (expiry !== undefined || isOut) {
        const { at } = step
        return { at, expiry, oracle, ranOut, missed: beats.filter(beat => beat > ranOut && beat < at) }
      }
    }
    ranOut = oracle.out.length === 0 ? Infinity : Math.min(ranOut, ticks)
    mustAgree(clock, oracle, time, ticks)
  }
  return undefined
}

function happen (clock: ReadClock, what: Happening, now: number): void {
  if (what.kind === 'bytes') clock.arrive(what.count, now)
  else if (what.kind === 'pause') clock.pause(now)
  else if (what.kind === 'resume') clock.resume(now)
  else if (what.kind === 'limits') clock.setLimits(what.limits, now)
}

/** What is told of a read is right in every millisecond. */
function mustAgree (clock: ReadClock, oracle: ClockOracle, time: CountedTime, real: number): void {
  const now = time.now(real)
  const facts = [clock.received, clock.elapsed(now), clock.paused(now, time.lost), clock.idle(now)]
  const expected = [oracle.received, oracle.elapsed, oracle.paused, oracle.silence]
  if (facts.join() !== expected.join()) throw new Error(`after ${real} ms: ${facts.join()} instead of ${expected.join()}`)
  mustForesee(clock, now)
}

/** What is said to be left is left, and no more. */
function mustForesee (clock: ReadClock, now: number): void {
  const left = Math.ceil(clock.remaining(now))
  const foreseen = left <= 0
    ? clock.expired(now) !== undefined
    : left === Infinity || (clock.expired(now + left) !== undefined && clock.expired(now + left - 1) === undefined)
  if (!foreseen || (clock.expired(now) !== undefined && left > 0)) throw new Error(`${left} ms left, ${clock.expired(now)} expired`)
}

const minRate = (bytesPerSecond: fc.Arbitrary<number>) => fc.oneof(
  { weight: 1, arbitrary: fc.constant<false>(false) },
  { weight: 3, arbitrary: fc.record({ bytesPerSecond, gracePeriod: fc.integer({ min: 1, max: 300 }) }) }
)

const limitsWith = (bytesPerSecond: fc.Arbitrary<number>): fc.Arbitrary<ClockLimits> => fc.record({
  total: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 600 })),
  idle: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 300 })),
  minRate: minRate(bytesPerSecond)
})

const scriptWith = (limits: fc.Arbitrary<ClockLimits>): fc.Arbitrary<Script> => {
  const what: fc.Arbitrary<Happening> = fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('bytes' as const), count: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 2_000 })) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('pause' as const, 'resume' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('limits' as const), limits }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('block' as const), ms: fc.oneof(fc.nat(40), fc.nat(500)) }) }
  )
  return fc.array(fc.record({ after: fc.oneof(fc.nat(5), fc.nat(150)), what }), { maxLength: 40 })
}

/** Even ones: half a beat is a whole number of milliseconds. */
const resolution = fc.constantFrom(10, 20, 50, 100)

const anyRate = fc.integer({ min: 1, max: 5_000 })
/** Rates at which a byte buys a time that a float has exactly. */
const exactRate = fc.constantFrom(1, 125, 250, 500, 1_000, 2_000, 4_000, 8_000)

function lives (bytesPerSecond: fc.Arbitrary<number>): [fc.Arbitrary<ClockLimits>, fc.Arbitrary<Script>, typeof resolution] {
  const limits = limitsWith(bytesPerSecond)
  return [limits, scriptWith(limits), resolution]
}

t.test('the clock says what living through every millisecond says', async (t) => {
  const said = new Map<Expiry | undefined, number>()
  fc.assert(fc.property(...lives(exactRate), (limits, script, resolution) => {
    const verdict = live(limits, script, resolution, false)
    said.set(verdict?.expiry, (said.get(verdict?.expiry) ?? 0) + 1)
    if (verdict === undefined) return
    const { at, expiry, oracle, ranOut, missed } = verdict
    assert.ok(at >= ranOut, `early: ${at}, but ${ranOut} is when it ran out`)
    assert.deepEqual(missed, [], `late: ran out at ${ranOut}, said at ${at}`)
    assert.ok(expiry !== undefined && oracle.out.includes(expiry), `${expiry} is not one of ${oracle.out.join()}`)
    if (oracle.first !== undefined) assert.equal(expiry, oracle.first)
  }), { numRuns: RUNS })
  for (const expiry of ['total', 'idle', 'rate', undefined] as const) {
    t.ok((said.get(expiry) ?? 0) > RUNS / 50, `${expiry ?? 'nothing'} ran out in ${said.get(expiry)} lives`)
  }
})

t.test('whatever the rate, the verdict comes at the same beat', async () => {
  fc.assert(fc.property(...lives(anyRate), (limits, script, resolution) => {
    const verdict = live(limits, script, resolution, true)
    if (verdict === undefined) return
    const { at, expiry, oracle, ranOut } = verdict
    assert.ok(at >= ranOut, `early: ${at}, but ${ranOut} is when it ran out`)
    assert.ok(expiry !== undefined && oracle.out.includes(expiry), `${expiry} is not one of ${oracle.out.join()}`)
  }), { numRuns: RUNS })
})
