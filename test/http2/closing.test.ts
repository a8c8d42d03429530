import { once } from 'node:events'
import type { Http2ServerRequest, ServerHttp2Session } from 'node:http2'
import { connect } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, noise } from '../support/app/guarded-app.js'
import { http2Kinds } from '../support/app/http2-consumers.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, PREFACE, requestBlock, settings, windowUpdate } from '../support/client/http2-frames.js'
import { chunk, delay, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { deserted, quiet } from '../support/oracle/server-state.js'

/*
 * Sessions that the application, or the server's closing, ends.
 */

t.jobs = 6

const INITIAL_WINDOW_SIZE = 4
const LARGEST_WINDOW = 0x7fffffff
/** What is left of a session has the time of `linger`; in milliseconds, on a busy machine. */
const BOUND = 8_000
const limits: ReadGuardOptions = { bodyIdleTimeout: 300, resolution: 20, linger: { timeout: 500, bytes: 50_000 } }

function sessionOf (raw: unknown): ServerHttp2Session {
  const { session } = (raw as Http2ServerRequest).stream
  if (session === undefined) throw new Error('no session')
  return session as ServerHttp2Session
}

const endings: Readonly<Record<string, (session: ServerHttp2Session) => void>> = {
  'session.destroy()': (session) => session.destroy(),
  'session.destroy() with an error': (session) => session.destroy(new Error('enough')),
  'session.close()': (session) => session.close()
}

/** Ends the session of the first request that asks for it. */
function routes (app: FastifyInstance, end: (session: ServerHttp2Session) => void): void {
  app.post('/', async ({ body }) => ({ body }))
  app.get('/large', async () => Buffer.alloc(16_000_000))
  app.get('/page', async () => Buffer.alloc(100_000))
  app.get('/end', async ({ raw }) => {
    end(sessionOf(raw))
    return 'ended'
  })
}

const get = (stream: number, path: string): Buffer => headers(stream, requestBlock('GET', path), Flag.END_HEADERS | Flag.END_STREAM)
const stalled = (stream: number): Buffer => Buffer.concat([headers(stream, requestBlock('POST', '/', { 'content-type': 'text/plain' })), data(stream, 'x')])

for (const kind of http2Kinds) {
  for (const linger of [limits.linger, false] as const) {
    for (const [what, end] of Object.entries(endings)) {
      t.test(`${kind.name}: ${what} by the application leaves nothing behind, whatever is under way (linger: ${linger !== false})`, async (t) => {
        const { app, port, records, log } = await guardedApp({ t, protocol: kind.protocol, guard: { ...limits, linger }, fastify: { http2SessionTimeout: 60_000 }, routes: (app) => { routes(app, end) } })
        const client = await new Http2Client(port, { tls: kind.tls, stays: true }).open()
        await client.write(stalled(1), stalled(3), stalled(5), get(7, '/end'))
        await deserted(app)
        await quiet(app)
        t.equal(records.length, 3, 'each body has one record')
        t.same(noise(log).filter(({ err }) => err?.message !== 'enough'), [])
        client.raw.socket.destroy()
      })

      t.test(`${kind.name}: ${what} by the application is no reason to wait for ever for a client that reads nothing (linger: ${linger !== false})`, async (t) => {
        const sessions: ServerHttp2Session[] = []
        const { app, port } = await guardedApp({
          t,
          protocol: kind.protocol,
          guard: { ...limits, linger },
          fastify: { http2SessionTimeout: 60_000 },
          routes: (app) => {
            routes(app, end)
            app.server.on('session', (session: ServerHttp2Session) => { sessions.push(session) })
          }
        })
        const client = new RawClient(port, { tls: kind.tls, alpn: 'h2', stays: true })
        await client.ready()
        client.socket.pause()
        await client.write(Buffer.concat([PREFACE, settings({ [INITIAL_WINDOW_SIZE]: LARGEST_WINDOW }), windowUpdate(0, LARGEST_WINDOW - 65_535), get(1, '/large')]))
        await delay(500) // the kernel's buffers are full
        for (const session of sessions) end(session)
        if (what === 'session.close()') {
          // It waits for its streams: the application closes.
          const at = performance.now()
          await app.close()
          t.ok(performance.now() - at < BOUND, `closed in ${performance.now() - at} ms`)
        } else {
          await deserted(app)
        }
        await quiet(app)
        t.pass('nothing is left')
        client.socket.destroy()
      })
    }
  }

  t.test(`${kind.name}: many sessions with many streams do not keep the application from closing`, async (t) => {
    const { app, port, records } = await guardedApp({ protocol: kind.protocol, guard: limits, routes: (app) => { routes(app, () => {}) } })
    const clients = await Promise.all(Array.from({ length: 10 }, () => new Http2Client(port, { tls: kind.tls, stays: true }).open({ [INITIAL_WINDOW_SIZE]: 0 })))
    const streams = Array.from({ length: 50 }, (_, i) => 2 * i + 1)
    for (const client of clients) await client.write(...streams.map(stream => stream % 3 === 0 ? get(stream, '/page') : stalled(stream)))
    for (const client of clients) await client.until(() => client.peek(3).statusCode === 200, 'an answer')
    const at = performance.now()
    await app.close()
    t.ok(performance.now() - at < BOUND, `closed in ${performance.now() - at} ms`)
    t.ok(records.length >= clients.length, 'bodies that stall are recorded')
    for (const { raw } of clients) raw.socket.destroy()
  })
}

t.test('a server that speaks HTTP/1 as well guards both kinds of clients', async (t) => {
  const { app, port, records, recorded } = await guardedApp({ protocol: 'h2+http1', guard: { ...limits, bodyLimit: 100 }, routes: (app) => { routes(app, () => {}) } })
  const session = await new Http2Client(port, { tls: true }).open()
  await session.write(stalled(1))
  for (const alpn of ['http/1.1', undefined]) {
    const client = new RawClient(port, { tls: true, ...(alpn === undefined ? {} : { alpn }) })
    await client.ready()
    await client.write(head('POST', '/', { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(101)))
    t.equal(onlyAnswer(await client.closed).statusCode, 413)
  }
  t.equal((await session.answer(1)).statusCode, 408)
  await recorded(3)
  t.same(records.map(({ protocol }) => protocol).sort(), ['h2', 'http/1.1', 'http/1.1'])
  const late = new RawClient(port, { tls: true, alpn: 'http/1.1' })
  await late.ready()
  await late.write(head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': '10' }))
  await session.write(stalled(3))
  await delay(50)
  const at = performance.now()
  await app.close()
  t.ok(performance.now() - at < BOUND, `closed in ${performance.now() - at} ms`)
  session.raw.socket.destroy()
})

for (const [name, bytes] of Object.entries({ 'a request of HTTP/1': head('GET', '/'), 'the half of a preface': 'PRI * HTTP/2.0\r\n', nothing: '' })) {
  t.test(`a server of HTTP/2 that gets ${name} closes the connection in time, and itself`, async (t) => {
    for (const { protocol, tls } of http2Kinds) {
      const { app, port } = await guardedApp({ protocol, guard: { ...limits, headersTimeout: 300 }, routes: (app) => { routes(app, () => {}) } })
      const client = new RawClient(port, { tls, alpn: 'h2', stays: true })
      await client.ready()
      await client.write(bytes)
      await deserted(app)
      const late = new RawClient(port, { tls, alpn: 'h2', stays: true })
      await late.ready()
      await late.write(bytes)
      const at = performance.now()
      await app.close()
      t.ok(performance.now() - at < BOUND, `closed in ${performance.now() - at} ms`)
      for (const { socket } of [client, late]) socket.destroy()
    }
  })
}

t.test('a client that renegotiates TLS keeps neither its session nor the application', async (t) => {
  const { app, port } = await guardedApp({ protocol: 'h2', guard: limits, fastify: { http2SessionTimeout: 60_000 }, routes: (app) => { routes(app, () => {}) } })
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'], maxVersion: 'TLSv1.2' })
  socket.on('error', () => {}) // that it is refused
  await once(socket, 'secureConnect')
  socket.resume()
  socket.write(Buffer.concat([PREFACE, settings(), get(1, '/large')]))
  await delay(100)
  socket.renegotiate({ rejectUnauthorized: false }, () => {})
  await delay(300)
  const at = performance.now()
  await app.close()
  t.ok(performance.now() - at < BOUND, `closed in ${performance.now() - at} ms`)
  socket.destroy()
})
