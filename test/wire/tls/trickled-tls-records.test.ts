import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp } from '../../support/app/guarded-app.js'
import { head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { Relay } from '../../support/client/relay.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 4

const LIMIT = 400
const KEEP_ALIVE = 600
/** Time may be measured from a moment after that of the other side. */
const SLACK = 2
/** Of a TLS record. */
const LONG = 4_000

interface Parties extends GuardedApp {
  readonly client: RawClient
  /** From now on what the client sends comes byte by byte, and no TLS record is whole before the limits are over. */
  readonly trickle: () => void
}

async function parties (t: Test): Promise<Parties> {
  const guarded = await guardedApp({
    protocol: 'https',
    guard: { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 50, linger: { timeout: 200, bytes: 100_000 } },
    fastify: { keepAliveTimeout: KEEP_ALIVE },
    routes: (app) => {
      app.get('/', async () => 'ok')
      app.post('/', async () => 'ok')
    }
  })
  const relay = new Relay(guarded.port)
  const client = new RawClient(0, { tls: true, over: await relay.connect() })
  t.teardown(async () => {
    client.socket.destroy()
    relay.close()
    await guarded.app.close()
  })
  await client.secured()
  return { ...guarded, client, trickle: () => { relay.pause = 5 } }
}

t.test('a TLS record that trickles is no head: the connection is closed at headersTimeout', async (t) => {
  const { client, trickle, recorded } = await parties(t)
  trickle()
  await client.write(head('GET', '/', { 'X-Long': 'x'.repeat(LONG) }))
  const [record] = await recorded()
  t.match(record, { code: 'FST_READ_HEADERS_TIMEOUT', received: 0, answered: false, tls: true })
  t.ok((record?.elapsed ?? 0) >= LIMIT)
  client.socket.resume()
  t.equal((await client.closed).text, '')
})

t.test('a TLS record that trickles is no progress of a body', async (t) => {
  const { app, client, trickle, recorded } = await parties(t)
  const began = performance.now()
  await client.write(head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': LONG + 1 }) + 'x')
  await until(() => app.readGuard.stats().reading.body === 1, 'the body is read')
  trickle()
  await client.write('x'.repeat(LONG))
  const answer = onlyAnswer({ text: await client.until(/}$/) })
  t.ok(performance.now() - began >= LIMIT - SLACK)
  t.match(answer, { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  t.match(await recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 1, answered: true }])
})

t.test('a TLS record that trickles does not keep an idle connection', async (t) => {
  const { client, trickle, records } = await parties(t)
  await client.write(head('GET', '/'))
  await client.until(/ok$/)
  trickle()
  const began = performance.now()
  await client.write(head('GET', '/', { 'X-Long': 'x'.repeat(LONG) }))
  await client.closed
  t.ok(performance.now() - began >= KEEP_ALIVE - SLACK)
  t.strictSame(records, [], 'between two requests nothing is read')
})
