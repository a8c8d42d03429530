import fc from 'fast-check'
import t from 'tap'
import { niceTicks, shortCount, timeTicks, widthName } from '../../lib/report/html/axis-ticks.js'
import { Busiest } from '../../lib/report/tally/busiest.js'
import { QuantileSketch } from '../../lib/report/tally/quantile-sketch.js'
import { roundDown, roundUp } from '../../lib/report/tally/rounding.js'
import { TimeBuckets } from '../../lib/report/tally/time-buckets.js'
import { TimeGroups } from '../../lib/report/tally/time-groups.js'
import { bytesText, countText, durationText, percentText, rateText } from '../../lib/report/words/amount-text.js'
import { abortLine, jsonOf, noon, run } from '../support/app/report-log.js'
import { Random } from '../support/oracle/random.js'

const values = fc.array(fc.oneof(fc.nat(1e6), fc.double({ min: 0, max: 1e12, noNaN: true }), fc.constant(0)), { minLength: 1, maxLength: 300, size: 'max' }) // few are kept as they are, many in bins
const shares = fc.constantFrom(0, 0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 1)

function sketchOf (numbers: readonly number[]): QuantileSketch {
  const sketch = new QuantileSketch()
  for (const number of numbers) sketch.add(number)
  return sketch
}

/** The smallest value such that this share of all is not above it. */
function exact (numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length - 1e-9) - 1)] ?? NaN
}

t.test('a quantile is within one percent of the exact one', t => {
  fc.assert(fc.property(values, shares, (numbers, share) => {
    const expected = exact(numbers, share)
    const error = Math.abs((sketchOf(numbers).quantile(share) ?? NaN) - expected)
    return error <= expected * 0.01 + 0.001
  }))
  t.equal(new QuantileSketch().quantile(0.5), undefined)
  t.end()
})

t.test('the bounds hold: so many values are not above, or not below', t => {
  fc.assert(fc.property(values, shares, (numbers, share) => {
    const sketch = sketchOf(numbers)
    const top = sketch.atMost(share) ?? NaN
    const bottom = sketch.atLeast(share) ?? NaN
    const slack = 1e-9 // of binary floating point, where a value is the edge of its bin
    return numbers.filter(number => number <= top * (1 + slack) + 0.001).length >= share * numbers.length - 1e-6 &&
      numbers.filter(number => number >= bottom * (1 - slack) - 0.001).length >= share * numbers.length - 1e-6
  }))
  t.end()
})

t.test('two sketches merged are the sketch of all', t => {
  fc.assert(fc.property(values, values, shares, (some, others, share) => {
    const merged = sketchOf(some)
    merged.merge(sketchOf(others))
    const whole = sketchOf([...some, ...others])
    return merged.quantile(share) === whole.quantile(share) && merged.count === whole.count && merged.max === whole.max
  }))
  t.end()
})

class Counter {
  count = 0
  merge (other: Counter): void {
    this.count += other.count
  }
}

t.test('counts by key are exact while there are not too many keys', t => {
  const busiest = new Busiest(4, () => new Counter())
  for (let round = 0; round < 3; round++) {
    for (let key = 0; key < 8; key++) busiest.of(`k${key}`).count += key
  }
  t.same(busiest.ranked().slice(0, 2).map(({ key, tally, missed }) => [key, tally.count, missed]), [['k7', 21, 0], ['k6', 18, 0]])
  t.equal(busiest.others, undefined)
  t.end()
})

t.test('past that sums stay exact, true counts lie within the bounds, and the busy are found', t => {
  const random = new Random(3)
  const next = (): number => random.next()
  const busiest = new Busiest(64, () => new Counter())
  const exact = new Map<string, number>()
  const total = 50_000
  for (let index = 0; index < total; index++) {
    const key = index % 50 === 49 ? 'late' : next() < 0.1 ? 'heavy' : `k${Math.floor(next() * 20_000)}`
    if (key === 'late' && index < total / 2) continue
    busiest.of(key).count++
    exact.set(key, (exact.get(key) ?? 0) + 1)
  }
  const ranked = busiest.ranked()
  const sum = ranked.reduce((sum, { tally }) => sum + tally.count, busiest.others?.count ?? 0)
  t.equal(sum, [...exact.values()].reduce((sum, count) => sum + count, 0))
  t.ok(ranked.length <= 128)
  for (const { key, tally, missed } of ranked) {
    const count = exact.get(key) ?? 0
    if (count < tally.count || count > tally.count + missed) t.fail(`${key}: ${count} is not between ${tally.count} and ${tally.count + missed}`)
  }
  t.same(ranked.slice(0, 2).map(({ key }) => key), ['heavy', 'late'])
  t.end()
})

