import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { RawClient, head } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

/** What a consumer heard, and whether the connection stood at that moment. */
type Voices = Array<readonly [event: string, socketDestroyed: boolean]>

async function appThatListens (voices: Voices, events: readonly string[]) {
  return guardedApp({
    guard: { bodyIdleTimeout: 200, linger: { timeout: 300, bytes: 1_000 } },
    routes: (app) => {
      app.addContentTypeParser('*', (_request, _payload, done) => done(null))
      app.post('/', (request, reply) => {
        const raw: IncomingMessage = request.raw
        for (const event of events) raw.on(event, () => voices.push([event, raw.socket.destroyed]))
        raw.once('error', () => reply.code(500).send('failed'))
        if (!events.includes('error')) raw.removeAllListeners('error')
        raw.resume()
      })
    }
  })
}

const stalled = head('POST', '/', { 'Content-Type': 'a/b', 'Content-Length': 10 }) + 'half'

t.test("a consumer hears 'error' when the read fails, and 'aborted' when the connection is gone", async (t) => {
  const voices: Voices = []
  const { app, port } = await appThatListens(voices, ['error', 'aborted'])
  t.teardown(() => app.close())
  const client = new RawClient(port)
  await client.write(stalled)
  t.match(await client.closed, { text: /^HTTP\/1.1 500/ })
  await until(() => voices.length === 2, "'aborted' is told")
  t.same(voices, [['error', false], ['aborted', true]])
})

t.test("a consumer that listens to 'aborted' alone hears of the failure at once", async (t) => {
  const voices: Voices = []
  const { app, port } = await appThatListens(voices, ['aborted'])
  t.teardown(() => app.close())
  const client = new RawClient(port)
  await client.write(stalled)
  await until(() => voices.length === 1, "'aborted' is told")
  t.same(voices, [['aborted', false]])
  t.match(await client.closed, { text: /^HTTP\/1.1 408/ })
  t.equal(voices.length, 1)
})

t.test("of a client that has gone, 'error' is told before 'aborted', and the socket is gone by then", async (t) => {
  const voices: Voices = []
  const { app, port } = await appThatListens(voices, ['error', 'aborted'])
  t.teardown(() => app.close())
  const client = new RawClient(port)
  await client.write(stalled)
  client.rst()
  await until(() => voices.length === 2, 'both are told')
  t.same(voices, [['error', true], ['aborted', true]])
})
