import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import type { AbortRecord } from '../../../lib/index.js'
import { guardedApp, noise, type GuardedAppOptions, type GuardedAppWith } from '../../support/app/guarded-app.js'
import { LARGE, responseRoutes, type ResponseFacts } from '../../support/app/response-routes.js'
import { transport } from '../../support/app/transport.js'
import { delay, head, RawClient } from '../../support/client/raw-client.js'
import { deserted } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

/*
 * Clients that do not take their response, or take it too slowly.
 */

t.jobs = 8

const LIMIT = 600
const RESOLUTION = 50

type Guarded = GuardedAppWith<ResponseFacts>

function start (t: Test, guard: GuardedAppOptions['guard'] = {}): Promise<Guarded> {
  return guardedApp<ResponseFacts>({
    t,
    guard: { responseIdleTimeout: LIMIT, resolution: RESOLUTION, ...guard },
    routes: (app) => {
      app.get('/route', { config: { readGuard: { responseIdleTimeout: LIMIT * 2 } } }, (_request, reply) => { reply.send(Buffer.alloc(LARGE)) })
      app.get('/unguarded', { config: { readGuard: false } }, (_request, reply) => { reply.send(Buffer.alloc(LARGE)) })
      app.get('/set', (request, reply) => {
        request.readGuard.setLimits({ responseIdleTimeout: LIMIT * 2 })
        reply.send(Buffer.alloc(LARGE))
      })
      app.get('/failing', () => { throw Object.assign(new Error('x'.repeat(LARGE)), { statusCode: 404 }) })
      return responseRoutes(app)
    }
  })
}

/** A client that has asked, and takes nothing. */
async function deaf (guarded: Guarded, url: string, bytes = head('GET', url)): Promise<RawClient> {
  const client = new RawClient(guarded.port)
  client.socket.on('error', () => {})
  client.socket.pause()
  await client.ready()
  await client.write(bytes)
  return client
}

/** Takes about so many bytes, and no more. */
function takeOnce (client: RawClient, bytes: number): Promise<void> {
  const before = client.text.length
  return new Promise((resolve) => {
    const check = (): void => {
      if (client.text.length - before < bytes) return
      client.socket.pause()
      client.socket.off('data', check)
      resolve()
    }
    client.socket.on('data', check)
    client.socket.resume()
  })
}

function expectIdle (t: Test, record: AbortRecord | undefined, url: string, limit = LIMIT): void {
  t.hasStrict(record, {
    code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', reason: 'response_idle_timeout', blame: 'client_slow', phase: 'response', statusCode: 499, answered: false, observed: false, limit, url, route: url, ip: '127.0.0.1', tls: transport.tls
  })
  if (record === undefined) return
  t.ok(record.sent !== undefined && record.sent > 50_000, `${record.sent} bytes were taken`)
  t.ok(record.idle >= limit && record.idle <= limit + 5 * RESOLUTION, `${record.idle} ms without progress`)
}

for (const url of ['/large', '/endless', '/route', '/set']) {
  const limit = url === '/route' || url === '/set' ? LIMIT * 2 : LIMIT
  t.test(`a client that takes nothing of ${url} for ${limit} ms is reset`, async (t) => {
    const guarded = await start(t)
    const client = await deaf(guarded, url)
    const [record] = await guarded.recorded()
    expectIdle(t, record, url, limit)
    t.equal(record?.remotePort, client.socket.localPort)
    await deserted(guarded.app)
    if (url === '/endless') t.equal(guarded.destroyed.length, 1, 'the stream is released')
    await until(() => guarded.outcomes.length === 1, 'onResponse')
    t.strictSame(guarded.outcomes, [{ url, statusCode: 200, rawStatusCode: 200 }])
    client.socket.resume()
    await client.closed
    await delay(100)
    t.equal(guarded.records.length, 1, 'exactly one')
    t.strictSame(noise(guarded.log), [])
  })
}

t.test('a client that takes nothing of an error page is reset as well', async (t) => {
  const guarded = await start(t)
  await deaf(guarded, '/failing')
  const [record] = await guarded.recorded()
  expectIdle(t, record, '/failing')
  await deserted(guarded.app)
  t.equal(guarded.records.length, 1)
})

t.test('what is behind a response that is not taken goes with it, and has no record of its own', async (t) => {
  const guarded = await start(t)
  await deaf(guarded, '/large', head('GET', '/fast') + head('GET', '/large') + head('GET', '/fast'))
  const [record] = await guarded.recorded(1)
  expectIdle(t, record, '/large')
  await deserted(guarded.app)
  await until(() => guarded.outcomes.length === 3, 'onResponse of all')
  t.strictSame(guarded.outcomes.map(({ url, statusCode }) => [url, statusCode]), [['/fast', 200], ['/large', 200], ['/fast', 499]])
  t.match(guarded.begun[2]?.readGuard.signal, { aborted: true })
  t.equal(guarded.records.length, 1)
})