t.test('many clients are counted in bounded memory, and uncertain counts say so', async t => {
  const lines = Array.from({ length: 6000 }, (_, index) => abortLine({ remoteAddress: index % 3 === 0 ? '203.0.113.7' : `10.0.${index >> 8}.${index & 255}` }))
  const [first, second] = (await jsonOf([...lines, ...lines])).failed.clients
  t.match(first, { client: '203.0.113.7', count: 4000, atMost: 4000, blame: { client_slow: 4000 } })
  t.ok(second !== undefined && second.count <= 2 && second.atMost >= 2)
})

t.test('of too many groups the sums are exact, the counts are within their bounds, and uncertain ones say so', async t => {
  const random = new Random(4)
  const next = (): number => random.next()
  const truth = new Map<string, number>()
  const lines = Array.from({ length: 12_000 }, (_, index) => {
    const client = index % 100 === 7 ? '10.8.8.8' : index > 8000 && index % 50 === 9 ? '10.9.9.9' : `172.16.${Math.floor(next() * 20)}.${Math.floor(next() * 250)}`
    truth.set(client, (truth.get(client) ?? 0) + 1)
    return abortLine({ remoteAddress: client })
  })
  const { groups, otherGroups } = (await jsonOf(lines, '--group-by', 'client')).failed
  t.equal(groups.reduce((sum, { count }) => sum + count, otherGroups?.count ?? 0), 12_000)
  t.same(groups.filter(({ client = '', count, atMost }) => count > (truth.get(client) ?? 0) || atMost < (truth.get(client) ?? 0)), [])
  t.ok(groups.some(({ client = '', count }) => count < (truth.get(client) ?? 0)), 'some counts are too low')
  t.match(groups[0], { client: '10.8.8.8', count: 120, atMost: 120 })
  const { stdout } = await run(['report', '--group-by', 'client'], { stdin: lines.join('\n') })
  t.match(stdout, /^10\.8\.8\.8 +120 /m)
  t.match(stdout, /^10\.9\.9\.9 +≥ \d\d /m)
  t.match(stdout.replaceAll(/\s+/g, ' '), /all others .* and [\d,]+ rows with fewer reads, which --json has ≥: a lower bound\./)
})

t.test('of many routes the counts are within their bounds, in the chart and in the advice as well', async t => {
  const lines = Array.from({ length: 3000 }, (_, index) => abortLine({ route: `/r${index % 1500}` }))
  lines.push(...Array.from({ length: 6 }, () => abortLine({ route: '/r0' })))
  const { routes, advice } = (await jsonOf(lines)).failed
  t.match(routes[0], { route: '/r0', count: 6, atMost: 8 })
  t.match(advice, [{ route: '/r0', count: 6, atMost: 8 }])
  const { stdout } = await run(['report'], { stdin: lines.join('\n') })
  t.match(stdout, 'A limit cut at least 6 reads that failed here.')
})

