import t from 'tap'
import { headApp, type HeadApp, HEADERS_TIMEOUT } from '../../support/app/header-limits.js'
import { delay, head, onlyAnswer, RawClient, repeat } from '../../support/client/raw-client.js'
import { mustBeRefused, mustBeTimely, onlyRecord } from '../../support/oracle/expect-refusal.js'

t.jobs = 8

/** A connection on which so many requests were served. */
async function keptAlive (guarded: HeadApp, requests = 1): Promise<RawClient> {
  const client = new RawClient(guarded.port)
  for (let i = 1; i <= requests; i++) {
    await client.write(head('GET', '/'))
    await client.until(new RegExp(`"served":${i}}`))
  }
  return client
}

/** What came on a connection beyond what it had already got. */
async function restOf (client: RawClient): Promise<{ text: string }> {
  const { length } = client.text
  const { text } = await client.closed
  return { text: text.slice(length) }
}

const partialHeads: ReadonlyArray<readonly [name: string, bytes: string]> = [
  ['one byte', 'P'],
  ['three bytes', 'POS'],
  ['a request line without its LF', 'POST / HTTP/1.1\r'],
  ['a request line', 'POST / HTTP/1.1\r\n'],
  ['a header without a value', 'POST / HTTP/1.1\r\nHost:\r\n'],
  ['a head without its last LF', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r'],
  ['a stray CR', '\r'],
  ['two stray CRLFs', '\r\n\r\n'],
  ['a stray CRLF and one byte', '\r\nP']
]

t.test('the head of a later request that stalls is answered at the limit', async (t) => {
  t.jobs = partialHeads.length
  for (const [i, [name, bytes]] of partialHeads.entries()) {
    t.test(name, async (t) => {
      const guarded = await headApp(t)
      const requests = 1 + i % 3
      const client = await keptAlive(guarded, requests)
      await delay(HEADERS_TIMEOUT + 100)
      const began = performance.now()
      await client.write(bytes)
      mustBeRefused(t, await restOf(client), 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT', `The request headers took longer than ${HEADERS_TIMEOUT} ms`)
      t.ok(performance.now() - began >= HEADERS_TIMEOUT, 'its time began with its first byte')
      const record = await onlyRecord(t, guarded, 'warn')
      t.match(record, { phase: 'headers', answered: true, received: bytes.length, limit: HEADERS_TIMEOUT })
      mustBeTimely(t, record.elapsed, HEADERS_TIMEOUT)
      t.equal(guarded.served.length, requests)
    })
  }
})

t.test('the deadline of a later head is not extended by bytes', async (t) => {
  t.jobs = 3
  for (const [name, bytes] of [['a header', 'x'], ['CRLFs', '\r\n'], ['line feeds', '\n']] as const) {
    t.test(name, async (t) => {
      const guarded = await headApp(t)
      const client = await keptAlive(guarded)
      const began = performance.now()
      const rest = restOf(client)
      if (name === 'a header') await client.write('GET / HTTP/1.1\r\nX: ')
      await client.trickle(repeat(bytes, 500), 10)
      mustBeRefused(t, await rest, 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT')
      t.ok(performance.now() - began >= HEADERS_TIMEOUT)
      const record = await onlyRecord(t, guarded, 'warn')
      mustBeTimely(t, record.elapsed, HEADERS_TIMEOUT)
      t.ok(record.idle < HEADERS_TIMEOUT / 2)
    })
  }
})

t.test('a later head that is completed just before the limit is served', async (t) => {
  const guarded = await headApp(t, { headersTimeout: 4 * HEADERS_TIMEOUT })
  const client = await keptAlive(guarded)
  for (let i = 2; i < 5; i++) {
    await delay(2 * HEADERS_TIMEOUT)
    await client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r')
    await delay(3 * HEADERS_TIMEOUT) // a busy machine may need the rest
    await client.write('\n')
    await client.until(new RegExp(`"served":${i}}`))
  }
  client.fin()
  await client.closed
  t.strictSame(guarded.records, [])
})

/** Idle connections are closed after so many milliseconds, and the second that Node adds on its own (some versions since 20.19). */
function keepAliveFor (guarded: HeadApp, ms: number): void {
  guarded.app.server.keepAliveTimeout = ms
}

/** Longer than the keepAliveTimeout below with what Node adds. */
const LONG_HEADERS_TIMEOUT = 2_000

t.test('a shorter keepAliveTimeout does not close on a head without a word', async (t) => {
  const guarded = await headApp(t, { headersTimeout: LONG_HEADERS_TIMEOUT })
  keepAliveFor(guarded, 300)
  const client = await keptAlive(guarded)
  await client.write('GET / HTTP/1.1\r\nHost: local')
  mustBeRefused(t, await restOf(client), 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT')
  mustBeTimely(t, (await onlyRecord(t, guarded, 'warn')).elapsed, LONG_HEADERS_TIMEOUT)
})

t.test('a head that outlives a shorter keepAliveTimeout is served', async (t) => {
  const guarded = await headApp(t, { headersTimeout: LONG_HEADERS_TIMEOUT })
  keepAliveFor(guarded, 300)
  const client = await keptAlive(guarded)
  await client.write('GET / HTTP/1.1\r\nHost: local')
  await delay(LONG_HEADERS_TIMEOUT * 0.8)
  await client.write('host\r\n\r\n')
  await client.until(/"served":2}/)
  await client.closed
  t.strictSame(guarded.records, [])
})

const KEEP_ALIVE = HEADERS_TIMEOUT * 3
const post = head('POST', '/', { 'Content-Type': 'application/json', 'Content-Length': 2 }) + '{}'

const strays: ReadonlyArray<readonly [name: string, request: string, after: readonly string[]]> = [
  ['none', post, []],
  ['CRLF in the packet of the body', post + '\r\n', []],
  ['CRLF after the body', post, ['\r\n']],
  ['CR and LF in two packets', post, ['\r', '\n']]
]

t.test('a stray CRLF after a body leaves a kept-alive connection to keepAliveTimeout', async (t) => {
  t.jobs = strays.length
  for (const [name, request, after] of strays) {
    t.test(name, async (t) => {
      const guarded = await headApp(t)
      keepAliveFor(guarded, KEEP_ALIVE)
      const client = new RawClient(guarded.port)
      await client.write(request)
      await client.until(/"served":1}/)
      const served = performance.now()
      // A beat lies between the two, so that the first is looked at alone.
      await client.trickle(after, 60)
      const seen = await client.closed
      t.ok(performance.now() - served >= KEEP_ALIVE - 50, 'it is open until then')
      t.equal(onlyAnswer(seen).statusCode, 200)
      t.equal(seen.end, 'FIN')
      t.strictSame(guarded.records, [])
    })
  }
})

t.test('stray CRLFs in pieces, one after the other, are a head that stalls', async (t) => {
  const guarded = await headApp(t)
  const client = await keptAlive(guarded)
  const trickle = client.trickle(Array.from({ length: 40 }, (_, i) => i % 2 === 0 ? '\r' : '\n'), HEADERS_TIMEOUT / 2)
  mustBeRefused(t, await restOf(client), 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT')
  const { phase, received } = await onlyRecord(t, guarded, 'warn')
  t.equal(phase, 'headers')
  t.ok(received > 2, `${received} bytes`)
  await trickle
})

t.test('a stray CRLF in pieces does not cut off an answer that is still owed', async (t) => {
  const guarded = await headApp(t, {}, {
    routes: (app) => {
      app.get('/slow', async () => {
        await delay(2_000)
        return 'slow'
      })
    }
  })
  keepAliveFor(guarded, 100)
  const client = new RawClient(guarded.port)
  await client.write(head('GET', '/slow'))
  await client.trickle(['\r', '\n'], 60)
  t.equal(onlyAnswer(await client.closed).body, 'slow')
  t.strictSame(guarded.records, [])
})

t.test('a request after a stray CRLF is served', async (t) => {
  t.jobs = strays.length
  for (const [name, request, after] of strays) {
    t.test(name, async (t) => {
      const guarded = await headApp(t)
      const client = new RawClient(guarded.port)
      await client.write(request)
      await client.until(/"served":1}/)
      await client.trickle(after, 60)
      await delay(HEADERS_TIMEOUT * 1.5)
      await client.write(request)
      await client.until(/"served":2}/)
      client.fin()
      await client.closed
      t.strictSame(guarded.records, [])
    })
  }
})
