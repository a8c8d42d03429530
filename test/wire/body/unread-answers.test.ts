import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { RawClient, head } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

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
