import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp } from '../../support/app/guarded-app.js'
import { head, RawClient } from '../../support/client/raw-client.js'
import { deserted, underWay } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

/*
 * The last answer of a connection, whose client takes nothing of it.
 */

t.jobs = 8

const LIMIT = 600
/** More than what the kernel takes for a client that does not read. */
const LARGE = 12_000_000

const json = { 'Content-Type': 'application/json' }

/** What has an answer that is the last of its connection. */
const requests: Readonly<Record<string, string>> = {
  'a response that closes the connection': head('GET', '/large', { Connection: 'close' }),
  'an error page': head('POST', '/', { ...json, 'Content-Length': 2 }) + '{x',
  'the error page of a body that is refused': head('POST', '/', { ...json, 'Content-Length': 1_000 }),
  'the error page of a body that stalls': head('POST', '/', { ...json, 'Content-Length': 9 }) + '{',
  'an answer without the body': head('POST', '/unread', { 'Content-Type': 'text/plain', 'Content-Length': 9 }) + 'x',
  'an answer to a head that is refused, behind a response': head('GET', '/large') + '\0\r\n\r\n',
  'a response to one that says it is the last, with bytes behind it': head('GET', '/large', { Connection: 'close' }) + 'more'
}

async function start (t: Test, linger: false | undefined): Promise<GuardedApp> {
  return await guardedApp({
    t,
    guard: { responseIdleTimeout: LIMIT, bodyIdleTimeout: 200, bodyLimit: 100, resolution: 50, ...(linger === undefined ? {} : { linger }) },
    routes: (app) => {
      app.setErrorHandler((_error, _request, reply) => reply.code(400).send(Buffer.alloc(LARGE)))
      app.get('/large', async () => Buffer.alloc(LARGE))
      app.post('/', async () => ({}))
      app.addContentTypeParser('text/plain', (_request, _payload, done) => done(null))
      app.post('/unread', async () => Buffer.alloc(LARGE))
    }
  })
}

async function deaf ({ app, port }: GuardedApp, bytes: string): Promise<RawClient> {
  const client = new RawClient(port)
  client.socket.pause()
  await client.ready()
  await client.write(bytes)
  await until(() => app.readGuard.stats().reading.response > 0, 'it waits to be taken')
  return client
}

for (const linger of [undefined, false] as const) {
  for (const [what, bytes] of Object.entries(requests)) {
    const how = linger === false ? 'without lingering' : 'with lingering'
    t.test(`${what}, ${how}, is given up after responseIdleTimeout`, async (t) => {
      const guarded = await start(t, linger)
      const client = await deaf(guarded, bytes)
      const began = performance.now()
      await deserted(guarded.app)
      const elapsed = performance.now() - began
      t.ok(elapsed < LIMIT + 500, `${elapsed} ms`)
      await until(() => underWay(guarded.app) === 0, 'nothing is under way')
      client.socket.resume()
      await client.closed
    })

    t.test(`${what}, ${how}, does not keep the application from closing for longer`, async (t) => {
      const guarded = await start(t, linger)
      const client = await deaf(guarded, bytes)
      const began = performance.now()
      await guarded.app.close()
      const elapsed = performance.now() - began
      t.ok(elapsed < LIMIT + 500, `${elapsed} ms`)
      client.socket.resume()
      await client.closed
    })
  }
}
