import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { RawClient, head, parseAnswers } from '../../support/client/raw-client.js'
import { serverSockets } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 3

/** Of what a client takes, Node hears when its kernel has room for megabytes again. */
const LIMIT = 2_000

t.test('the time in which Node reads nothing, because the client does not take its answers, is the client\'s', async (t) => {
  const { app, port, handled, recorded } = await guardedApp({
    guard: { bodyIdleTimeout: 500 },
    routes: (app) => {
      const large = Buffer.alloc(12_000_000)
      app.get('/large', (_request, reply) => reply.send(large))
      app.post('/', async ({ body }) => body)
    }
  })
  t.teardown(() => app.close())
  const client = new RawClient(port)
  client.socket.pause()
  // In one packet: Node pauses when it has made the answers, and reads no head after that.
  await client.write(head('GET', '/large').repeat(3) + head('POST', '/', { 'Content-Type': 'application/json', 'Content-Length': 10 }) + '"half')
  await until(() => handled.length === 1, 'the handler is not held')
  t.match(handled, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 5 }])
  client.rst()
  const records = await recorded(4)
  t.match(records.map(({ code, blame, answered, url }) => [code, blame, answered, url]).sort(), [
    ['FST_READ_BODY_IDLE_TIMEOUT', 'client_slow', false, '/'],
    ...Array.from({ length: 3 }, () => ['FST_READ_RESPONSE_ABORTED', 'client_gone', false, '/large'])
  ])
  t.equal(records.length, 4)
})

for (const [name, bytes, statuses] of [
  ['a body', head('POST', '/', { 'Content-Type': 'application/json', 'Content-Length': 200_002, Connection: 'close' }) + `"${'x'.repeat(200_000)}"`, [200, 200, 200, 200]],
  ['a head', head('GET', '/large', { 'X-Long': 'x'.repeat(10_000), Connection: 'close' }), [200, 200, 200, 200]]
] as const) {
  t.test(`a client that takes its answers slowly, but takes them, may have sent ${name} long before Node reads it`, async (t) => {
    const { app, port, records } = await guardedApp({
      guard: { headersTimeout: LIMIT * 0.75, bodyIdleTimeout: LIMIT, minBodyRate: { bytesPerSecond: 200_000, gracePeriod: LIMIT } },
      routes: (app) => {
        const large = Buffer.alloc(12_000_000)
        app.get('/large', (_request, reply) => reply.send(large))
        app.post('/', async () => 'read')
      }
    })
    t.teardown(() => app.close())
    const sockets = serverSockets(app)
    const client = new RawClient(port)
    client.socket.pause()
    // The last request is cut in two by the pause of Node's reading.
    await client.write(head('GET', '/large').repeat(3) + bytes.slice(0, 150))
    await sockets.haveRead(client)
    t.ok(sockets.of(client).isPaused(), 'Node reads no more')
    await client.write(bytes.slice(150))
    const began = performance.now()
    let seen = 0
    const timer = setInterval(() => {
      seen = client.text.length
      client.socket.resume()
      client.socket.once('data', () => { if (client.text.length > seen) client.socket.pause() })
    }, 10)
    await until(() => client.text.length > 30_000_000, 'most of it', 30_000)
    clearInterval(timer)
    client.socket.resume()
    const { text } = await client.closed
    t.ok(performance.now() - began > LIMIT * 2, `${performance.now() - began} ms, longer than any limit`)
    t.strictSame(parseAnswers(text).map(({ statusCode }) => statusCode), statuses)
    t.strictSame(records, [])
  })
}
