import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { resolveOptions } from '../../lib/limits/resolve.js'
import type { Verdict } from '../../lib/report/report.js'
import { root } from '../support/app/packed.js'
import { populations } from '../support/app/populations.js'
import { abortLine, jsonOf, noon, run, type Fields } from '../support/app/report-log.js'

const hour = 3_600_000
/** The log goes on for a day. */
const end = JSON.stringify({ level: 30, time: noon + 24 * hour, pid: 1, hostname: 'web-1', reqId: 'req-9', res: { statusCode: 200 }, responseTime: 1, msg: 'request completed' })
const linesOf = (...records: readonly Fields[][]) => [...records.flat().map(record => abortLine(record)), end]

async function verdictsOn (lines: readonly string[], section: 'failed' | 'observed' = 'failed'): Promise<Record<string, Verdict>> {
  const report = await jsonOf(lines)
  return Object.fromEntries(report[section].advice.flatMap(({ route, limits }) => limits.map(({ option, verdict }) => [`${route} ${option}`, verdict])))
}

const said = async (lines: readonly string[]) => (await run(['report'], { stdin: lines.join('\n') })).stdout.replaceAll(/\s+/g, ' ')

t.test('honest uploads of many phones: the limit is to be raised, to what would have been enough', async t => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const { mobileUploads } = populations(seed)
    const { '/upload bodyTimeout': verdict } = await verdictsOn(linesOf(mobileUploads))
    t.match(verdict, { action: 'loosen', population: 'honest_clients' }, `seed ${seed}`)
    const honest = mobileUploads.filter(({ received = 0, expected = 0 }) => received * 2 >= expected)
    const enough = honest.filter(({ received = 0, expected = 0 }) => 60_000 * expected / received <= (verdict?.to ?? 0)).length
    t.equal(verdict?.honest, honest.length)
    t.ok(enough >= honest.length * 0.9 && (verdict?.to ?? Infinity) <= 125_000, `${verdict?.to} ms would have been enough for ${enough} of ${honest.length}`)
    t.doesNotThrow(() => resolveOptions({ bodyTimeout: verdict?.to ?? -1 }))
  }
  t.match(await said(linesOf(populations().mobileUploads)), /Raise bodyTimeout to [\d.]+ (s|min) \([\d,]+ ms\): it ends honest-looking reads of many clients\. 60 reads of \d\d clients were cut: \d\d of them still moving and more than half done \(\d\d clients\)/)
})

t.test('slowloris: the limit did its work, and the machine is named', async t => {
  const lines = linesOf(populations().slowloris)
  t.match(await verdictsOn(lines), { '(not routed) headersTimeout': { action: 'attack', population: 'slowloris', to: null, clients: 1, hardlyBegun: 500, lookAt: [{ client: '198.51.100.66', count: 500 }] } })
  t.match(await said(lines), /Keep headersTimeout: this looks like an attack \(slowloris: heads that never end\)\. 500 reads of one client were cut: 500 hardly begun, \d+ alike in length and progress, about 83\.\d at a time, 100% from 2025-03-01 12:00 to 2025-03-01 12:02\. Look at 198\.51\.100\.66 \(500\)\./)
})

t.test('which limit would have let an attack through is not said', async t => {
  const { slowloris, slowPost } = populations()
  t.notMatch(await said(linesOf(slowloris, slowPost)), /still moving\.|averaged|would have been enough/)
})

t.test('slow POST (RUDY), of one machine and of hundreds', async t => {
  const { slowPost, slowPostOfMany } = populations()
  t.match(await verdictsOn(linesOf(slowPost)), { '/upload minBodyRate': { action: 'attack', population: 'slow_post', lookAt: [{ client: '198.51.100.66' }] } })
  t.match(await verdictsOn(linesOf(slowPostOfMany)), { '/upload minBodyRate': { action: 'attack', population: 'slow_post', alike: 400, lookAt: [] } })
})

t.test('a program that fails again and again at the same byte', async t => {
  const lines = linesOf(populations().brokenClient)
  t.match(await verdictsOn(lines), { '/upload bodyIdleTimeout': { action: 'keep', population: 'broken_client', clients: 1, alike: 120, lookAt: [{ client: '203.0.113.40', count: 120 }] } })
  t.match(await said(lines), 'Keep bodyIdleTimeout: one client, which fails again and again in the same way.')
  const waits = populations().brokenClient.map(record => ({ ...record, received: 0, rate: 0 }))
  t.match(await verdictsOn(linesOf(waits)), { '/upload bodyIdleTimeout': { action: 'keep', population: 'broken_client' } }, 'also one that sends no body at all: it is no attack, one request at a time')
})

