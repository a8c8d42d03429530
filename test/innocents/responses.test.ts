import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import proxy from '@fastify/http-proxy'
import t from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, noise, type GuardedApp } from '../support/app/guarded-app.js'
import { LARGE, responseRoutes, type ResponseFacts } from '../support/app/response-routes.js'
import { delay, head, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

/*
 * Responses that take long, and whose clients do nothing wrong.
 */

t.jobs = 8

const LIMIT = 400
const strict: ReadGuardOptions = { responseIdleTimeout: LIMIT, minResponseRate: { bytesPerSecond: 1_000_000, gracePeriod: LIMIT }, resolution: 50 }

function expectNothing (t: { strictSame: (a: unknown, b: unknown) => unknown }, { records, log }: GuardedApp): void {
  t.strictSame(records, [])
  t.strictSame(noise(log), [])
}

t.test('an event stream that is silent, and a long poll, for ten times the limit', async (t) => {
  const guarded = await guardedApp<ResponseFacts>({ t, guard: strict, routes: responseRoutes })
  const events = new RawClient(guarded.port)
  await events.write(head('GET', '/events'))
  await events.until(/data: 1/)
  const poll = new RawClient(guarded.port)
  await poll.write(head('GET', '/slow'))
  await delay(LIMIT * 10)
  guarded.hijacked[0]?.write('data: 2\n\n')
  guarded.answer()
  await events.until(/data: 2/)
  await poll.until(/late$/)
  expectNothing(t, guarded)
  events.socket.destroy()
  poll.socket.destroy()
})

t.test('a handler that streams one byte now and then', async (t) => {
  const guarded = await guardedApp({
    t,
    guard: strict,
    routes: (app) => {
      app.get('/', (_request, reply) => {
        async function * bytes (): AsyncGenerator<string> {
          for (let i = 0; i < 5; i++) {
            await wait(LIMIT * 1.5)
            yield 'x'
          }
        }
        reply.send(Readable.from(bytes()))
      })
    }
  })
  const client = new RawClient(guarded.port)
  await client.write(head('GET', '/'))
  await client.until(/0\r\n\r\n$/)
  expectNothing(t, guarded)
  client.fin()
})

/** Takes about so many bytes, and no more. */
async function takeSome (client: RawClient, bytes: number): Promise<void> {
  const before = client.text.length
  client.socket.resume()
  await until(() => client.text.length - before >= bytes || client.text.length > LARGE, 'so much is taken')
  client.socket.pause()
}

t.test('a reader that pauses, and goes on before the limit', async (t) => {
  const guarded = await guardedApp<ResponseFacts>({ t, guard: { ...strict, responseIdleTimeout: 1_000, minResponseRate: false }, routes: responseRoutes })
  const client = new RawClient(guarded.port)
  client.socket.pause()
  await client.ready()
  await client.write(head('GET', '/large'))
  for (let i = 0; i < 4; i++) {
    await delay(700)
    await takeSome(client, 2_500_000)
  }
  client.socket.resume()
  await until(() => client.text.length > LARGE, 'all is there')
  expectNothing(t, guarded)
  client.fin()
})

t.test('a download in steps that is just above the rate', async (t) => {
  const guarded = await guardedApp<ResponseFacts>({ t, guard: { resolution: 50, minResponseRate: { bytesPerSecond: 1_500_000, gracePeriod: 2_000 } }, routes: responseRoutes })
  const client = new RawClient(guarded.port)
  client.socket.pause()
  await client.ready()
  await client.write(head('GET', '/large'))
  const began = performance.now()
  // The window of a client opens in large steps.
  while (client.text.length < LARGE) {
    await delay(600)
    await takeSome(client, 1_250_000)
  }
  t.ok(performance.now() - began > 3_000, 'it takes longer than the grace period')
  expectNothing(t, guarded)
  client.fin()
})

t.test('a fast download of 100 MB', async (t) => {
  const guarded = await guardedApp({
    t,
    protocol: 'http',
    guard: strict,
    routes: (app) => {
      app.get('/', (_request, reply) => { reply.send(Buffer.alloc(100_000_000)) })
      app.get('/pipe', (_request, reply) => { reply.send(Readable.from(Array.from({ length: 1_000 }, () => Buffer.alloc(100_000)))) })
    }
  })
  for (const url of ['/', '/pipe']) {
    const { body } = await fetch(`http://127.0.0.1:${guarded.port}${url}`)
    let bytes = 0
    for await (const chunk of body ?? []) bytes += (chunk as Uint8Array).length
    t.equal(bytes, 100_000_000)
  }
  expectNothing(t, guarded)
})

t.test('a reader behind a proxy: one that pauses, and one that leaves, of which both are told once', async (t) => {
  const upstream = await guardedApp<ResponseFacts>({ t, protocol: 'http', guard: { resolution: 50, responseIdleTimeout: 2_000 }, routes: responseRoutes })
  const front = await guardedApp({
    t,
    protocol: 'http',
    guard: { resolution: 50, responseIdleTimeout: 2_000 },
    routes: async (app) => { await app.register(proxy, { upstream: `http://127.0.0.1:${upstream.port}` }) }
  })
  const patient = new RawClient(front.port, { tls: false })
  await patient.write(head('GET', '/large'))
  await patient.until(/\r\n\r\n/)
  patient.socket.pause()
  await delay(1_000)
  patient.socket.resume()
  await until(() => patient.text.length - patient.text.indexOf('\r\n\r\n') - 4 >= LARGE, 'all is there')
  patient.fin()
  t.strictSame([front.records, upstream.records], [[], []])
  const leaving = new RawClient(front.port, { tls: false })
  await leaving.write(head('GET', '/endless'))
  await leaving.until(/\r\n\r\n/)
  leaving.rst()
  await front.recorded()
  await upstream.recorded()
  for (const { records } of [front, upstream]) {
    t.strictSame(records.map(({ code, phase, url }) => [code, phase, url]), [['FST_READ_RESPONSE_ABORTED', 'response', '/endless']])
  }
})

t.test('while the event loop is blocked no time of a reader counts', async (t) => {
  const guarded = await guardedApp<ResponseFacts>({ t, guard: { responseIdleTimeout: 1_000, resolution: 50 }, routes: responseRoutes })
  const client = new RawClient(guarded.port)
  client.socket.pause()
  await client.ready()
  await client.write(head('GET', '/large'))
  await until(() => guarded.app.readGuard.stats().reading.response === 1, 'it waits')
  const end = performance.now() + 2_000
  while (performance.now() < end);
  await delay(300)
  client.socket.resume()
  await until(() => client.text.length > LARGE, 'all is there')
  expectNothing(t, guarded)
  client.fin()
})
