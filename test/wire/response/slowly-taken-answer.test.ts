import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp, type GuardedAppOptions, noise } from '../../support/app/guarded-app.js'
import { transport } from '../../support/app/transport.js'
import { chunk, delay, head, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 5

/** More than what the kernel takes for a client that does not read. */
const ANSWER = 'a'.repeat(10_000_000)
const LIMIT = 1_000

interface Ending {
  readonly name: string
  readonly end: (client: RawClient) => unknown
  readonly guard?: GuardedAppOptions['guard']
}

const endings: readonly Ending[] = [
  { name: 'a bad chunk', end: client => client.write('zz\r\n') },
  { name: 'a body beyond its limit', end: client => client.write(chunk('x'.repeat(LIMIT))) },
  { name: 'a FIN', end: client => client.fin() },
  { name: 'a stall', end: () => {}, guard: { bodyIdleTimeout: 300 } }
]

function start (guard: GuardedAppOptions['guard'] = {}): Promise<GuardedApp> {
  return guardedApp({
    // The answer may take longer than that: lingering begins behind it.
    guard: { bodyLimit: LIMIT, resolution: 50, linger: { timeout: 200 }, ...guard },
    routes: (app: FastifyInstance) => {
      app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
      app.post('/unread', (_request, reply) => { reply.send(ANSWER) })
      app.post('/read', (request) => request.readRawBody())
      app.setErrorHandler((_error, _request, reply) => { reply.code(413).send(ANSWER) })
    }
  })
}

/** A client that takes no more of its answer than the beginning, for longer than lingering takes. */
async function answering ({ port }: GuardedApp, url: string, body: string): Promise<RawClient> {
  const client = new RawClient(port)
  await client.write(head('POST', url, { 'Content-Type': 'text/x-any', 'Transfer-Encoding': 'chunked' }) + chunk(body))
  await client.until(/\r\n\r\n/)
  client.socket.pause()
  return client
}

async function mustGetAll (t: Test, client: RawClient, statusCode: number): Promise<void> {
  await delay(600)
  client.socket.resume()
  const { text } = await client.closed
  t.match(text.slice(0, 100), `HTTP/1.1 ${statusCode} `)
  t.equal(text.length - text.indexOf('\r\n\r\n') - 4, ANSWER.length, 'it is whole')
}

for (const { name, end, guard } of endings) {
  // Node's client of TLS itself reads no further once it has ended its side.
  const skip = transport.tls && name === 'a FIN'
  t.test(`${name} does not cut an answer that is on its way, and is no failed read`, { skip }, async (t) => {
    const guarded = await start(guard)
    t.teardown(() => guarded.app.close())
    const client = await answering(guarded, '/unread', 'x')
    await end(client)
    await until(() => guarded.app.readGuard.stats().reading.lingering === 1, 'the read is over')
    await mustGetAll(t, client, 200)
    t.strictSame(guarded.records, [])
    t.strictSame(noise(guarded.log), [])
  })
}

t.test('a bad chunk does not cut the answer to a body that was refused', async (t) => {
  const guarded = await start()
  t.teardown(() => guarded.app.close())
  const client = await answering(guarded, '/read', 'x'.repeat(LIMIT + 1))
  await client.write('zz\r\n')
  await until(() => guarded.app.readGuard.stats().reading.lingering === 1, 'the read is over')
  await mustGetAll(t, client, 413)
  t.match(guarded.records, [{ code: 'FST_READ_BODY_TOO_LARGE', answered: true }])
  t.equal(guarded.records.length, 1)
  t.strictSame(noise(guarded.log), [])
})