t.test('an outage at 14:00', async t => {
  const lines = linesOf(populations().outage)
  const { '/upload bodyIdleTimeout': verdict } = await verdictsOn(lines)
  t.match(verdict, { action: 'keep', population: 'outage', window: { from: /^2025-03-01T14:00/ } })
  t.ok(Date.parse(verdict?.window?.to ?? '') - Date.parse(verdict?.window?.from ?? '') <= 900_000)
  t.match(await said(lines), /Keep bodyIdleTimeout: an outage; .*% from 2025-03-01 14:00 to 2025-03-01 14:\d\d\./)
  t.match(await verdictsOn(populations().outage.slice(0, 70).map(record => abortLine(record))), { '/upload bodyIdleTimeout': { population: 'unclear' } }, 'a log of five minutes tells of none')
})

t.test('one slow customer, told by its /64', async t => {
  const lines = linesOf(populations().slowCustomer)
  t.match(await verdictsOn(lines), { '/upload bodyTimeout': { action: 'keep', population: 'slow_customer', clients: 1, lookAt: [{ client: '2001:db8:5:7::/64', count: 40 }] } })
  t.match(await said(lines), 'Keep bodyTimeout: one client on a slow network; a limit of its own, with setLimits(), helps it alone.')
})

t.test('a slow reader', async t => {
  const lines = linesOf(populations().slowReader)
  t.match(await verdictsOn(lines), { '/files/* responseIdleTimeout': { action: 'attack', population: 'slow_reader', lookAt: [{ client: '198.51.100.67', count: 300 }] } })
})

t.test('all of them in one log are told apart, each on its route', async t => {
  const { mobileUploads, slowloris, slowPost, brokenClient, outage, slowCustomer, slowReader } = populations()
  const on = (route: string, records: Fields[]) => records.map(record => ({ ...record, route }))
  const verdicts = await verdictsOn(linesOf(on('/phones', mobileUploads), slowloris, on('/posts', slowPost), on('/broken', brokenClient), on('/outage', outage), on('/customer', slowCustomer), slowReader))
  t.same(Object.fromEntries(Object.entries(verdicts).map(([key, { population }]) => [key, population])), {
    '/phones bodyTimeout': 'honest_clients',
    '(not routed) headersTimeout': 'slowloris',
    '/posts minBodyRate': 'slow_post',
    '/broken bodyIdleTimeout': 'broken_client',
    '/outage bodyIdleTimeout': 'outage',
    '/customer bodyTimeout': 'slow_customer',
    '/files/* responseIdleTimeout': 'slow_reader'
  })
})

t.test('honest uploads are seen behind an attack on the same limit, and an attack does not raise it', async t => {
  const { mobileUploads, slowPost } = populations()
  const timedOut = slowPost.map(record => ({ ...record, code: 'FST_READ_BODY_TIMEOUT', reason: 'body_timeout', limit: 60_000, elapsed: 60_000 } as const))
  const { '/upload bodyTimeout': both } = await verdictsOn(linesOf(mobileUploads, timedOut.slice(0, 40)))
  t.match(both, { action: 'loosen', population: 'honest_clients' })
  t.ok((both?.to ?? Infinity) <= 180_000, 'the attack has no say in how far')
  t.match(await verdictsOn(linesOf(mobileUploads.slice(0, 4), timedOut)), { '/upload bodyTimeout': { action: 'attack', population: 'slow_post' } })
})

