import http from 'node:http'
import type { FastifyServerOptions } from 'fastify'
import t from 'tap'
import { headApp, HEADERS_TIMEOUT } from '../../support/app/header-limits.js'
import { transport } from '../../support/app/transport.js'
import { delay, head, onlyAnswer, RawClient, repeat } from '../../support/client/raw-client.js'
import { mustBeRefused, mustBeTimely, onlyRecord } from '../../support/oracle/expect-refusal.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 8

const MESSAGE = `The request headers took longer than ${HEADERS_TIMEOUT} ms`

const partialHeads: ReadonlyArray<readonly [name: string, bytes: string]> = [
  ['one byte', 'P'],
  ['two bytes', 'PO'],
  ['a method', 'POST'],
  ['a request line without its LF', 'POST / HTTP/1.1\r'],
  ['a request line', 'POST / HTTP/1.1\r\n'],
  ['half a header name', 'POST / HTTP/1.1\r\nHo'],
  ['a header name', 'POST / HTTP/1.1\r\nHost'],
  ['a header without a value', 'POST / HTTP/1.1\r\nHost:\r\n'],
  ['half a header value', 'POST / HTTP/1.1\r\nHost: local'],
  ['a header without its LF', 'POST / HTTP/1.1\r\nHost: localhost\r'],
  ['a head without its last CRLF', 'POST / HTTP/1.1\r\nHost: localhost\r\n'],
  ['a head without its last LF', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r'],
  ['a stray CR', '\r'],
  ['a stray CRLF', '\r\n'],
  ['stray CRLFs and one byte', '\r\n\r\nP']
]

t.test('a head that stalls is answered at the limit', async (t) => {
  t.jobs = partialHeads.length
  for (const [name, bytes] of partialHeads) {
    t.test(name, async (t) => {
      const guarded = await headApp(t)
      const client = new RawClient(guarded.port)
      await client.write(bytes)
      const seen = await client.closed
      mustBeRefused(t, seen, 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT', MESSAGE)
      t.equal(seen.end, 'FIN')
      t.ok(seen.elapsed >= HEADERS_TIMEOUT, `${seen.elapsed} on the client's clock`)
      const record = await onlyRecord(t, guarded, 'warn')
      t.match(record, {
        code: 'FST_READ_HEADERS_TIMEOUT',
        reason: 'headers_timeout',
        phase: 'headers',
        blame: 'client_slow',
        statusCode: 408,
        answered: true,
        received: bytes.length,
        expected: undefined,
        limit: HEADERS_TIMEOUT,
        paused: Number,
        method: undefined,
        url: undefined,
        route: undefined,
        reqId: undefined,
        remoteAddress: '127.0.0.1',
        remotePort: Number,
        protocol: 'http/1.1',
        tls: transport.tls,
        observed: false
      })
      mustBeTimely(t, record.elapsed, HEADERS_TIMEOUT)
      t.strictSame(guarded.served, [])
      t.strictSame(guarded.app.readGuard.stats().aborted, { FST_READ_HEADERS_TIMEOUT: 1 })
    })
  }
})

const trickles: ReadonlyArray<readonly [name: string, first: string, then: string]> = [
  ['bytes of one header', 'GET / HTTP/1.1\r\nX: ', 'x'],
  ['whole header lines', 'GET / HTTP/1.1\r\n', 'X: y\r\n'],
  ['CRLFs before the request', '', '\r\n'],
  ['single line feeds before the request', '', '\n']
]

t.test('the header deadline is not extended by bytes', async (t) => {
  t.jobs = trickles.length
  for (const [name, first, then] of trickles) {
    t.test(name, async (t) => {
      const guarded = await headApp(t)
      const client = new RawClient(guarded.port)
      if (first !== '') await client.write(first)
      const trickling = client.trickle(repeat(then, 500), 10)
      const seen = await client.closed
      await trickling
      mustBeRefused(t, seen, 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT', MESSAGE)
      const record = await onlyRecord(t, guarded, 'warn')
      mustBeTimely(t, record.elapsed, HEADERS_TIMEOUT)
      t.ok(record.received > first.length + then.length, `${record.received} bytes`)
      t.ok(record.idle < HEADERS_TIMEOUT / 2, `it was sending ${record.idle} ms ago`)
      t.strictSame(guarded.served, [])
    })
  }
})

t.test('a head is counted from its first byte, and not the silence of its connection before', async (t) => {
  const guarded = await headApp(t)
  const client = new RawClient(guarded.port)
  await client.ready()
  await delay(HEADERS_TIMEOUT * 2)
  await client.write('GET / HT')
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT')
  const record = await onlyRecord(t, guarded, 'warn')
  mustBeTimely(t, record.elapsed, HEADERS_TIMEOUT)
  t.ok(record.idle > HEADERS_TIMEOUT * 0.6, `its first byte came ${record.idle} ms ago`)
})

t.test('a connection that is used for the first time after a long silence is served', async (t) => {
  const guarded = await headApp(t)
  const client = new RawClient(guarded.port)
  await client.ready()
  await delay(HEADERS_TIMEOUT + 2_500) // Node's own headersTimeout is over, too, and it looks once a second
  await client.write(head('GET', '/', { Connection: 'close' }))
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.strictSame(guarded.records, [])
})

t.test('a head that is completed just before the limit is served', async (t) => {
  const guarded = await headApp(t, { headersTimeout: 4 * HEADERS_TIMEOUT })
  const client = new RawClient(guarded.port)
  await client.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r')
  await delay(3 * HEADERS_TIMEOUT) // a busy machine may need the rest
  await client.write('\n')
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.strictSame(guarded.records, [])
})

t.test('a head that would be completed just after the limit is not served', async (t) => {
  const guarded = await headApp(t)
  const client = new RawClient(guarded.port)
  await client.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r')
  await client.until(/408/)
  await client.write('\n')
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT')
  await onlyRecord(t, guarded, 'warn')
  t.strictSame(guarded.served, [])
})

for (const [longer, keepAliveTimeout, limit] of [['headersTimeout', HEADERS_TIMEOUT / 2, HEADERS_TIMEOUT], ['keepAliveTimeout', HEADERS_TIMEOUT * 2, HEADERS_TIMEOUT * 2]] as const) {
  t.test(`a connection on which nothing is received is closed without an answer after the longer of two times: ${longer}`, async (t) => {
    const guarded = await headApp(t, {}, { fastify: { keepAliveTimeout } })
    const seen = await new RawClient(guarded.port).closed
    t.equal(seen.text, '')
    t.ok(seen.elapsed >= limit)
    const record = await onlyRecord(t, guarded, 'debug')
    t.match(record, { code: 'FST_READ_HEADERS_TIMEOUT', blame: 'client_slow', answered: false, received: 0, rate: 0, limit })
    mustBeTimely(t, record.elapsed, limit)
  })
}

t.test('a silent connection is not counted among the heads that are read', async (t) => {
  const guarded = await headApp(t)
  const client = new RawClient(guarded.port)
  await client.ready()
  await delay(HEADERS_TIMEOUT / 2)
  t.equal(guarded.app.readGuard.stats().reading.headers, 0)
  await client.write('G')
  await until(() => guarded.app.readGuard.stats().reading.headers === 1, 'its head is read')
  client.rst()
})

t.test('headersTimeout: 0 leaves heads alone', async (t) => {
  const guarded = await headApp(t, { headersTimeout: 0 })
  const client = new RawClient(guarded.port)
  await client.write('GET / HTTP/1.1\r\n')
  await delay(HEADERS_TIMEOUT * 3)
  await client.write('Host: localhost\r\nConnection: close\r\n\r\n')
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.strictSame(guarded.records, [])
})

t.test('every connection has its own deadline', async (t) => {
  const guarded = await headApp(t)
  const clients: RawClient[] = []
  for (let i = 0; i < 4; i++) {
    const client = new RawClient(guarded.port)
    await client.write(i % 2 === 0 ? 'GET /' : head('GET', '/', { Connection: 'close' }))
    clients.push(client)
    await delay(HEADERS_TIMEOUT / 4)
  }
  const seen = await Promise.all(clients.map(client => client.closed))
  t.strictSame(seen.map(onlyAnswer).map(answer => answer.statusCode), [408, 200, 408, 200])
  await guarded.recorded(2)
  t.equal(guarded.records.length, 2)
  for (const record of guarded.records) mustBeTimely(t, record.elapsed, HEADERS_TIMEOUT)
})

for (const [whose, given] of [['that this Node has by default', undefined], ['that Node 27 has by default', 65_000]] as const) {
  t.test(`the silence of a fresh connection is left to the keepAliveTimeout ${whose}`, async (t) => {
    const server = http.createServer()
    const { keepAliveTimeout } = server
    if (given !== undefined) server.keepAliveTimeout = given
    const guarded = await headApp(t, {}, { fastify: { http: undefined, https: undefined, serverFactory: (handler) => server.on('request', handler) } as FastifyServerOptions })
    t.equal(server.keepAliveTimeout, given ?? keepAliveTimeout, 'it is as it was')
    const client = new RawClient(guarded.port, { tls: false })
    await client.ready()
    await delay(HEADERS_TIMEOUT * 3)
    await client.write(head('GET', '/', { Connection: 'close' }))
    t.equal(onlyAnswer(await client.closed).statusCode, 200)
    t.strictSame(guarded.records, [])
  })
}