t.test('the limit begins anew with every byte that is taken', async (t) => {
  const guarded = await start(t)
  const client = await deaf(guarded, '/large')
  // The window opens in large steps: each read takes as much as the kernel has.
  for (let i = 0; i < 6; i++) {
    await delay(LIMIT / 2)
    await takeOnce(client, 1_500_000)
  }
  client.socket.resume()
  await until(() => client.text.length > LARGE, 'all is there', 20_000)
  t.strictSame(guarded.records, [])
})

t.test('a client that takes it slower than minResponseRate is reset', async (t) => {
  const guarded = await start(t, { responseIdleTimeout: 0, minResponseRate: { bytesPerSecond: 100_000_000, gracePeriod: LIMIT } })
  const client = await deaf(guarded, '/endless')
  const drip = setInterval(() => { takeOnce(client, 100_000).catch(() => {}) }, 100)
  const [record] = await guarded.recorded()
  clearInterval(drip)
  t.hasStrict(record, { code: 'FST_READ_RESPONSE_TOO_SLOW', reason: 'response_too_slow', blame: 'client_slow', phase: 'response', limit: 100_000_000, statusCode: 499 })
  t.ok(record !== undefined && record.rate < 100_000_000, `${record?.rate} bytes per second`)
  await deserted(guarded.app)
  t.equal(guarded.records.length, 1)
})

t.test('observe records once and cuts nothing', async (t) => {
  const guarded = await start(t, { mode: 'observe' })
  const client = await deaf(guarded, '/large')
  const [record] = await guarded.recorded()
  t.match(record, { code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', observed: true })
  await delay(LIMIT * 2)
  client.socket.resume()
  await until(() => client.text.length > LARGE, 'all is there')
  client.fin()
  await deserted(guarded.app)
  t.equal(guarded.records.length, 1)
  t.strictSame(guarded.outcomes.map(({ statusCode }) => statusCode), [200])
})

t.test('a route that is not guarded has no limit', async (t) => {
  const guarded = await start(t)
  const client = await deaf(guarded, '/unguarded')
  await delay(LIMIT * 3)
  client.socket.resume()
  await until(() => client.text.length > LARGE, 'all is there')
  t.strictSame(guarded.records, [])
})

t.test('setLimits() holds for a response under way', async (t) => {
  const guarded = await start(t, { responseIdleTimeout: 0, minResponseRate: false })
  await deaf(guarded, '/endless')
  await until(() => guarded.app.readGuard.stats().reading.response === 1 || guarded.begun.length === 1, 'it waits')
  await delay(LIMIT)
  t.strictSame(guarded.records, [])
  guarded.begun[0]?.readGuard.setLimits({ responseIdleTimeout: LIMIT })
  t.match(await guarded.recorded(), [{ code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', limit: LIMIT }])
})

t.test('the next request on a connection counts its own bytes', async (t) => {
  const guarded = await start(t)
  const client = new RawClient(guarded.port)
  await client.write(head('GET', '/large'))
  await until(() => client.text.length > LARGE, 'the first is taken')
  client.socket.pause()
  await client.write(head('GET', '/endless'))
  const [record] = await guarded.recorded()
  expectIdle(t, record, '/endless')
  t.ok(record?.sent !== undefined && record.sent < LARGE, `${record?.sent} bytes, without those of the first`)
})

t.test('stats() counts the responses that wait', async (t) => {
  const guarded = await start(t, { responseIdleTimeout: 60_000 })
  const client = await deaf(guarded, '/large')
  await until(() => guarded.app.readGuard.stats().reading.response === 1, 'it waits')
  client.socket.resume()
  await until(() => guarded.app.readGuard.stats().reading.response === 0, 'it waits no more')
  client.fin()
  await deserted(guarded.app)
})

t.test('a client that takes nothing does not keep the application from closing', async (t) => {
  const guarded = await start(t)
  await deaf(guarded, '/endless')
  await until(() => guarded.app.readGuard.stats().reading.response === 1, 'it waits')
  const began = performance.now()
  await guarded.app.close()
  t.ok(performance.now() - began < LIMIT + 5_000)
})

t.test('handlers that wait for the drain of what they wrote are told', async (t) => {
  let error: unknown
  const guarded = await guardedApp({
    t,
    guard: { responseIdleTimeout: LIMIT, resolution: RESOLUTION },
    routes: (app) => {
      app.get('/', (_request, reply) => {
        async function * rows (): AsyncGenerator<Buffer> {
          try {
            for (;;) yield Buffer.alloc(65_536)
          } finally {
            error = 'released'
          }
        }
        reply.send(Readable.from(rows()))
      })
    }
  })
  const client = new RawClient(guarded.port)
  client.socket.on('error', () => {})
  client.socket.pause()
  await client.ready()
  await client.write(head('GET', '/'))
  await guarded.recorded()
  await until(() => error === 'released', 'the cursor is released')
})
