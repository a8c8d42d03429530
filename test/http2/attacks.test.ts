import type { ServerHttp2Stream } from 'node:http2'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { noise } from '../support/app/guarded-app.js'
import { bufferedConsumer, type Http2Kind, http2Kinds, http2Parties, type Http2Parties } from '../support/app/http2-consumers.js'
import { Http2Client } from '../support/client/http2-client.js'
import { continuation, data, Flag, FrameType, headerBlock, headers, requestBlock, rstStream } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { quiet, underWay } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

t.jobs = 4

const LIMIT = 400
const guard: ReadGuardOptions = { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, maxFailedReads: 0, resolution: 50, linger: { timeout: 300, bytes: 100_000 } }
const post = requestBlock('POST', '/', { 'content-type': 'text/plain' })
const get = requestBlock('GET', '/slow')
const idle = { code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: true, received: 1 } as const

interface Parties extends Http2Parties {
  /** How often the slow answer was asked for. */
  readonly asked: () => number
}

/** Closed with the test. */
async function parties (t: Test, kind: Http2Kind): Promise<Parties> {
  let asked = 0
  const all = await http2Parties(kind, bufferedConsumer, guard, (app) => {
    app.get('/slow', async () => {
      asked++
      await delay(LIMIT)
      return 'slow'
    })
  })
  t.teardown(() => {
    all.client.raw.socket.destroy()
    return all.app.close()
  })
  return { ...all, asked: () => asked }
}

