import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { type Http2Kind, http2Kinds } from '../support/app/http2-consumers.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, FrameType, headers, requestBlock, windowUpdate } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { deserted, underWay } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

/*
 * Clients that open no window for their answer (RFC 9113 §6.9).
 */

t.jobs = 20

const LIMIT = 300
const LINGER = 300
const INITIAL_WINDOW_SIZE = 4
/** What a client may have under way on a stream, and on all of a session, before a WINDOW_UPDATE. */
const WINDOW = 65_535
const BYTES = 100_000
const ANSWER = 'a'.repeat(1_000)
const guard: ReadGuardOptions = { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, bodyTimeout: LIMIT * 2, resolution: 50, linger: { timeout: LINGER, bytes: BYTES } }

function routes (app: FastifyInstance): void {
  app.get('/', async () => ANSWER)
  app.post('/unread', async () => ANSWER)
  app.post('/private', { onRequest: async (_request, reply) => reply.code(401).send(ANSWER) }, async () => '')
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).send(ANSWER))
}

interface Parties extends GuardedApp {
  readonly client: Http2Client
}

async function parties (t: Test, kind: Http2Kind, own: ReadGuardOptions = {}, forceCloseConnections = false): Promise<Parties> {
  const guarded = await guardedApp({ protocol: kind.protocol, guard: { ...guard, ...own }, fastify: { forceCloseConnections }, routes })
  const client = await new Http2Client(guarded.port, { tls: kind.tls, stays: true }).open({ [INITIAL_WINDOW_SIZE]: 0 })
  t.teardown(() => {
    client.raw.socket.destroy()
    return guarded.app.close()
  })
  return { ...guarded, client }
}

const post = (path: string): Buffer => headers(1, requestBlock('POST', path, { 'content-type': 'application/x-stream' }))

for (const kind of http2Kinds) {
  for (const linger of [{ timeout: LINGER, bytes: BYTES }, false] as const) {
    for (const [path, statusCode] of [['/unread', 415], ['/private', 401], ['/missing', 404]] as const) {
      t.test(`${kind.name}: a body is no read once ${statusCode} was given, which has its time to leave (linger: ${linger !== false})`, async (t) => {
        const all = await parties(t, kind, { linger })
        const { app, client, records } = all
        await client.write(post(path), data(1, 'x'))
        await client.until(() => client.peek(1).statusCode === statusCode, 'the head of the answer')
        // It is its client that reads.
        await until(() => underWay(app) === app.readGuard.stats().reading.response, 'nothing is read any more')
        await delay(LINGER * 3)
        t.match(client.peek(1), { ended: false, reset: undefined }, 'it is not cut off')
        // What comes late is thrown away.
        await client.write(data(1, 'x'))
        await client.write(windowUpdate(1, WINDOW))
        const { body, ended, reset } = await client.answer(1, ({ reset }) => reset !== undefined)
        t.match({ ended, reset }, { ended: true, reset: 0 })
        t.ok(statusCode === 415 || body === ANSWER)
        const last = client.frames().filter(({ stream }) => stream === 1).slice(-2)
        t.match(last, [{ flags: Flag.END_STREAM }, { type: FrameType.RST_STREAM }], 'the answer is whole before its stream is reset')
        t.same(records, [])
      })
    }
  }

  t.test(`${kind.name}: while an answer can't leave, no more is read than lingering has bounds for`, async (t) => {
    const all = await parties(t, kind)
    const { client } = all
    await client.write(post('/missing'))
    await client.until(() => client.peek(1).statusCode === 404, 'the head of the answer')
    const windowOf = (stream: number): number => client.frames().filter(frame => frame.type === FrameType.WINDOW_UPDATE && frame.stream === stream)
      .reduce((sum, { payload }) => sum + payload.readUInt32BE(), WINDOW)
    let sent = 0
    const end = performance.now() + LINGER * 4
    while (performance.now() < end) {
      const length = Math.min(16_384, windowOf(0) - sent, windowOf(1) - sent)
      if (length > 0) await client.write(data(1, 'x'.repeat(length)))
      sent += length
      await delay(1)
    }
    t.ok(sent <= BYTES + WINDOW * 3, `${sent} bytes`)
    t.equal(client.peek(1).reset, undefined)
  })

  t.test(`${kind.name}: a client that leaves its answer behind leaves nothing else`, async (t) => {
    const all = await parties(t, kind)
    const { app, client } = all
    await client.write(post('/missing'), data(1, 'x'.repeat(16_000)))
    await client.until(() => client.peek(1).statusCode === 404, 'the head of the answer')
    await delay(LINGER)
    await client.write(data(1, 'x'.repeat(16_000)))
    client.raw.socket.destroy()
    await deserted(app)
    t.equal(underWay(app), 0)
  })

  for (const forceCloseConnections of [true, false]) {
    const attacks = {
      'a GET': [headers(1, requestBlock('GET', '/'), Flag.END_HEADERS | Flag.END_STREAM)],
      'a POST that does not end': [post('/missing'), data(1, 'x')],
      'a POST that trickles': [post('/missing'), data(1, 'x')]
    } as const
    for (const [name, frames] of Object.entries(attacks)) {
      t.test(`${kind.name}: ${name} does not keep the application from closing, with forceCloseConnections: ${forceCloseConnections}`, async (t) => {
        const { app, client, records } = await parties(t, kind, {}, forceCloseConnections)
        await client.write(...frames)
        await client.until(() => client.peek(1).statusCode !== undefined, 'the head of the answer')
        await delay(LINGER)
        const trickle = name.endsWith('trickles') ? setInterval(() => { client.write(data(1, 'x')).catch(() => {}) }, LINGER / 5) : undefined
        const began = performance.now()
        await app.close()
        const elapsed = performance.now() - began
        clearInterval(trickle)
        t.ok(elapsed < LINGER * 4 + 4_000, `closed in ${elapsed} ms`)
        t.same(records, [])
      })
    }
  }

  t.test(`${kind.name}: an answer that is slow is not cut off because the application closes`, async (t) => {
    const { app, client } = await parties(t, kind)
    await client.write(headers(1, requestBlock('GET', '/'), Flag.END_HEADERS | Flag.END_STREAM))
    await client.until(() => client.peek(1).statusCode === 200, 'the head of the answer')
    const closed = app.close()
    // nghttp2 ends the stream when there is room for more.
    for (let sent = 0; sent <= ANSWER.length; sent += 100) {
      await delay(LINGER / 2)
      await client.write(windowUpdate(1, 100))
    }
    t.match(await client.answer(1), { body: ANSWER, ended: true, reset: undefined })
    await closed
  })
}
