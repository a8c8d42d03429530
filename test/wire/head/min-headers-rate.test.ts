import t from 'tap'
import { headApp } from '../../support/app/header-limits.js'
import { delay, onlyAnswer, RawClient, repeat } from '../../support/client/raw-client.js'
import { mustBeRefused, mustBeTimely, onlyRecord } from '../../support/oracle/expect-refusal.js'

t.jobs = 8

const GRACE = 400
const RATE = 1000
const minHeadersRate = { bytesPerSecond: RATE, gracePeriod: GRACE }
const MESSAGE = `The request headers arrived slower than ${RATE} bytes per second`
const OPEN_HEAD = 'GET / HTTP/1.1\r\nX: '

t.test('a head slower than the minimum rate is ended once its grace is spent', async (t) => {
  const guarded = await headApp(t, { headersTimeout: 0, minHeadersRate })
  const client = new RawClient(guarded.port)
  await client.write(OPEN_HEAD)
  await client.trickle(repeat('x', 500), 20)
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_HEADERS_TOO_SLOW', MESSAGE)
  const record = await onlyRecord(t, guarded, 'warn')
  t.match(record, { reason: 'headers_too_slow', phase: 'headers', blame: 'client_slow', statusCode: 408, answered: true, limit: RATE })
  // The first bytes find a full bucket and buy nothing; one that came later buys its millisecond.
  mustBeTimely(t, record.elapsed, GRACE)
  t.ok(record.received > OPEN_HEAD.length, `${record.received} bytes`)
  t.equal(record.rate, Math.round(record.rate * 100) / 100)
  t.ok(record.rate > 0 && record.rate < RATE, `${record.rate} bytes per second`)
})

t.test('a head faster than the minimum rate is served, however long it takes', async (t) => {
  const guarded = await headApp(t, { headersTimeout: 0, minHeadersRate })
  const client = new RawClient(guarded.port)
  await client.write(OPEN_HEAD)
  await client.trickle(repeat('x'.repeat(100), 40), 40)
  await client.write('\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.strictSame(guarded.records, [])
})

t.test('a burst does not pay for a stall in advance', async (t) => {
  const guarded = await headApp(t, { headersTimeout: 0, minHeadersRate })
  const client = new RawClient(guarded.port)
  await client.write(OPEN_HEAD + 'x'.repeat(RATE * 5))
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_HEADERS_TOO_SLOW', MESSAGE)
  const record = await onlyRecord(t, guarded, 'warn')
  // The burst is seen at the next beat, and fills the bucket there.
  mustBeTimely(t, record.idle, GRACE)
  t.equal(record.received, OPEN_HEAD.length + RATE * 5)
})

t.test('the silence of a fresh connection spends no grace', async (t) => {
  const guarded = await headApp(t, { headersTimeout: 0, minHeadersRate })
  const client = new RawClient(guarded.port)
  await client.ready()
  await delay(GRACE * 2)
  await client.write('G')
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_HEADERS_TOO_SLOW')
  const record = await onlyRecord(t, guarded, 'warn')
  t.match(record, { code: 'FST_READ_HEADERS_TOO_SLOW', received: 1, answered: true })
  mustBeTimely(t, record.elapsed, GRACE)
})

t.test('the head of a later request has a grace of its own', async (t) => {
  const guarded = await headApp(t, { headersTimeout: 0, minHeadersRate })
  const client = new RawClient(guarded.port)
  await client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await client.until(/"served":1/)
  await delay(GRACE * 2)
  const { length } = client.text
  const began = performance.now()
  await client.write(OPEN_HEAD)
  const { text } = await client.closed
  t.ok(performance.now() - began >= GRACE)
  mustBeRefused(t, { text: text.slice(length) }, 408, 'Request Timeout', 'FST_READ_HEADERS_TOO_SLOW', MESSAGE)
  const record = await onlyRecord(t, guarded, 'warn')
  mustBeTimely(t, record.elapsed, GRACE)
  t.equal(record.received, OPEN_HEAD.length)
})

t.test('the limit that runs out first is the one that is named', async (t) => {
  const guarded = await headApp(t, { headersTimeout: GRACE + 300, minHeadersRate: { bytesPerSecond: RATE, gracePeriod: GRACE } })
  const slow = new RawClient(guarded.port)
  await slow.write('GET')
  mustBeRefused(t, await slow.closed, 408, 'Request Timeout', 'FST_READ_HEADERS_TOO_SLOW', MESSAGE)

  const total = await headApp(t, { headersTimeout: GRACE, minHeadersRate: { bytesPerSecond: RATE, gracePeriod: GRACE + 300 } })
  const late = new RawClient(total.port)
  await late.write('GET')
  mustBeRefused(t, await late.closed, 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT')
})
