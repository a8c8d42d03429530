import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { networkOf, withoutMapping } from '../../lib/report/input/network.js'
import { ClientSpread } from '../../lib/report/tally/client-spread.js'
import { TimeWindow } from '../../lib/report/tally/time-window.js'
import { abortLine, jsonOf, noon, run } from '../support/app/report-log.js'

const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))

t.test('an IPv6 address has its /64, in whatever form it is written', t => {
  const rows: [string, string][] = [
    ['2001:db8:85a3:8d3:1319:8a2e:370:7348', '2001:db8:85a3:8d3::/64'],
    ['2001:0DB8:0000:0000::1', '2001:db8::/64'],
    ['2001:db8::1', '2001:db8::/64'],
    ['2001:db8:0:0:1::1', '2001:db8::/64'],
    ['2001:db8:0:1::', '2001:db8:0:1::/64'],
    ['::1', '::/64'],
    ['::', '::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['64:ff9b::203.0.113.7', '64:ff9b::/64'],
    ['1:2:3:4:5:6:203.0.113.7', '1:2:3:4::/64'],
    ['203.0.113.7', '203.0.113.7'],
    ['(unknown)', '(unknown)'],
    ['not:an:address', 'not:an:address'],
    ['', '']
  ]
  for (const [address, network] of rows) t.equal(networkOf(address), network, address)
  t.equal(withoutMapping('::ffff:203.0.113.7'), '203.0.113.7')
  t.equal(withoutMapping('::FFFF:203.0.113.7'), '203.0.113.7')
  t.equal(withoutMapping('::ffff:cb00:7107'), '::ffff:cb00:7107')
  t.end()
})

t.test('a subscriber with many IPv6 addresses is one network, and shown as one', async t => {
  const lines = [
    ...times(30, index => abortLine({ ip: `2001:db8:1:2::${index + 1}` })),
    ...times(3, () => abortLine({ ip: '2001:db8:9:9::1' })),
    ...times(5, () => abortLine({ ip: '::ffff:203.0.113.7' })),
    ...times(4, () => abortLine({ ip: '203.0.113.7' }))
  ]
  const { failed } = await jsonOf(lines)
  t.match(failed.networks, [{ client: '2001:db8:1:2::/64', count: 30, addresses: 30 }])
  t.equal(failed.networks.length, 1, 'a network of one address is that client')
  t.match(failed.clients[0], { client: '203.0.113.7', count: 9 })
  const page = join(t.testdir(), 'page.html')
  const { stdout } = await run(['report', '--html', page], { stdin: lines.join('\n') })
  t.match(stdout, /^Busiest networks of IPv6\n.*\n2001:db8:1:2::\/64 +30 .* 30$/m)
  t.match(readFileSync(page, 'utf8'), /<h3>Busiest networks of IPv6<\/h3>[^]*data-json="failed\.networks\.0\.addresses" data-value="30"/)
  t.notMatch((await run(['report'], { stdin: abortLine() })).stdout, 'networks')
})

const left = { code: 'FST_READ_RESPONSE_ABORTED', reason: 'response_aborted', blame: 'client_gone', limit: undefined, received: 0, expected: undefined, statusCode: 499 } as const

t.test('clients that left while the handler worked, or before they had the response: how long, on which routes', async t => {
  const lines = [
    ...times(10, index => abortLine({ ...left, phase: 'handler', route: '/search', elapsed: 1000 * (index + 1), sent: undefined })),
    ...times(4, () => abortLine({ ...left, phase: 'response', route: '/files/*', elapsed: 9000, sent: 5_000_000 })),
    abortLine({ ...left, phase: 'handler', route: '/files/*', elapsed: 50, sent: undefined }),
    abortLine()
  ]
  const { failed } = await jsonOf(lines)
  t.match(failed.phases, { body: 1, handler: 11, response: 4 })
  t.same(failed.left, [
    { route: '/search', phase: 'handler', count: 10, atMost: 10, elapsed: { median: 5000, p95: 10_000, max: 10_000 }, sent: null },
    { route: '/files/*', phase: 'response', count: 4, atMost: 4, elapsed: { median: 9000, p95: 9000, max: 9000 }, sent: { median: 5_000_000, p95: 5_000_000, max: 5_000_000 } },
    { route: '/files/*', phase: 'handler', count: 1, atMost: 1, elapsed: { median: 50, p95: 50, max: 50 }, sent: null }
  ])
  const page = join(t.testdir(), 'page.html')
  const { stdout } = await run(['report', '--html', page], { stdin: lines.join('\n') })
  t.match(stdout, 'By phase: body 6.3%, handler 68.8%, response 25.0%.')
  t.match(stdout, /^Clients that left\n[^]*while the handler worked\n {2}\/search +10 +5 s +10 s +10 s +– +–\n {2}\/files\/\* +1 [^]*before they had the response\n {2}\/files\/\* +4 +9 s +9 s +9 s +5 MB +5 MB$/m)
  t.match(readFileSync(page, 'utf8'), /<h3>Clients that left<\/h3>[^]*while the handler worked[^]*data-json="failed\.left\.0\.elapsed\.median" data-value="5000"/)
})

t.test('the limits of a response have their advice', async t => {
  const idle = { code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', reason: 'response_idle_timeout', phase: 'response', limit: 60_000, elapsed: 70_000, idle: 60_000, received: 0, expected: undefined, route: '/files/*' } as const
  const slow = { code: 'FST_READ_RESPONSE_TOO_SLOW', reason: 'response_too_slow', phase: 'response', limit: 240, elapsed: 400_000, idle: 100, received: 0, expected: undefined, route: '/files/*' } as const
  const lines = [...times(6, index => abortLine({ ...idle, time: new Date(noon + index * 3_600_000).toISOString(), sent: 10 ** index, ip: `10.0.0.${index}` })), ...times(10, index => abortLine({ ...slow, time: new Date(noon + index * 3_600_000).toISOString(), sent: Math.round(70_000 * 1.3 ** index), rate: 175 + index, ip: `10.0.1.${index}` }))]
  const [{ limits } = { limits: [] }] = (await jsonOf(lines)).failed.advice
  t.match(limits, [
    { option: 'minResponseRate', count: 10, moving: 10, silent: 0, enough: [{ share: 0.5 }, {}, {}], verdict: { action: 'loosen', population: 'honest_clients', to: 170 } },
    { option: 'responseIdleTimeout', count: 6, silent: 0, enough: [], verdict: { action: 'keep' } }
  ])
  const said = (await run(['report'], { stdin: lines.join('\n') })).stdout.replaceAll(/\s+/g, ' ')
  t.match(said, 'Lower minResponseRate to 170 B/s')
  t.match(said, 'responseIdleTimeout (60 s) cut 6 reads. How long the silence would have lasted')
})

t.test('clients are counted exactly while they are few, and within a few percent when they are many', t => {
  for (const [count, slack] of [[1, 0], [100, 0], [128, 0], [1000, 0.05], [10_000, 0.05]] as const) {
    const [spread, half, other] = [new ClientSpread(), new ClientSpread(), new ClientSpread()]
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < count; index++) {
        const client = `10.${index >> 16}.${index >> 8 & 255}.${index & 255}`
        spread.add(client, false)
        const into = index % 2 === 0 ? half : other
        into.add(client, false)
      }
    }
    half.merge(other)
    t.ok(Math.abs(spread.clients - count) <= count * slack, `${spread.clients} for ${count}`)
    t.ok(Math.abs(half.clients - count) <= count * slack, `${half.clients} for ${count}, merged`)
  }
  t.end()
})

t.test('the quarter of an hour with the most reads is found, whatever the order and the span', t => {
  const minute = 60_000
  const events = [...times(50, index => noon + 120 * minute + index * 5000), ...times(600, index => noon + index * 40 * minute)]
  for (const order of [events, [...events].reverse(), [...events].sort((a, b) => a % 7919 - b % 7919)]) {
    const [window, one, two] = [new TimeWindow(), new TimeWindow(), new TimeWindow()]
    for (const [index, time] of order.entries()) {
      window.add(time)
      const into = index % 3 === 0 ? one : two
      into.add(time)
    }
    one.merge(two)
    for (const densest of [window.densest(), one.densest()]) {
      t.ok(densest !== undefined && densest.from <= noon + 120 * minute && densest.to >= noon + 124 * minute && Math.abs(densest.share - 51 / 650) < 0.01, JSON.stringify(densest))
    }
  }
  t.equal(new TimeWindow().densest(), undefined)
  t.end()
})
