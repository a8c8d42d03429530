import t from 'tap'
import { resolveOptions } from '../../lib/limits/resolve.js'
import { abortLine, jsonOf, run } from '../support/app/report-log.js'
import { Random } from '../support/oracle/random.js'

const adviceOf = async (lines: readonly string[]) => (await jsonOf(lines)).failed.advice
const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))
const timedOut = { code: 'FST_READ_BODY_TIMEOUT', reason: 'body_timeout', limit: 300_000, elapsed: 300_000, idle: 100 } as const

t.test('of fewer than five reads nothing is said', async t => {
  t.same(await adviceOf(times(4, () => abortLine())), [])
  t.equal((await adviceOf(times(5, () => abortLine()))).length, 1)
  const lines = [...times(5, () => abortLine()), ...times(4, () => abortLine(timedOut))]
  t.same((await adviceOf(lines))[0]?.limits.map(limit => limit.reason), ['body_too_slow'])
})

t.test('of a route on which no limit cut anything nothing is said', async t => {
  t.same(await adviceOf(times(20, () => abortLine({ code: 'FST_READ_ABORTED', reason: 'client_aborted', blame: 'client_gone' }))), [])
})

t.test('the share is of failed reads, and says so', async t => {
  const lines = [
    ...times(6, () => abortLine()),
    ...times(2, () => abortLine({ reason: 'client_aborted', blame: 'client_gone' }))
  ]
  t.match((await adviceOf(lines))[0], { route: '/upload', count: 8, cut: 6, cutReceivedShare: { count: 6, median: 0.1 } })
  t.match((await run(['report'], { stdin: lines.join('\n') })).stdout.replaceAll(/\s+/g, ' '), 'A limit cut 6 of the 8 reads that failed here (75.0%).')
})

t.test('a body timeout that would have been enough is the time the length needs at the pace it had', async t => {
  // the n-th read had received 1/n of its body when 300 s were over
  const lines = times(100, index => abortLine({ ...timedOut, received: 1000, expected: 1000 * (index + 2) }))
  const [limit] = (await adviceOf(lines))[0]?.limits ?? []
  t.match(limit, { option: 'bodyTimeout', kind: 'time', count: 100, limit: { min: 300_000, max: 300_000 }, silent: 0, moving: 100, declared: 100 })
  for (const [index, [share, exact]] of [[0.5, 51], [0.9, 91], [0.99, 100]].entries()) {
    const enough = limit?.enough[index]
    const needed = (exact ?? 0) * 300_000
    t.equal(enough?.share, share)
    t.ok(enough !== undefined && enough.limit >= needed && enough.limit <= needed * 1.021 + 1000, `${enough?.limit} for ${needed}`)
    t.equal(enough?.longestMs, enough?.limit)
  }
})

t.test('only reads that were still moving tell which limit would have been enough', async t => {
  const stuck = times(50, () => abortLine({ ...timedOut, received: 1, expected: 1e9, idle: 80_000 }))
  const silent = times(10, () => abortLine({ ...timedOut, received: 0, expected: 1e9, idle: 300_000 }))
  const moving = times(5, () => abortLine({ ...timedOut, received: 500, expected: 1000, idle: 75_000 }))
  const [limit] = (await adviceOf([...stuck, ...silent, ...moving]))[0]?.limits ?? []
  t.match(limit, { count: 65, silent: 10, moving: 5, declared: 5 })
  t.same(limit?.enough.map(({ limit }) => limit), [600_000, 600_000, 600_000])
})

t.test('without a declared length nobody knows what was still to come', async t => {
  const lines = times(10, () => abortLine({ ...timedOut, expected: undefined }))
  t.same((await adviceOf(lines))[0]?.limits[0]?.enough, [])
  t.match((await run(['report'], { stdin: lines.join('\n') })).stdout.replaceAll(/\s+/g, ' '), 'The log does not say how much was still to come')
})

