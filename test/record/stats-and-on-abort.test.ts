import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { AbortRecord } from '../../lib/index.js'
import { guardedApp, noise } from '../support/app/guarded-app.js'
import { head, RawClient } from '../support/client/raw-client.js'
import { quiet } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

t.jobs = 4

const LIMIT = 200
const guard = { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 50 } as const
const post = (length: number): string => head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': length })

async function send (port: number, bytes: string): Promise<void> {
  const client = new RawClient(port)
  await client.write(bytes)
  await client.closed
}

t.test('onAbort gets the record and the request, and may throw', async (t) => {
  const told: Array<[AbortRecord, FastifyRequest | undefined]> = []
  const { app, port, recorded, records, log, handled } = await guardedApp({
    guard: {
      ...guard,
      onAbort: (record, request) => {
        told.push([record, request])
        throw new Error('of the application')
      }
    },
    routes: (app) => { app.post('/things/:id', async () => ({})) }
  })
  const seen = new RawClient(port)
  await seen.write(`${head('POST', '/things/7', { 'Content-Type': 'text/plain', 'Content-Length': 9 })}ab`)
  t.match((await seen.closed).text, /^HTTP\/1.1 408 .*FST_READ_BODY_IDLE_TIMEOUT/s, 'the client has its answer')
  await send(port, '\0\r\n\r\n')
  await recorded(2)
  await app.close()
  t.strictSame(told.map(([record]) => record), records)
  t.match(told[0]?.[1], { id: records[0]?.reqId, params: { id: '7' } })
  t.equal(told[1]?.[1], undefined)
  t.equal(handled.length, 1)
  t.same(noise(log).map(line => [line.msg, line.err?.message]), [['onAbort threw', 'of the application'], ['onAbort threw', 'of the application']])
})

t.test('stats() counts by code since the start, what is under way, and what was lingered on', async (t) => {
  const begun = Date.now()
  const { app, port, recorded } = await guardedApp({ guard, fastify: { keepAliveTimeout: 1 }, routes: (app) => { app.post('/', async () => ({})) } })
  const none = { handshake: 0, headers: 0, body: 0, response: 0, lingering: 0 }
  const { since, ...fresh } = app.readGuard.stats()
  t.ok(Date.parse(since) >= begun - 1 && Date.parse(since) <= Date.now(), since)
  t.strictSame(fresh, { aborted: {}, observed: {}, suppressed: 0, lingered: 0, reading: none })
  const clients = ['', 'POST', `${post(9)}ab`, post(9)].map((bytes) => {
    const client = new RawClient(port)
    client.write(bytes).catch(() => {})
    return client
  })
  await until(() => {
    const { headers, body } = app.readGuard.stats().reading
    return headers === 1 && body === 2
  }, 'all are read, but for the silent one')
  await Promise.all([...clients.map(client => client.closed), send(port, '\0\r\n\r\n')])
  await recorded(5)
  await quiet(app)
  t.strictSame(app.readGuard.stats(), {
    since,
    aborted: { FST_READ_HEADERS_TIMEOUT: 2, FST_READ_BODY_IDLE_TIMEOUT: 2, FST_READ_MALFORMED: 1 },
    observed: {},
    suppressed: 0,
    lingered: 4,
    reading: none
  })
  await app.close()
})

t.test('time in which the event loop was blocked is told as paused', async (t) => {
  const blocked = 400
  const { app, port, recorded } = await guardedApp({
    guard: { ...guard, bodyTimeout: LIMIT },
    routes: (app) => {
      app.addHook('onRequest', async () => {
        const end = performance.now() + blocked
        while (performance.now() < end);
      })
      app.post('/', async () => ({}))
    }
  })
  const begun = performance.now()
  await send(port, `${post(9)}ab`)
  const lasted = performance.now() - begun
  const [record] = await recorded()
  await app.close()
  const { elapsed = 0, paused = 0 } = record ?? {}
  t.ok(elapsed >= LIMIT, `${elapsed} ms counted`)
  t.ok(paused >= blocked - guard.resolution * 1.5 - 1, `${paused} ms not counted`)
  t.ok(elapsed + paused <= lasted + 1, `${elapsed + paused} of ${lasted} ms`)
})
