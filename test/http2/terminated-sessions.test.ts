import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp, noise } from '../support/app/guarded-app.js'
import { type Http2Kind, http2Kinds } from '../support/app/http2-consumers.js'
import { serverKind } from '../support/app/transport.js'
import { Http2Client } from '../support/client/http2-client.js'
import { continuation, data, Flag, FrameType, goAway, headers, requestBlock, settings, windowUpdate } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { connectionsOf, deserted } from '../support/oracle/server-state.js'

/*
 * Sessions that nghttp2 ends in the middle of what it is given: it reads and writes no more, and Node may not be told.
 */

t.jobs = 16

/** A session is asked after a second of silence; what is left has its time to leave. In milliseconds, on a busy machine. */
const BOUND = 10_000
const guard: ReadGuardOptions = { headersTimeout: 400, bodyIdleTimeout: 400, resolution: 50, linger: { timeout: 500, bytes: 100_000 } }

const get = (path: string): Buffer => headers(1, requestBlock('GET', path), Flag.END_HEADERS | Flag.END_STREAM)
const post = headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain' }))
const cut = requestBlock('GET', '/')

/** What is under way. */
const begun: Readonly<Record<string, Buffer>> = {
  'nothing is': Buffer.alloc(0),
  'an answer is on its way': get('/'),
  'a handler works': get('/slow'),
  'a body is read': Buffer.concat([post, data(1, 'x')]),
  'a body is not read': Buffer.concat([headers(1, requestBlock('POST', '/slow', { 'content-type': 'text/plain' })), data(1, 'x')]),
  'a body has ended': Buffer.concat([post, data(1, 'x', Flag.END_STREAM)])
}

/** What ends the session (RFC 9113 §5.4.1). */
const violations: Readonly<Record<string, Buffer>> = {
  'DATA on a stream that has ended': Buffer.concat([data(1, 'x', Flag.END_STREAM), data(1, 'x'), data(1, 'x')]),
  'DATA on stream 0': data(0, 'x'),
  'a window that is too large': Buffer.concat([windowUpdate(0, 0x7fffffff), windowUpdate(0, 0x7fffffff)]),
  'SETTINGS that are wrong': settings({ 4: 0x80000000 }),
  'bytes that are no frame': Buffer.alloc(60, 0xff),
  'a header block in two, with DATA behind it': Buffer.concat([headers(3, cut.subarray(0, 20), 0), continuation(3, cut.subarray(20), Flag.END_HEADERS), data(0, 'x')])
}

interface Parties extends GuardedApp {
  /** One more client that has said hello. */
  readonly join: () => Promise<Http2Client>
}

async function parties (t: Test, { protocol, tls }: Http2Kind): Promise<Parties> {
  const guarded = await guardedApp({
    protocol,
    guard,
    fastify: { http2SessionTimeout: 60_000 },
    routes: (app) => {
      app.get('/', async () => 'ok')
      app.post('/', async (request) => request.body)
      const slow = async (): Promise<string> => {
        await delay(200)
        return 'slow'
      }
      app.get('/slow', slow)
      app.post('/slow', { preParsing: async () => { await delay(200) } }, slow)
    }
  })
  const join = async (): Promise<Http2Client> => {
    const client = await new Http2Client(guarded.port, { tls, stays: true }).open()
    t.teardown(() => { client.raw.socket.destroy() })
    return client
  }
  t.teardown(() => guarded.app.close())
  return { ...guarded, join }
}

