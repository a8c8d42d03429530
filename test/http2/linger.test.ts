import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp } from '../support/app/guarded-app.js'
import { type Http2Kind, http2Kinds, http2Parties, type Http2Parties, streamedConsumer } from '../support/app/http2-consumers.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, FrameType, goAway, headers, requestBlock } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { block } from '../support/client/worker-clients.js'
import { watchLag } from '../support/oracle/loop-lag.js'
import { deserted } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

/** What a client may have under way on a stream, and on all of a session, before a WINDOW_UPDATE (RFC 9113 §6.9.2). */
const WINDOW = 65_535
const RESOLUTION = 50
const ONE_LOOK = RESOLUTION + 10

const earlyAnswers = [
  { name: 'a body that is too large', path: '/', headers: { 'content-length': '1000000000' }, statusCode: 413 },
  { name: 'the 401 of a hook', path: '/private', statusCode: 401 },
  { name: 'a handler that does not read', path: '/unread', statusCode: 200 },
  { name: 'a 404', path: '/missing', statusCode: 404 }
]

function routes (app: FastifyInstance): void {
  app.post('/private', { onRequest: async (_request, reply) => reply.code(401).send({}) }, async () => ({}))
  app.post('/unread', async () => ({}))
}

async function parties (t: Test, kind: Http2Kind, guard: ReadGuardOptions): Promise<Http2Parties> {
  const all = await http2Parties(kind, streamedConsumer, { bodyLimit: 100_000, resolution: RESOLUTION, ...guard }, routes)
  t.teardown(() => {
    all.client.raw.socket.destroy()
    return all.app.close()
  })
  return all
}

/** A request that has its answer, and has not ended. */
async function answered (t: Test, client: Http2Client, stream: number, early: typeof earlyAnswers[number]): Promise<void> {
  await client.write(headers(stream, requestBlock('POST', early.path, { 'content-type': 'application/x-stream', ...early.headers })))
  const answer = await client.answer(stream, ({ ended }) => ended)
  t.equal(answer.statusCode, early.statusCode, early.name)
}

function window (client: Http2Client, stream: number): number {
  const updates = client.frames().filter((frame) => frame.type === FrameType.WINDOW_UPDATE && frame.stream === stream)
  return updates.reduce((sum, { payload }) => sum + payload.readUInt32BE(), WINDOW)
}

/** Sends as much as the server takes until it resets the stream; returns how much that was. */
async function flood (client: Http2Client, stream: number): Promise<number> {
  let sent = 0
  while (client.peek(stream).reset === undefined) {
    const open = Math.min(window(client, 0), window(client, stream)) - sent
    const length = Math.min(open, 16_384)
    if (length > 0) {
      sent += length
      await client.write(data(stream, 'x'.repeat(length)))
    } else {
      await delay(1)
    }
  }
  return sent
}

