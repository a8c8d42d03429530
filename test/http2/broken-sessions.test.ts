import { constants } from 'node:http2'
import t, { type Test } from 'tap'
import type { AbortRecord, ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp, noise } from '../support/app/guarded-app.js'
import { type Http2Kind, http2Kinds } from '../support/app/http2-consumers.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, frame, FrameType, headers, requestBlock, rstStream, settings } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { deserted, quiet, underWay } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

t.jobs = 20

const LIMIT = 400
const guard: ReadGuardOptions = { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 50, linger: { timeout: 2_000, bytes: 100_000 } }
const zeros = (bytes: number): Buffer => Buffer.alloc(bytes)
/** nghttp2 says GOAWAY and ends the session, of which Node 20 does not always know: it is told apart by what it does not send. */
const mayBeUntold = process.version.startsWith('v20.')

/** What a client may not send (RFC 9113 §5.4.1), while stream 1 is open. */
const violations: Readonly<Record<string, Buffer>> = {
  'DATA on stream 0': data(0, 'x'),
  'DATA on a stream that is idle': data(9, 'x'),
  'DATA with more padding than payload': frame(FrameType.DATA, 0x8, 1, Buffer.from([200, 1, 2])),
  'a PING of 7 bytes': frame(FrameType.PING, 0, 0, zeros(7)),
  'SETTINGS of 5 bytes': frame(FrameType.SETTINGS, 0, 0, zeros(5)),
  'an acknowledgement with SETTINGS in it': frame(FrameType.SETTINGS, Flag.ACK, 0, zeros(6)),
  'SETTINGS with a window that is too large': settings({ 4: 0x80000000 }),
  'a GOAWAY of 4 bytes': frame(FrameType.GOAWAY, 0, 0, zeros(4)),
  'a CONTINUATION of nothing': frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1),
  'a frame that is too large': frame(FrameType.DATA, 0, 1, zeros(20_000)),
  'trailers that can\'t be decoded': headers(1, Buffer.alloc(8, 0xff), Flag.END_HEADERS | Flag.END_STREAM)
}

interface Parties extends GuardedApp {
  readonly client: Http2Client
  /** Resolves once the server has met so many requests. */
  readonly met: (count: number) => Promise<void>
}

async function parties (t: Test, kind: Http2Kind, forceCloseConnections = false): Promise<Parties> {
  let requests = 0
  const guarded = await guardedApp({
    protocol: kind.protocol,
    guard,
    fastify: { http2SessionTimeout: 60_000, forceCloseConnections },
    routes: (app) => {
      app.addHook('onRequest', async () => { requests++ })
      app.post('/', async (request) => request.body)
      app.post('/later', { preParsing: async () => { await delay(LIMIT) } }, async () => 'late')
      app.get('/', async () => {
        await delay(LIMIT)
        return 'ok'
      })
    }
  })
  const { app } = guarded
  const client = await new Http2Client(guarded.port, { tls: kind.tls, stays: true }).open()
  t.teardown(() => {
    client.raw.socket.destroy()
    return app.close()
  })
  return {
    ...guarded,
    client,
    met: (count) => until(() => requests >= count, `${count} requests`)
  }
}

const body = [headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain' })), data(1, 'x')]
const malformed: Partial<AbortRecord> = { code: 'FST_READ_MALFORMED', blame: 'client_invalid', statusCode: 400, protocol: 'h2', remoteAddress: '127.0.0.1', answered: false }
const ofBody = (records: readonly AbortRecord[]): object[] => {
  const idle = mayBeUntold && records[0]?.code === 'FST_READ_BODY_IDLE_TIMEOUT'
  return [{ ...(idle ? { code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: false } : malformed), phase: 'body', method: 'POST', received: 1 }]
}

for (const kind of http2Kinds) {
  for (const [name, bytes] of Object.entries(violations)) {
    t.test(`${kind.name}: ${name} ends a body with one record, and the session`, async (t) => {
      const { app, client, records, met, log } = await parties(t, kind)
      await client.write(...body)
      await met(1)
      await client.write(bytes)
      await until(() => records.length > 0 && underWay(app) === 0, 'nothing is read any more')
      client.raw.fin()
      await deserted(app)
      t.match(records, ofBody(records))
      t.equal(records.length, 1)
      t.same(noise(log), [])
    })

    t.test(`${kind.name}: ${name} ends a session whose request is under way with one record`, async (t) => {
      const { app, client, records, met, log } = await parties(t, kind)
      await client.write(headers(1, requestBlock('GET', '/'), Flag.END_HEADERS))
      await met(1)
      await client.write(bytes)
      await until(() => records.length > 0 && underWay(app) === 0, 'nothing is read any more')
      client.raw.fin()
      await deserted(app)
      t.equal(records.length, 1)
      t.match(records, [{ ...malformed, phase: /^(headers|body)$/ }])
      t.same(noise(log), [])
    })
  }

  for (const forceCloseConnections of [true, false]) {
    t.test(`${kind.name}: sessions that broke the protocol do not keep the application from closing, with forceCloseConnections: ${forceCloseConnections}`, async (t) => {
      const { app, port, client, records, met } = await parties(t, kind, forceCloseConnections)
      const clients = [client]
      for (const bytes of Object.values(violations)) {
        const other = await new Http2Client(port, { tls: kind.tls, stays: true }).open()
        clients.push(other)
        await other.write(...body)
        await met(clients.length - 1)
        await other.write(bytes)
      }
      const began = performance.now()
      await app.close()
      t.ok(performance.now() - began < 15_000, `closed in ${performance.now() - began} ms`)
      for (const { raw } of clients) raw.socket.destroy()
      t.equal(records.length, Object.keys(violations).length)
    })
  }

  // nghttp2 of Node 20 resets the stream, that of later versions ends the session.
  t.test(`${kind.name}: more DATA than the stream has a window for is malformed, a client that resets its stream with that code has left`, async (t) => {
    for (const [frames, code] of [
      [Array.from({ length: 10 }, () => data(1, zeros(16_000))), 'FST_READ_MALFORMED'],
      [[rstStream(1, constants.NGHTTP2_FLOW_CONTROL_ERROR)], 'FST_READ_ABORTED']
    ] as const) {
      const { app, client, recorded, records, met } = await parties(t, kind)
      await client.write(headers(1, requestBlock('POST', '/later', { 'content-type': 'text/plain' })), data(1, 'x'))
      await met(1)
      await client.write(...frames)
      t.match(await recorded(), [{ code, phase: 'body', answered: false }])
      await quiet(app)
      t.equal(records.length, 1)
    }
  })

  t.test(`${kind.name}: what is left of a body after its answer is not what a broken protocol is blamed on`, async (t) => {
    const { app, client, recorded, records } = await parties(t, kind)
    await client.write(headers(1, requestBlock('POST', '/missing')), data(1, 'x'))
    await client.answer(1, ({ ended }) => ended)
    await client.write(violations['SETTINGS with a window that is too large'] as Buffer)
    t.match(await recorded(), [{ ...malformed, phase: 'headers' }])
    await quiet(app)
    t.equal(records.length, 1)
  })
}