t.test('a minimum rate is lowered for honest uploads, a body limit raised for what is asked for by many', async t => {
  const { mobileUploads } = populations()
  const slow = mobileUploads.map((record, index) => ({ ...record, ...{ code: 'FST_READ_BODY_TOO_SLOW', reason: 'body_too_slow', limit: 240, elapsed: 300_000, rate: 100 + index } as const }))
  const { '/upload minBodyRate': rate } = await verdictsOn(linesOf(slow))
  t.match(rate, { action: 'loosen' })
  t.ok((rate?.to ?? 0) >= 90 && (rate?.to ?? 0) <= 130, `${rate?.to} B/s`)
  t.match(await said(linesOf(slow)), /Lower minBodyRate to \d+ B\/s/)

  const large = (factor: number) => mobileUploads.map((record, index) => ({ ...record, ...{ code: 'FST_READ_BODY_TOO_LARGE', reason: 'body_too_large', blame: 'client_invalid', limit: 1_000_000, received: 0, expected: Math.round(1_000_000 * factor + index * 100) } as const }))
  t.match(await verdictsOn(linesOf(large(1.5))), { '/upload bodyLimit': { action: 'loosen', to: 1_600_000 } })
  t.match(await said(linesOf(large(1.5))), 'Raise bodyLimit to 1.6 MB (1,600,000 bytes)')
  t.match(await verdictsOn(linesOf(large(500))), { '/upload bodyLimit': { action: 'keep', population: 'unclear' } })
})

t.test('where the log shows that everything that succeeded was much faster, the limit may be lowered', async t => {
  const completed = Array.from({ length: 2000 }, (_, index) => JSON.stringify({ level: 30, time: noon + index * 1000, pid: 1, hostname: 'web-1', reqId: 'x', req: { method: 'POST', url: '/upload' }, res: { statusCode: index % 100 === 0 ? 500 : 201 }, responseTime: index % 100 === 0 ? 290_000 : 500 + index, msg: 'request completed' }))
  const few = Array.from({ length: 8 }, (_, index) => abortLine({ code: 'FST_READ_BODY_TIMEOUT', reason: 'body_timeout', limit: 300_000, elapsed: 300_000, idle: 200_000, received: 100 * 3 ** index, expected: 1e7, ip: `10.0.0.${index}`, time: new Date(noon + index * hour).toISOString() }))
  const { '/upload bodyTimeout': verdict } = await verdictsOn([...few, ...completed])
  t.match(verdict, { action: 'tighten', succeeded: { count: 1980 } })
  const slowest = 2499
  t.ok((verdict?.to ?? 0) >= 2 * slowest && (verdict?.to ?? 0) <= 2 * slowest * 1.25 + 1000, `${verdict?.to} ms`)
  t.match(await said([...few, ...completed]), /Lower bodyTimeout to [\d.]+ s \([\d,]+ ms\), if you like: no request that succeeded needs that much\. .* Of 1,980 requests that succeeded, 99\.9% took no more than 2\.\d+ s in all/)
  const { '/upload bodyTimeout': honest } = await verdictsOn([...linesOf(populations().mobileUploads), ...completed.map(line => line.replaceAll('290000', '1000'))])
  t.match(honest, { action: 'loosen', succeeded: null }, 'not where honest reads were cut')
  t.match(await verdictsOn([...few, ...completed.slice(0, 900)]), { '/upload bodyTimeout': { action: 'keep', succeeded: null } }, 'a few tell nothing')
})

t.test('of what shows no pattern the limit is kept', async t => {
  const few = Array.from({ length: 6 }, (_, index) => abortLine({ received: 10 ** index, expected: 1e7, idle: 25_000, rate: 1 + index, ip: `10.0.0.${index}` }))
  t.match(await verdictsOn(few), { '/upload minBodyRate': { action: 'keep', population: 'unclear', to: null } })
})

t.test('what was only observed is judged alike, as what would have been cut', async t => {
  const observed = populations().mobileUploads.map(record => ({ ...record, observed: true }))
  t.match(await verdictsOn(linesOf(observed), 'observed'), { '/upload bodyTimeout': { action: 'loosen', population: 'honest_clients' } })
  t.match(await said(linesOf(observed)), /60 reads of \d\d clients would have been cut/)
})

t.test('the rules are written down, with the numbers that are in force', t => {
  const page = readFileSync(join(root, 'docs', 'report-verdicts.md'), 'utf8')
  const rules = readFileSync(join(root, 'lib', 'report', 'tally', 'verdict.ts'), 'utf8')
  const numbers = Object.fromEntries([...rules.matchAll(/^const (\w+) = ([\d.]+)/gm)].map(([, name = '', value]) => [name, value]))
  const told = Object.fromEntries([...page.matchAll(/^\| `(\w+)` \| ([\d.]+) /gm)].map(([, name = '', value]) => [name, value]))
  t.same(told, numbers)
  for (const population of ['honest_clients', 'slow_customer', 'broken_client', 'one_client', 'outage', 'slowloris', 'slow_post', 'slow_reader', 'unclear']) t.match(page, `\`${population}\``)
  t.end()
})