for (const kind of http2Kinds) {
  for (const [violation, bytes] of Object.entries(violations)) {
    for (const [way, before] of Object.entries({ '': Buffer.alloc(0), 'a GOAWAY and ': goAway() })) {
      for (const how of ['stays', 'says FIN', 'is gone'] as const) {
        t.test(`${kind.name}: ${way}${violation} end a session, whatever is under way, also where its client ${how}`, async (t) => {
          const { app, join, records, log } = await parties(t, kind)
          for (const first of Object.values(begun)) {
            const { raw } = await join()
            // In one packet: nghttp2 is given all of it, or none.
            await raw.write(Buffer.concat([first, before, bytes]))
            if (how === 'says FIN') raw.fin()
            if (how === 'is gone') raw.socket.destroy()
          }
          await deserted(app)
          const ports = records.map(({ remotePort }) => remotePort)
          t.equal(new Set(ports).size, ports.length, 'none of them has two records')
          t.same(noise(log), [])
        })
      }

      t.test(`${kind.name}: ${way}${violation} do not keep the application from closing`, async (t) => {
        const { app, join } = await parties(t, kind)
        for (const first of Object.values(begun)) {
          const client = await join()
          await client.raw.write(Buffer.concat([first, before, bytes]))
        }
        const at = performance.now()
        await app.close()
        const elapsed = performance.now() - at
        t.ok(elapsed < BOUND, `closed in ${elapsed} ms`)
      })
    }
  }

  t.test(`${kind.name}: what nghttp2 refused without a word is recorded as malformed`, async (t) => {
    const { join, records, recorded } = await parties(t, kind)
    const client = await join()
    await client.write(Buffer.concat([get('/'), goAway(), data(1, 'x')]))
    t.match(await recorded(), [{ code: 'FST_READ_MALFORMED', phase: 'headers', blame: 'client_invalid', protocol: 'h2', answered: false }])
    t.equal(records.length, 1)
    t.ok((records[0]?.received ?? 0) > 0)
  })

  t.test(`${kind.name}: a session that stands is asked once when it falls silent, and goes on`, async (t) => {
    const { app, join, records } = await parties(t, kind)
    const client = await join()
    const pings = (): number => client.frames().filter(({ type, flags }) => type === FrameType.PING && flags === 0).length
    await client.write(get('/'))
    t.equal((await client.answer(1)).body, 'ok')
    t.equal(pings(), 0)
    await client.until(() => pings() === 1, 'it is asked')
    await delay(2_500)
    t.equal(pings(), 1, 'the answer alone is no reason to ask again')
    await client.write(headers(3, requestBlock('GET', '/'), Flag.END_HEADERS | Flag.END_STREAM))
    t.equal((await client.answer(3)).body, 'ok')
    await client.until(() => pings() === 2, 'it is asked after the next silence')
    t.equal(await connectionsOf(app), 1)
    t.notOk(client.isGoing)
    t.same(records, [])
  })

  t.test(`${kind.name}: a session that its client has ended, and whose answer takes its time, goes on`, async (t) => {
    const { app, join, records } = await parties(t, kind)
    const client = await join()
    await client.write(headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain' })), goAway())
    for (let i = 0; i < 12; i++) {
      await delay(200)
      await client.write(data(1, 'x'))
    }
    await client.write(data(1, 'x', Flag.END_STREAM))
    t.equal((await client.answer(1)).body, 'x'.repeat(13))
    await deserted(app)
    t.same(records, [])
  })
}

t.test('a client that answers no PING, and breaks the protocol then, does not keep its session', async (t) => {
  const guarded = await guardedApp({
    t,
    guard: { resolution: 50 },
    fastify: { ...serverKind('h2', { maxOutstandingPings: 1 }) },
    routes: (app) => { app.get('/', async () => 'ok') }
  })
  const client = await new Http2Client(guarded.port, { tls: true, stays: true, answersPings: false }).open()
  t.teardown(() => { client.raw.socket.destroy() })
  await client.write(get('/'))
  await client.until(() => client.frames().some(({ type }) => type === FrameType.PING), 'it is asked')
  await client.write(Buffer.concat([headers(3, requestBlock('GET', '/'), Flag.END_HEADERS | Flag.END_STREAM), data(3, 'x')]))
  t.match(await guarded.recorded(), [{ code: 'FST_READ_MALFORMED' }])
  await deserted(guarded.app)
})