t.test('hours are all exact, and of more than 5 000 they become days that are', async t => {
  const hourly = (hours: number) => Array.from({ length: hours }, (_, hour) => abortLine({ time: new Date(noon + hour * 3_600_000).toISOString(), received: hour }))
  const all = (await jsonOf(hourly(5000), '--group-by', 'hour')).failed
  t.equal(all.groupSpan, 'hour')
  t.equal(all.groups.length, 5000)
  t.ok(all.groups.every(({ count, atMost }) => count === 1 && atMost === 1))
  t.equal(all.otherGroups, null)

  const longer = hourly(5001)
  const { groups, groupSpan } = (await jsonOf([...longer, abortLine({ time: 'none' }).replace(`"time":${noon}`, '"a":1')], '--group-by', 'hour')).failed
  t.equal(groupSpan, 'day')
  t.match(groups[0], { hour: '(no time)', count: 1 })
  t.match(groups[1], { hour: '2025-03-01T00:00:00.000Z', count: 12, received: 66 })
  t.match(groups[2], { hour: '2025-03-02T00:00:00.000Z', count: 24, atMost: 24 })
  t.equal(groups.reduce((sum, { count }) => sum + count, 0), 5002)
  const { stdout } = await run(['report', '--group-by', 'hour'], { stdin: longer.join('\n') })
  t.match(stdout.replaceAll(/\s+/g, ' '), 'Each row is a day: more than 5,000 hours have reads.')
})

t.test('groups by time coarsen up to what a Date can hold, and lose nothing', t => {
  const groups = new TimeGroups()
  for (let year = 0; year < 12_000; year++) {
    const time = new Date(Date.UTC(1970 + year, year % 12, 1 + year % 28, year % 24)).toISOString()
    groups.of(time).add({ reason: 'malformed', phase: 'body', blame: 'client_invalid', route: '/', method: undefined, hasRequest: true, isRouted: true, client: '', network: '', sent: undefined, received: 1, expected: undefined, limit: undefined, elapsed: 0, idle: 0, rate: 0, observed: false, time: undefined })
  }
  t.equal(groups.span, 'millennium')
  t.equal(groups.ranked().reduce((sum, { tally }) => sum + tally.count, 0), 12_000)
  t.same(groups.ranked().slice(0, 2).map(({ key, tally }) => [key, tally.count]), [['1000-01-01T00:00:00.000Z', 30], ['2000-01-01T00:00:00.000Z', 1000]])
  t.end()
})

t.test('buckets over time lose nothing, have no gap and are not many, whatever the span and the order', t => {
  fc.assert(fc.property(fc.array(fc.oneof(fc.nat(100_000), fc.nat(1e10), fc.nat(4e12)), { minLength: 1, maxLength: 100 }), offsets => {
    const buckets = new TimeBuckets()
    for (const offset of offsets) buckets.add(noon + offset, 'malformed')
    const { bucketMs, buckets: shown } = buckets.timeline()
    const times = shown.map(bucket => Date.parse(bucket.time))
    return shown.length <= 96 &&
      shown.reduce((sum, bucket) => sum + (bucket.reasons.malformed ?? 0), 0) === offsets.length &&
      times.every((time, index) => index === 0 || time - (times[index - 1] ?? 0) === bucketMs) &&
      (times[0] ?? Infinity) <= noon + Math.min(...offsets) && (times.at(-1) ?? 0) + bucketMs > noon + Math.max(...offsets)
  }))
  const many = new TimeBuckets()
  for (let second = 0; second < 100_000; second++) many.add(noon + second * 60_000, second % 2 === 0 ? 'malformed' : 'body_timeout')
  const { bucketMs, buckets } = many.timeline()
  t.equal(bucketMs, 86_400_000)
  t.same(buckets[1]?.reasons, { body_timeout: 720, malformed: 720 })
  t.end()
})