t.test('what reads averaged, against the longest read that a limit as low lets through', async t => {
  const random = new Random(5)
  const next = (): number => random.next()
  const rates = times(500, () => 1 + next() * 239)
  const lines = rates.map(rate => abortLine({ received: Math.round(rate * 30), expected: 1_000_000, elapsed: 30_000, rate: Math.round(rate * 100) / 100 }))
  const [limit] = (await adviceOf(lines))[0]?.limits ?? []
  t.equal(limit?.option, 'minBodyRate')
  for (const { share, limit: rate, longestMs } of limit?.enough ?? []) {
    const through = rates.filter(value => Math.round(value * 100) / 100 >= rate)
    t.ok(through.length >= share * 500, `${rate} B/s lets ${through.length} of 500 through`)
    const slowest = 1_000_000 / Math.min(...through) * 1000
    t.ok(longestMs !== null && Math.abs(longestMs / slowest - 1) < 0.15, `${longestMs} ms for ${slowest} ms`)
  }
})

t.test('a client that sends fast first and then trickles is left out of what the averages say, and counted', async t => {
  const burst = times(7, index => abortLine({ received: 65_536, expected: 1e7, elapsed: 31_000, rate: 2114 + index, idle: 900 }))
  const atLimit = abortLine({ rate: 240, expected: undefined })
  const [only] = (await adviceOf([...burst, atLimit]))[0]?.limits ?? []
  t.match(only, { count: 8, moving: 8, burst: 8, declared: 0 })
  t.same(only?.enough, [], 'nothing is left that tells')
  const text = async (lines: readonly string[]) => (await run(['report'], { stdin: lines.join('\n') })).stdout.replaceAll(/\s+/g, ' ')
  t.match(await text(burst), 'cut 7 reads; all of them were still moving. All of those sent fast first, so an average that is not below the limit says nothing. That is too few')

  const slow = times(10, () => abortLine({ rate: 239, expected: undefined }))
  const [mixed] = (await adviceOf([...burst, ...slow]))[0]?.limits ?? []
  t.match(mixed, { count: 17, moving: 17, burst: 7 })
  t.ok(mixed?.enough.every(({ limit }) => limit <= 239 && limit >= 230), 'as if the bursts were not there')
  t.match(await text([...burst, ...slow]), 'Of those still moving 7 sent fast first, so an average that is not below the limit says nothing. Of the others, 50% averaged at least 23')
})

t.test('how long a read would have held a connection is said of those that declared a length, if they are enough', async t => {
  const undeclared = times(95, index => abortLine({ received: 1000 + index, expected: undefined, rate: 33 }))
  const declared = (count: number) => times(count, () => abortLine({ received: 1200, expected: 2000, rate: 40 }))
  const longest = async (lines: readonly string[]) => (await adviceOf(lines))[0]?.limits[0]?.enough.map(({ longestMs }) => longestMs)
  t.same(await longest([...undeclared, ...declared(4)]), [null, null, null])
  t.same(await longest([...undeclared, ...declared(5)]), [50_000, 50_000, 50_000])
  t.same(await longest([...declared(4), ...times(6, () => abortLine({ received: 600, expected: 1200, rate: 20 }))]), [60_000, 60_000, 60_000])
  t.same(await longest([...undeclared.slice(0, 20), ...times(18, () => abortLine({ expected: undefined, rate: 100 })), ...declared(4), abortLine({ received: 300, expected: 3000, rate: 10 })]), [null, null, 300_000])
  const { stdout } = await run(['report'], { stdin: [...undeclared, ...declared(5)].join('\n') })
  t.match(stdout.replaceAll(/\s+/g, ' '), 'At that pace the longest of the 5 that declared a length would have held a connection for 50 s (of the 50%), 50 s (of the 90%) and 50 s (of the 99%), unless another limit ended it.')
})