for (const kind of http2Kinds) {
  for (const early of earlyAnswers) {
    t.test(`${kind.name}: after ${early.name} a client that floods has its stream reset at the byte bound`, async (t) => {
      const bytes = 300_000
      const { app, client } = await parties(t, kind, { linger: { bytes, timeout: 60_000 } })
      await answered(t, client, 1, early)
      await until(() => app.readGuard.stats().reading.lingering === 1, 'it is lingered on')
      const sent = await flood(client, 1)
      t.equal(client.peek(1).reset, 0, 'without an error')
      // The window that lets in what is one too many has been opened once more when the stream is reset.
      t.ok(sent >= bytes && sent <= bytes + 2 * WINDOW, `${sent} bytes`)
      t.equal(app.readGuard.stats().lingered, 1)
      t.equal(app.readGuard.stats().reading.lingering, 0)
      await answered(t, client, 3, early)
    })
  }

  t.test(`${kind.name}: a client that trickles after its answer has its stream reset at the time bound`, async (t) => {
    const timeout = 400
    const { app, client, records } = await parties(t, kind, { linger: { bytes: 1e9, timeout } })
    for (const [index, early] of earlyAnswers.entries()) {
      const stream = 2 * index + 1
      const lag = watchLag()
      const begun = performance.now()
      await answered(t, client, stream, early)
      const from = performance.now()
      while (client.peek(stream).reset === undefined) {
        await client.write(data(stream, 'x'))
        await delay(5)
      }
      const at = performance.now()
      t.equal(client.peek(stream).reset, 0, 'without an error')
      t.ok(at - begun >= timeout - ONE_LOOK, `${at - begun} ms`)
      t.ok(at - from <= timeout + lag() + 20, `${at - from} ms`) // the client looks every 5 ms
    }
    t.equal(app.readGuard.stats().lingered, earlyAnswers.length)
    t.same(records.map(({ code }) => code), ['FST_READ_BODY_TOO_LARGE'], 'what is left after the answer is no read')
  })

  t.test(`${kind.name}: a stream on which nothing comes any more is not waited for`, async (t) => {
    const { app, client } = await parties(t, kind, { linger: { bytes: 1e9, timeout: 60_000 } })
    await Promise.all(earlyAnswers.map(async (early, index) => {
      const stream = 2 * index + 1
      const begun = performance.now()
      await answered(t, client, stream, early)
      t.equal((await client.answer(stream, ({ reset }) => reset !== undefined)).reset, 0, 'it is reset without an error')
      t.ok(performance.now() - begun >= 100, `after ${performance.now() - begun} ms, when its client has had time to take the answer`)
    }))
    t.equal(app.readGuard.stats().lingered, earlyAnswers.length)
  })

  t.test(`${kind.name}: bytes that come while the event loop is blocked are no silence`, async (t) => {
    const { app, client } = await parties(t, kind, { linger: { bytes: 1e9, timeout: 60_000 } })
    for (const [index, early] of earlyAnswers.slice(1).entries()) {
      const stream = 2 * index + 1
      await answered(t, client, stream, early)
      await until(() => app.readGuard.stats().reading.lingering === 1, 'it is lingered on')
      await client.write(data(stream, 'x'))
      block(300)
      await client.write(data(stream, '', Flag.END_STREAM))
      await until(() => app.readGuard.stats().reading.lingering === 0, 'it has ended')
    }
    t.notOk(client.frames().some(({ type }) => type === FrameType.RST_STREAM))
  })

  t.test(`${kind.name}: a stream that its client ends in time is not reset`, async (t) => {
    const { app, client, records } = await parties(t, kind, { linger: { bytes: 1e9, timeout: 60_000 } })
    for (const [index, early] of earlyAnswers.slice(1).entries()) {
      const stream = 2 * index + 1
      await answered(t, client, stream, early)
      await client.write(data(stream, 'x'.repeat(10_000)), data(stream, '', Flag.END_STREAM))
    }
    await until(() => app.readGuard.stats().reading.lingering === 0, 'all have ended')
    t.equal(app.readGuard.stats().lingered, 3)
    t.notOk(client.frames().some(({ type }) => type === FrameType.RST_STREAM || type === FrameType.GOAWAY))
    t.same(records, [])
  })

  t.test(`${kind.name}: with \`linger: false\` the stream is reset behind its answer`, async (t) => {
    const { app, client } = await parties(t, kind, { linger: false })
    for (const [index, early] of earlyAnswers.entries()) {
      const stream = 2 * index + 1
      await answered(t, client, stream, early)
      t.equal((await client.answer(stream, ({ reset }) => reset !== undefined)).reset, 0, early.name)
    }
    t.equal(app.readGuard.stats().lingered, 0)
  })
}

for (const linger of [{ bytes: 1e9, timeout: 60_000 }, false] as const) {
  t.test(`with \`linger: ${JSON.stringify(linger)}\` what a handler left unread keeps no session whose client is gone`, async (t) => {
    const { app, port } = await guardedApp({
      t,
      protocol: 'h2c',
      guard: { linger },
      routes: (app) => {
        app.addContentTypeParser('application/x-stream', (_request, payload, done) => done(null, payload))
        app.post('/', ({ raw }, reply) => {
          raw.once('data', () => {
            raw.pause()
            reply.send({})
          })
        })
      }
    })
    await Promise.all([0, Flag.END_STREAM].map(async (end) => {
      const client = await new Http2Client(port).open()
      const head = headers(1, requestBlock('POST', '/', { 'content-type': 'application/x-stream' }))
      const unread = 'x'.repeat(16_384)
      await client.write(head, data(1, unread), data(1, unread), data(1, unread, end))
      t.equal((await client.answer(1, ({ ended, reset }) => end > 0 ? ended : reset !== undefined)).statusCode, 200)
      // Node reads nothing more from a session that has been told to end and has no streams.
      await client.write(goAway())
      client.raw.fin()
    }))
    await deserted(app)
    t.pass('the connections are closed')
  })
}