t.test('how far reads got, and how fast they were, in bins', async t => {
  const shares = [[0, 10], [1, 10], [2, 10], [9, 10], [10, 10], [12, 10], [1, undefined], [0, 0]] as const
  const { receivedShare } = (await jsonOf(shares.map(([received, expected]) => abortLine({ received, expected })))).failed
  t.same(receivedShare.bins.filter(bin => bin.count > 0), [
    { from: 0, to: 0, count: 1 }, { from: 0, to: 10, count: 1 }, { from: 10, to: 20, count: 1 }, { from: 80, to: 90, count: 1 }, { from: 100, to: null, count: 2 }
  ])
  t.match(receivedShare, { declared: 6, undeclared: 2 })

  const rates = [0.5, 1, 1.99, 2, 49, 50, 1e12].map(rate => abortLine({ rate }))
  const other = abortLine({ rate: 3, reason: 'body_timeout', limit: 300_000 })
  const gone = abortLine({ rate: 3, reason: 'client_aborted', blame: 'client_gone' })
  const distribution = (await jsonOf([...rates, other, gone, abortLine({ rate: 0, received: 0 })])).failed.rates
  t.same(distribution.limits, [{ option: 'minBodyRate', bytesPerSecond: 240, count: 7 }])
  t.same(distribution.bins.filter(bin => bin.tooSlow + bin.other > 0).map(({ from, tooSlow, other }) => [from, tooSlow, other]), [[0, 1, 0], [1, 2, 0], [2, 1, 1], [20, 1, 0], [50, 1, 0], [5e8, 1, 0]])
})

t.test('amounts are three digits and a unit', t => {
  t.same([0, 999, 999.6, 1234, 99_950, 1e6, 1.05e15, 3e18].map(bytesText), ['0 B', '999 B', '1 kB', '1.23 kB', '100 kB', '1 MB', '1.05 PB', '3000 PB'])
  t.same([0, 850, 1000, 31_240, 119_000, 300_000, 7_500_000, 4e8].map(durationText), ['0 ms', '850 ms', '1 s', '31.2 s', '119 s', '5 min', '2.08 h', '4.63 d'])
  t.same([0, 0.0001, 0.1234, 0.9996, 1, 1.2].map(percentText), ['0.0%', '<0.1%', '12.3%', '100%', '100%', '120%'])
  t.equal(rateText(240), '240 B/s')
  t.equal(countText(1_234_567), '1,234,567')
  t.end()
})

t.test('rounding a limit never crosses the value', t => {
  t.same([0, 0.5, 7, 99, 123, 123_456, 9_999].map(roundUp), [0, 0.5, 7, 99, 130, 130_000, 10_000])
  t.same([0, 0.456, 7, 99, 123, 123_456, 9_999].map(roundDown), [0, 0.45, 7, 99, 120, 120_000, 9_900])
  fc.assert(fc.property(fc.double({ min: 0.01, max: 1e15, noNaN: true }), value => roundDown(value) <= value * (1 + 1e-12) && roundUp(value) >= value * (1 - 1e-12)))
  t.end()
})

t.test('axes have round ticks', t => {
  t.same(niceTicks(0), [0, 1])
  t.same(niceTicks(5), [0, 2, 4, 6])
  t.same(niceTicks(800), [0, 200, 400, 600, 800])
  for (const max of [1, 2, 3, 7, 99, 1001, 123_456]) t.ok((niceTicks(max).at(-1) ?? 0) >= max && niceTicks(max).length <= 6)
  t.same([0, 500, 1500, 2e6, 3e9].map(shortCount), ['0', '500', '1.5k', '2M', '3G'])
  t.same([1000, 15_000, 900_000, 3_600_000, 604_800_000].map(widthName), ['second', '15 seconds', '15 minutes', 'hour', '7 days'])
  const labels = (hours: number) => timeTicks(noon, noon + hours * 3_600_000).map(tick => tick.label)
  t.same(labels(0.01), ['1 Mar 12:00:00', '12:00:15', '12:00:30'])
  t.same(labels(21), ['1 Mar 12:00', '15:00', '18:00', '21:00', '2 Mar', '03:00', '06:00'])
  t.same(labels(72), ['1 Mar 12:00', '2 Mar', '12:00', '3 Mar', '12:00', '4 Mar'])
  t.same(labels(24 * 5), ['2 Mar', '3 Mar', '4 Mar', '5 Mar', '6 Mar'])
  t.same(labels(24 * 365), ['May 2025', 'Jul 2025', 'Sep 2025', 'Nov 2025', 'Jan 2026', 'Mar 2026'])
  t.same(labels(24 * 365 * 6), ['2026', '2027', '2028', '2029', '2030', '2031'])
  for (const hours of [0.001, 1, 100, 1e4, 1e6]) t.ok(labels(hours).length <= 8)
  t.end()
})