for (const kind of http2Kinds) {
  t.test(`${kind.name}: of many streams that stall in one session each is answered and reset, and others go on`, async (t) => {
    const all = await parties(t, kind)
    const { app, client, recorded, records, log } = all
    const stalled = Array.from({ length: 300 }, (_, i) => 2 * i + 1)
    await client.write(...stalled.flatMap(stream => [headers(stream, post), data(stream, 'x')]))
    await client.write(headers(1001, get, Flag.END_HEADERS | Flag.END_STREAM))
    await recorded(stalled.length)
    t.equal((await client.answer(1001)).body, 'slow')
    await client.until(() => client.frames().filter(({ type }) => type === FrameType.RST_STREAM).length === stalled.length, 'all are reset')
    t.equal(underWay(app), 0, 'nothing is read any more')
    const answers = stalled.map(stream => client.peek(stream))
    t.ok(answers.every(({ statusCode, ended, reset }) => statusCode === 408 && ended && reset === 0))
    t.equal(records.length, stalled.length)
    t.match(records, records.map(() => idle))
    t.notOk(client.isGoing)
    t.same(noise(log), [])
  })

  t.test(`${kind.name}: trailers are part of the body, whose time they do not extend`, async (t) => {
    const { client, recorded, records, app } = await parties(t, kind)
    const trickled = continuation(1, Buffer.alloc(1_000))
    await client.write(headers(1, post), data(1, 'x'), headers(1, headerBlock({ x: 'y' }), Flag.END_STREAM), trickled.subarray(0, 9))
    const began = performance.now()
    const trickle = client.raw.trickle(trickled.toString('latin1', 9), 20)
    t.match(await client.answer(1), { statusCode: 408, ended: true })
    t.ok(performance.now() - began >= LIMIT - 50, `${performance.now() - began} ms`)
    t.match(await recorded(), [idle])
    // The session can't be used any more, but it does not keep the application from closing.
    await app.close()
    await trickle
    t.equal(records.length, 1)
  })

  // Over TLS Node 20, 22 and 24 may not notice it by themselves.
  t.test(`${kind.name}: a connection that breaks while its streams are answered leaves nothing behind`, async (t) => {
    await Promise.all(Array.from({ length: 5 }, async () => {
      const all = await parties(t, kind)
      const { app, client, recorded } = all
      const streams: ServerHttp2Stream[] = []
      app.server.on('stream', (stream: ServerHttp2Stream) => { streams.push(stream) })
      const stalled = Array.from({ length: 100 }, (_, i) => 2 * i + 1)
      await client.write(...stalled.flatMap(stream => [headers(stream, post), data(stream, 'x')]))
      await recorded(stalled.length)
      await until(() => streams.some(({ closed }) => closed), 'one was answered')
      client.raw.socket.destroy()
      await quiet(app)
      await app.close()
      await until(() => streams.every(({ destroyed }) => destroyed), 'no stream is left')
    }))
  })

  t.test(`${kind.name}: a flood of resets leaves nothing behind`, async (t) => {
    const all = await parties(t, kind)
    const { app, client, records, log } = all
    const flood = 500
    for (let i = 0; i < flood; i++) await client.write(headers(2 * i + 1, post), rstStream(2 * i + 1))
    await until(() => records.length === flood && underWay(app) === 0, 'all are recorded')
    t.match(records, records.map(() => ({ code: 'FST_READ_ABORTED', received: 0 })))
    await client.write(headers(1001, get, Flag.END_HEADERS | Flag.END_STREAM))
    t.equal((await client.answer(1001)).body, 'slow')
    await app.close()
    t.equal(records.length, flood)
    t.same(noise(log), [])
  })

  t.test(`${kind.name}: a flood of resets that nghttp2 does not stand is recorded, and leaves nothing behind`, async (t) => {
    const all = await parties(t, kind)
    const { app, client, records, complete } = all
    for (let i = 0; i < 3_000 && client.raw.socket.writable && !client.isGoing; i += 100) {
      await client.write(...Array.from({ length: 100 }, (_, j) => 2 * (i + j) + 1).flatMap(stream => [headers(stream, post), rstStream(stream)]))
      await delay(1)
    }
    await until(() => records.length > 0 && underWay(app) === 0, 'nothing is read any more')
    await app.close()
    t.ok(records.every(({ code, phase }) => code === 'FST_READ_ABORTED' || (code === 'FST_READ_MALFORMED' && phase === 'headers')))
    t.ok(records.filter(({ phase }) => phase === 'headers').length <= 1)
    t.same(complete, [])
  })

  t.test(`${kind.name}: a stream whose answer is under way is reset at its limit, and no process ends`, async (t) => {
    const limit = 20_000
    const guarded = await http2Parties(kind, { ...bufferedConsumer, register: () => {} }, { ...guard, bodyLimit: limit }, (app) => {
      app.addContentTypeParser('application/x-stream', (_request, _payload, done) => done(null))
      app.post('/echo', async (request, reply) => reply.header('content-type', 'application/x-stream').send(request.raw))
    })
    t.teardown(() => guarded.app.close())
    const echo = requestBlock('POST', '/echo', { 'content-type': 'application/x-stream' })
    await Promise.all(Array.from({ length: 5 }, async () => {
      const client = await new Http2Client(guarded.port, { tls: kind.tls }).open()
      await client.write(headers(1, echo))
      for (let sent = 0; sent < 5 * limit && client.peek(1).reset === undefined; sent += 10_000) {
        await client.write(data(1, Buffer.alloc(10_000)))
        await delay(2)
      }
      await client.answer(1, ({ reset }) => reset !== undefined)
      client.raw.socket.destroy()
    }))
    await guarded.recorded(5)
    t.match(guarded.records, guarded.records.map(() => ({ code: 'FST_READ_BODY_TOO_LARGE', limit, answered: false })))
    t.equal(guarded.records.length, 5)
    guarded.client.raw.socket.destroy()
  })

  t.test(`${kind.name}: while the application closes, requests under way are answered`, async (t) => {
    const { app, client, asked } = await parties(t, kind)
    await client.write(headers(1, get, Flag.END_HEADERS | Flag.END_STREAM))
    await until(() => asked() === 1, 'it is under way')
    const closed = app.close()
    t.equal((await client.answer(1)).body, 'slow')
    await client.until(() => client.isGoing, 'GOAWAY')
    await closed
  })
}