t.test('how long a silence would have lasted is not known', async t => {
  const lines = times(10, () => abortLine({ code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', limit: 20_000, idle: 20_000 }))
  t.match((await adviceOf(lines))[0]?.limits, [{ option: 'bodyIdleTimeout', kind: 'silence', enough: [] }])
  t.match((await run(['report'], { stdin: lines.join('\n') })).stdout.replaceAll(/\s+/g, ' '), 'bodyIdleTimeout (20 s) cut 10 reads. How long the silence would have lasted is not in the log')
})

t.test('a body limit that would have been enough comes from the declared sizes', async t => {
  const lines = times(100, index => abortLine({ code: 'FST_READ_BODY_TOO_LARGE', reason: 'body_too_large', blame: 'client_invalid', limit: index < 50 ? 1000 : 2000, received: 0, expected: (index + 1) * 10_000 }))
  const [limit] = (await adviceOf(lines))[0]?.limits ?? []
  t.match(limit, { option: 'bodyLimit', kind: 'size', limit: { min: 1000, max: 2000 }, declared: 100 })
  for (const { share, limit: bytes } of limit?.enough ?? []) t.ok(bytes >= share * 1e6 && bytes <= share * 1e6 * 1.13, `${bytes} for ${share}`)
  t.match((await run(['report'], { stdin: lines.join('\n') })).stdout, 'bodyLimit (1 kB to 2 kB; the guard\'s or Fastify\'s own) cut 100 reads')
})

t.test('every limit that is named is one that the options take', async t => {
  const random = new Random(8)
  const next = (): number => random.next()
  const lines = times(400, index => {
    const expected = Math.ceil(10 ** (next() * 12))
    const received = Math.ceil(expected * next() ** 4)
    const elapsed = 1000 + Math.floor(next() * 300_000)
    const kinds = [
      { received, expected, elapsed },
      { ...timedOut, received, expected },
      { code: 'FST_READ_BODY_TOO_LARGE', reason: 'body_too_large', blame: 'client_invalid', limit: 5, received: 0, expected: 6 + index % 30 }
    ] as const
    return abortLine({ idle: 1, rate: Math.round(received / elapsed * 100_000) / 100, route: `/${index % 10}`, limit: 1e12, ...kinds[index % 3] })
  })
  let named = 0
  for (const { limits } of await adviceOf(lines)) {
    for (const { option, kind, enough } of limits) {
      for (const { limit } of enough) {
        const value = kind === 'rate' && limit > 0 ? { bytesPerSecond: limit } : kind === 'rate' ? false : limit
        t.doesNotThrow(() => resolveOptions({ [option]: value }), `${option}: ${JSON.stringify(value)}`)
        named++
      }
    }
  }
  t.ok(named >= 60, `${named} limits`)
})

t.test('where no limit is enough the advice is to have none', async t => {
  const text = async (lines: readonly string[]) => (await run(['report'], { stdin: lines.join('\n') })).stdout.replaceAll(/\s+/g, ' ')
  const endless = times(6, () => abortLine({ ...timedOut, received: 1000, expected: 1e8 }))
  t.match((await adviceOf(endless))[0]?.limits[0]?.enough, [{ limit: 0, longestMs: 3e10 }, { limit: 0 }, { limit: 0 }])
  t.match(await text(endless), 'a bodyTimeout of 0 (no limit: Node has no timer as long) would have been enough for 50% of them')
  t.match(await text(endless), 'The slowest of them would have held a connection for 347 d, 347 d and 347 d.')
  const still = times(6, () => abortLine({ received: 1, expected: 10, elapsed: 400_000, idle: 10, rate: 0 }))
  t.match((await adviceOf(still))[0]?.limits[0]?.enough, [{ limit: 0 }, { limit: 0 }, { limit: 0 }])
  t.match(await text(still), '50% averaged at least 0 B/s (only false is enough)')
})

t.test('what limited headers may be their size or their number', async t => {
  const lines = [...times(6, () => 2000), 16_384].map(limit => abortLine({ code: 'FST_READ_HEADERS_TOO_LARGE', reason: 'headers_too_large', phase: 'headers', blame: 'client_invalid', limit, received: 30_000, expected: undefined, route: undefined }))
  t.match((await adviceOf(lines))[0]?.limits, [{ option: 'maxHeaderSize or maxHeadersCount', kind: 'head', limit: { min: 2000, max: 16_384 }, enough: [] }])
  const { stdout } = await run(['report'], { stdin: lines.join('\n') })
  t.match(stdout.replaceAll(/\s+/g, ' '), 'maxHeaderSize or maxHeadersCount (2,000 to 16,384) cut 7 reads. The first is in bytes')
})

t.test('observed reads would have been cut', async t => {
  const stdin = times(5, () => abortLine({ observed: true })).join('\n')
  const { stdout } = await run(['report'], { stdin })
  t.match(stdout, 'What enforcing would have cost')
  t.match(stdout, 'A limit would have cut all 5 reads recorded here.')
  t.notMatch(stdout, 'failed:')
})
