import { duplexPair } from 'node:stream'
import t from 'tap'
import type { AbortRecord, ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, noise } from '../support/app/guarded-app.js'
import { bufferedConsumer, http2Kinds, http2Parties, streamedConsumer } from '../support/app/http2-consumers.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, FrameType, headers, parseFrames, PREFACE, requestBlock, rstStream, settings, statusOf } from '../support/client/http2-frames.js'
import { repeat } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

t.jobs = 20

const LIMIT = 300
const RESOLUTION = 50
const LINGER = 200
const INITIAL_WINDOW_SIZE = 4
const CANCEL = 8
/** Time may be measured from a moment after that of the other side. */
const SLACK = 2

interface Failure {
  readonly name: string
  readonly guard: ReadGuardOptions
  readonly headers?: Readonly<Record<string, string>>
  /** What is sent of the body, with a pause before each piece. */
  readonly pieces: Iterable<string>
  readonly pause?: number
  readonly record: Partial<AbortRecord>
  /** Refused before a byte is read. */
  readonly atOnce?: boolean
}

const BODY_LIMIT = 20
const tooLarge = { code: 'FST_READ_BODY_TOO_LARGE', reason: 'body_too_large', blame: 'client_invalid', statusCode: 413, limit: BODY_LIMIT } as const

