import { Duplex } from 'node:stream'
import t from 'tap'
import { guardedApp, type GuardedApp } from '../../support/app/guarded-app.js'
import { head, parseAnswers } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

const LIMIT = 300

/** What Node's documentation lets an application hand to its server as a connection: any Duplex. */
class Wire extends Duplex {
  text = ''

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString('latin1')
    done()
  }
}

async function wired (): Promise<GuardedApp & { readonly wire: Wire }> {
  const guarded = await guardedApp({
    guard: { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 50 },
    routes: (app) => {
      app.get('/', async () => 'got')
      app.post('/', async ({ body }) => body)
    }
  })
  const wire = new Wire()
  guarded.app.server.emit('connection', wire)
  return { ...guarded, wire }
}

const json = { 'Content-Type': 'application/json' }

t.test('requests on a connection of any kind are answered, and nothing of it is kept', async (t) => {
  const { app, wire, records } = await wired()
  wire.push(head('GET', '/') + head('POST', '/', { ...json, 'Content-Length': '2' }) + '{}')
  await until(() => parseAnswers(wire.text).length === 2, 'two answers')
  t.match(parseAnswers(wire.text), [{ statusCode: 200, body: 'got' }, { statusCode: 200, body: '{}' }])
  wire.destroy()
  await app.close()
  await until(() => !process.getActiveResourcesInfo().includes('Timeout'), 'no timer is left')
  t.strictSame(records, [])
})

t.test('its reads have their limits', async (t) => {
  const { app, wire, recorded } = await wired()
  wire.push(head('POST', '/', { ...json, 'Content-Length': '2' }) + '{')
  t.match(await recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: true, received: 1 }])
  t.match(parseAnswers(wire.text), [{ statusCode: 408 }])
  wire.destroy()
  await app.close()

  const silent = await wired()
  silent.wire.push('GET / HT')
  t.match(await silent.recorded(), [{ code: 'FST_READ_HEADERS_TIMEOUT' }])
  t.ok(silent.wire.writableEnded)
  silent.wire.destroy()
  await silent.app.close()
})
