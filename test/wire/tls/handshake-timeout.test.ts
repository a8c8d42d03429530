import t from 'tap'
import type { AbortRecord } from '../../../lib/index.js'
import { certificate } from '../../support/app/certificate.js'
import { guardedApp, type GuardedApp, type GuardedAppOptions, noise } from '../../support/app/guarded-app.js'
import { clientHello } from '../../support/client/client-hello.js'
import { delay, head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { watchLag } from '../../support/oracle/loop-lag.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 20

const LIMIT = 400
/** Time may be measured from a moment after that of the other side. */
const SLACK = 2

const hello = await clientHello()
const half = hello.subarray(0, hello.length >> 1)

const kinds = [['https', 'https'], ['HTTP/2', 'h2'], ['HTTP/2 with allowHTTP1', 'h2+http1']] as const

interface Failure {
  readonly name: string
  readonly send: (client: RawClient) => unknown
  readonly record: Partial<AbortRecord>
  /** Log level, in pino's numbers. */
  readonly level: number
  readonly received: (bytes: number) => boolean
}

const timeout = { code: 'FST_READ_HANDSHAKE_TIMEOUT', reason: 'handshake_timeout', blame: 'client_slow', statusCode: undefined, limit: LIMIT } as const

const tooSlow: readonly Failure[] = [
  { name: 'a silent connection', send: () => {}, record: timeout, level: 20, received: bytes => bytes === 0 },
  { name: 'half a ClientHello', send: client => client.write(half), record: timeout, level: 40, received: bytes => bytes === half.length },
  { name: 'a ClientHello byte by byte', send: client => client.trickle(half.toString('latin1'), LIMIT / 80), record: timeout, level: 40, received: bytes => bytes > 5 },
  { name: 'a ClientHello that nothing follows', send: client => client.write(hello), record: timeout, level: 40, received: bytes => bytes === hello.length }
]

const left = { code: 'FST_READ_ABORTED', reason: 'client_aborted', blame: 'client_gone', statusCode: 499, limit: undefined } as const
const refused = { code: 'FST_READ_MALFORMED', reason: 'malformed', blame: 'client_invalid', statusCode: undefined, limit: undefined } as const

const broken: readonly Failure[] = [
  { name: 'plain HTTP', send: client => client.write(head('GET', '/')), record: refused, level: 40, received: bytes => bytes > 0 },
  { name: 'garbage', send: client => client.write('\0'.repeat(100)), record: refused, level: 40, received: bytes => bytes > 0 },
  { name: 'a client that leaves before its first byte', send: client => client.fin(), record: left, level: 20, received: bytes => bytes === 0 },
  { name: 'a client that leaves in the middle', send: async client => { await client.write(half); client.fin() }, record: left, level: 30, received: bytes => bytes === half.length },
  { name: 'a client that breaks off in the middle', send: async client => { await client.write(half); client.rst() }, record: left, level: 30, received: () => true }
]

function guardedTls (options: GuardedAppOptions = {}): Promise<GuardedApp> {
  return guardedApp({ protocol: 'https', ...options, guard: { handshakeTimeout: LIMIT, resolution: 50, ...options.guard } })
}

for (const [name, protocol] of kinds) {
  for (const failure of [...tooSlow, ...broken]) {
    t.test(`${name}: ${failure.name} is closed without an answer and recorded once`, async (t) => {
      const { app, port, records, recorded, log } = await guardedTls({ protocol })
      const lag = watchLag()
      const client = new RawClient(port)
      await client.connected()
      const { localPort } = client.socket
      await failure.send(client)
      const seen = await client.closed
      const lost = lag()
      await recorded()
      await app.close()
      t.match(records, [{
        ...failure.record, phase: 'handshake', answered: false, observed: false, tls: true, expected: undefined, method: undefined, route: undefined, remoteAddress: '127.0.0.1', remotePort: localPort
      }])
      t.equal(records.length, 1)
      const [record] = records
      t.ok(record !== undefined && failure.received(record.received), `${record?.received} bytes received`)
      t.notMatch(seen.text, /HTTP/, 'nothing is answered in the clear')
      t.equal(log.find(line => line.abort !== undefined)?.level, failure.level)
      if (tooSlow.includes(failure)) {
        t.ok(seen.elapsed >= LIMIT - SLACK, `not before the limit (${seen.elapsed})`)
        t.ok((record?.elapsed ?? 0) >= LIMIT, 'counted from accept')
      } else {
        t.ok(seen.elapsed - lost < LIMIT, `at once (${seen.elapsed}, with ${lost} ms lost)`)
      }
      t.same(noise(log), [])
    })
  }
}

for (const failure of [tooSlow[1], broken[0]]) {
  if (failure === undefined) continue
  t.test(`${failure.name} is closed also where a clientErrorHandler leaves the socket alone`, async (t) => {
    const told: unknown[] = []
    const { app, port, recorded } = await guardedTls({ fastify: { clientErrorHandler: (error) => { told.push(error) } } })
    const client = new RawClient(port)
    await failure.send(client)
    await client.closed
    t.match(await recorded(), [failure.record])
    await until(() => told.length > 0, 'the handler is told')
    await app.close()
    t.equal(told.length, 1)
  })
}

t.test('a shorter handshakeTimeout of the server holds, and where the guard has none', async (t) => {
  for (const handshakeTimeout of [10_000, 0]) {
    const { app, port, recorded } = await guardedTls({ fastify: { https: { ...certificate, handshakeTimeout: LIMIT / 2 } }, guard: { handshakeTimeout } })
    const client = new RawClient(port)
    await client.write(half)
    await client.closed
    t.match(await recorded(), [{ ...timeout, limit: LIMIT / 2 }])
    await app.close()
  }
})

t.test('a handshake that is only observed goes on', async (t) => {
  const { app, port, recorded } = await guardedTls({ guard: { mode: 'observe' }, routes: app => { app.get('/', async () => 'ok') } })
  const client = new RawClient(port)
  await recorded()
  const secured = new RawClient(port, { tls: true, over: client.socket })
  await secured.write(head('GET', '/', { Connection: 'close' }))
  t.equal(onlyAnswer(await secured.closed).body, 'ok')
  t.match(await recorded(), [{ ...timeout, observed: true }])
  t.equal((await recorded()).length, 1)
  await app.close()
})

t.test('the head is timed from the end of the handshake', async (t) => {
  const { app, port, recorded } = await guardedTls({ guard: { headersTimeout: LIMIT }, fastify: { keepAliveTimeout: 1 } })
  const client = new RawClient(port)
  await delay(LIMIT / 2)
  const secured = new RawClient(port, { tls: true, over: client.socket })
  await secured.secured()
  const started = performance.now()
  const { text } = await secured.closed
  const elapsed = performance.now() - started
  t.equal(text, '', 'a connection without a byte gets no answer')
  t.ok(elapsed >= LIMIT - SLACK, `not before the limit (${elapsed})`)
  t.match(await recorded(), [{ code: 'FST_READ_HEADERS_TIMEOUT', phase: 'headers', received: 0, answered: false, tls: true }])
  await app.close()
})