const failures: readonly Failure[] = [
  {
    name: 'a body that stalls',
    guard: { bodyIdleTimeout: LIMIT },
    headers: { 'content-length': '100' },
    pieces: ['x'.repeat(10)],
    record: { code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', blame: 'client_slow', statusCode: 408, limit: LIMIT, received: 10, expected: 100 }
  },
  {
    name: 'a body that never begins',
    guard: { bodyIdleTimeout: LIMIT },
    pieces: [],
    record: { code: 'FST_READ_BODY_IDLE_TIMEOUT', statusCode: 408, limit: LIMIT, received: 0, expected: undefined }
  },
  {
    name: 'a body that takes too long',
    guard: { bodyTimeout: LIMIT, bodyIdleTimeout: 0 },
    pieces: repeat('x', 1000),
    pause: 20,
    record: { code: 'FST_READ_BODY_TIMEOUT', reason: 'body_timeout', statusCode: 408, limit: LIMIT, expected: undefined }
  },
  {
    name: 'a body that is too slow',
    guard: { minBodyRate: { bytesPerSecond: 1000, gracePeriod: LIMIT }, bodyIdleTimeout: 0 },
    pieces: repeat('x', 1000),
    pause: 20,
    record: { code: 'FST_READ_BODY_TOO_SLOW', reason: 'body_too_slow', statusCode: 408, limit: 1000 }
  },
  {
    name: 'a body that declares too much',
    guard: { bodyLimit: BODY_LIMIT },
    headers: { 'content-length': String(BODY_LIMIT + 1) },
    pieces: [],
    atOnce: true,
    record: { ...tooLarge, received: 0, expected: BODY_LIMIT + 1 }
  },
  {
    name: 'a body that brings too much',
    guard: { bodyLimit: BODY_LIMIT },
    pieces: ['x'.repeat(BODY_LIMIT), 'x'],
    atOnce: true,
    record: { ...tooLarge, received: BODY_LIMIT + 1, expected: undefined }
  },
  {
    name: 'a body without content-length',
    guard: { requireContentLength: true },
    pieces: [],
    atOnce: true,
    record: { code: 'FST_READ_LENGTH_REQUIRED', reason: 'length_required', statusCode: 411, received: 0, expected: undefined }
  }
]

for (const kind of http2Kinds) {
  for (const [consumer, linger] of [[bufferedConsumer, false], [streamedConsumer, { timeout: LINGER, bytes: 100_000 }]] as const) {
    for (const { name, guard, headers: own = {}, pieces, pause = 0, record, atOnce = false } of failures) {
      t.test(`${kind.name}, ${consumer.name}: ${name} is answered on its stream while another goes on`, async (t) => {
        const { app, client, records, recorded, complete, log, handled } = await http2Parties(kind, consumer, { resolution: RESOLUTION, linger, ...guard }, (app) => {
          app.post('/other', { config: { readGuard: false } }, async (request) => ({ bytes: (request.body as string).length }))
        })
        const { localPort } = client.raw.socket
        await client.write(headers(1, requestBlock('POST', '/other', { 'content-type': 'text/plain' })), data(1, 'x'.repeat(100)))
        const began = performance.now()
        await client.write(headers(3, requestBlock('POST', '/', { 'content-type': consumer.type, ...own })))
        const trickle = client.raw.trickle(framed(pieces), pause)
        const answer = await client.answer(3, ({ reset }) => reset !== undefined)
        const elapsed = performance.now() - began
        await recorded()
        // The other stream, and the session, know nothing of it.
        await client.write(data(1, 'x'.repeat(50), Flag.END_STREAM))
        t.same((await client.answer(1)).json, { bytes: 150 })
        await client.write(headers(5, requestBlock('POST', '/other', { 'content-type': 'text/plain' })), data(5, 'x', Flag.END_STREAM))
        t.same((await client.answer(5)).json, { bytes: 1 })
        t.notOk(client.isGoing)
        client.raw.socket.destroy()
        await trickle
        await app.close()

        const { statusCode, code, received } = record
        t.equal(answer.statusCode, statusCode)
        t.match(answer.json, { statusCode, code })
        t.ok(answer.ended, 'the answer is whole')
        t.equal(answer.reset, 0, 'and followed by RST_STREAM(NO_ERROR)')
        t.same(client.frames().filter(({ stream }) => stream === 3).at(-1)?.type, FrameType.RST_STREAM)
        t.match(records, [{
          ...record, phase: 'body', answered: true, observed: false, protocol: 'h2', tls: kind.tls, method: 'POST', url: '/', route: '/', reqId: String, remoteAddress: '127.0.0.1', remotePort: localPort
        }])
        t.equal(records.length, 1)
        if (received !== undefined) t.equal(records[0]?.received, received)
        if (atOnce) t.ok(elapsed < LIMIT * 3, `at once (${elapsed})`)
        else t.ok(elapsed >= LIMIT - SLACK, `not before the limit (${elapsed})`)
        t.same(complete, [], 'the handler never has a whole body')
        t.match(handled, [{ code }])
        t.equal(handled.length, 1)
        t.same(noise(log), [])
      })
    }
  }

  t.test(`${kind.name}: a body at its limits passes`, async (t) => {
    const guard = { bodyLimit: BODY_LIMIT, bodyIdleTimeout: LIMIT, requireContentLength: true, resolution: RESOLUTION }
    const { app, client, records, complete } = await http2Parties(kind, bufferedConsumer, guard)
    for (const [stream, bytes] of [[1, BODY_LIMIT - 1], [3, BODY_LIMIT]] as const) {
      await client.write(headers(stream, requestBlock('POST', '/', { 'content-type': 'text/plain', 'content-length': String(bytes) })))
      await client.raw.trickle([...framed(repeat('x', bytes), stream)], LIMIT / 10)
      await client.write(data(stream, '', Flag.END_STREAM))
      t.same((await client.answer(stream)).json, { bytes })
    }
    client.raw.fin()
    await app.close()
    t.same(complete, [BODY_LIMIT - 1, BODY_LIMIT])
    t.same(records, [])
  })

  t.test(`${kind.name}: a client that opens no window for the answer does not keep the stream`, async (t) => {
    const { app, port, recorded } = await guardedApp({
      protocol: kind.protocol,
      guard: { bodyIdleTimeout: LIMIT, resolution: RESOLUTION, linger: { timeout: LINGER, bytes: 100_000 } },
      routes: (app) => { app.post('/', async () => 'ok') }
    })
    const client = await new Http2Client(port, { tls: kind.tls }).open({ [INITIAL_WINDOW_SIZE]: 0 })
    await client.write(headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain' })), data(1, 'x'))
    const { statusCode, body, reset } = await client.answer(1)
    t.match({ statusCode, body, reset }, { statusCode: 408, body: '', reset: CANCEL })
    t.match(await recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: false }])
    client.raw.fin()
    await app.close()
  })

  t.test(`${kind.name}: a request that ends with its head has no body to wait for`, async (t) => {
    const { app, client, records } = await http2Parties(kind, bufferedConsumer, { requireContentLength: true, bodyTimeout: LIMIT, resolution: RESOLUTION })
    await client.write(headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain' }), Flag.END_HEADERS | Flag.END_STREAM))
    t.same((await client.answer(1)).json, { bytes: 0 })
    client.raw.fin()
    await app.close()
    t.same(records, [])
  })
}

// Node hands over all that came of a request before it tells of it.
for (const [what, last, outcome] of [
  ['a body that came whole with its head is read', Buffer.alloc(0), undefined],
  ['a client that leaves in the packet of its head has left', rstStream(1), { code: 'FST_READ_ABORTED', expected: 5 }]
] as const) {
  t.test(`over a connection that is no socket, ${what}`, async (t) => {
    const { app, records, recorded } = await guardedApp({
      protocol: 'h2c',
      routes: (app) => { app.post('/', async (request) => request.body) }
    })
    const [client, server] = duplexPair()
    const received: Buffer[] = []
    client.on('data', (chunk: Buffer) => { received.push(chunk) })
    app.server.emit('connection', server)
    client.write(Buffer.concat([PREFACE, settings({ 1: 0 })]))
    await until(() => received.length > 0, 'settings')
    const isCut = outcome !== undefined
    const body = isCut ? data(1, 'body') : data(1, 'body!', Flag.END_STREAM)
    client.write(Buffer.concat([headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain', 'content-length': '5' })), body, last]))
    if (isCut) {
      t.match(await recorded(), [outcome])
    } else {
      const answer = () => parseFrames(Buffer.concat(received)).filter(({ stream }) => stream === 1)
      await until(() => answer().some(({ flags, type }) => type === FrameType.DATA && (flags & Flag.END_STREAM) !== 0), 'the answer')
      t.same(answer().flatMap(({ type, payload }) => type === FrameType.HEADERS ? [statusOf(payload)] : []), [200])
      t.same(Buffer.concat(answer().flatMap(({ type, payload }) => type === FrameType.DATA ? [payload] : [])).toString(), 'body!')
    }
    client.destroy()
    server.destroy()
    await app.close()
    t.equal(records.length, isCut ? 1 : 0)
  })
}

function * framed (pieces: Iterable<string>, stream = 3): Generator<Buffer> {
  for (const piece of pieces) yield data(stream, piece)
}
