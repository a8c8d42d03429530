import t from 'tap'
import type { AbortRecord, ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp, noise } from '../support/app/guarded-app.js'
import { type Http2Kind, http2Kinds } from '../support/app/http2-consumers.js'
import type { ServerKind } from '../support/app/transport.js'
import { Http2Client } from '../support/client/http2-client.js'
import { continuation, Flag, headers, ping, PREFACE, requestBlock, settings, windowUpdate } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

t.jobs = 20

const LIMIT = 400
const RESOLUTION = 50
const INITIAL_WINDOW_SIZE = 4
/** Time may be measured from a moment after that of the other side. */
const SLACK = 2
const LINGER = 300
const LARGE = 'x'.repeat(3_000_000)

interface Parties extends GuardedApp {
  readonly client: Http2Client
}

const block = requestBlock('GET', '/')
const [start, middle, end] = [block.subarray(0, 10), block.subarray(10, -10), block.subarray(-10)]

async function parties ({ protocol, tls }: Http2Kind, guard: ReadGuardOptions = {}, own: ServerKind = {}, stays = false): Promise<Parties> {
  const guarded = await guardedApp({
    protocol,
    guard: { headersTimeout: LIMIT, resolution: RESOLUTION, linger: { timeout: LINGER, bytes: 100_000 }, ...guard },
    fastify: own,
    routes: (app) => {
      app.get('/', async () => 'ok')
      app.get('/large', async () => LARGE)
      app.get('/slow', async () => { await delay(LIMIT * 2); return 'slow' })
    }
  })
  return { ...guarded, client: new Http2Client(guarded.port, { tls, stays }) }
}

/** The frame header comes whole: nghttp2 takes its pieces for too many frames. */
async function trickleBlock (client: Http2Client): Promise<void> {
  const frame = continuation(1, middle)
  await client.write(headers(1, start, 0), frame.subarray(0, 9))
  await client.raw.trickle(frame.toString('latin1', 9), LIMIT / 20)
}

const timeout = { code: 'FST_READ_HEADERS_TIMEOUT', reason: 'headers_timeout', blame: 'client_slow', statusCode: 408, limit: LIMIT } as const

/** What never becomes a request. */
interface Stall {
  readonly name: string
  readonly send: (client: Http2Client) => Promise<unknown>
  /** The header section began with the connection. */
  readonly fresh: boolean
  readonly received: (bytes: number) => boolean
}

const stalls: readonly Stall[] = [
  { name: 'a silent connection', fresh: true, send: async () => {}, received: bytes => bytes === 0 },
  { name: 'half a preface', fresh: true, send: client => client.write(PREFACE.subarray(0, 10)), received: bytes => bytes === 10 },
  { name: 'a preface without SETTINGS', fresh: true, send: client => client.write(PREFACE), received: bytes => bytes === PREFACE.length },
  { name: 'a preface byte by byte', fresh: true, send: client => client.raw.trickle(PREFACE.toString('latin1'), LIMIT / 10), received: bytes => bytes > 1 },
  {
    name: 'HEADERS without END_HEADERS',
    fresh: false,
    send: async client => { await client.open(); await client.write(headers(1, start, 0)) },
    received: bytes => bytes >= 9 + start.length
  },
  {
    name: 'HEADERS cut short',
    fresh: false,
    send: async client => { await client.open(); await client.write(headers(1, block).subarray(0, 20)) },
    received: bytes => bytes >= 20
  },
  {
    name: 'CONTINUATION byte by byte',
    fresh: false,
    send: async (client) => {
      await client.open()
      await trickleBlock(client)
    },
    received: bytes => bytes > 9 + start.length + 10
  }
]

for (const kind of http2Kinds) {
  for (const { name, fresh, send, received } of stalls) {
    t.test(`${kind.name}: ${name} is ended at headersTimeout and not by a byte later`, async (t) => {
      const { app, client, recorded, records, log } = await parties(kind)
      await client.raw.connected()
      const { localPort } = client.raw.socket
      const began = performance.now()
      await send(client)
      const { elapsed } = await client.closed
      await recorded()
      await app.close()
      t.match(records, [{
        ...timeout, phase: 'headers', answered: false, observed: false, protocol: 'h2', tls: kind.tls, expected: undefined, method: undefined, url: undefined, route: undefined, reqId: undefined, remoteAddress: '127.0.0.1', remotePort: localPort
      }])
      t.equal(records.length, 1)
      const record = records[0] as AbortRecord
      t.ok(received(record.received), `${record.received} bytes received`)
      t.ok(record.elapsed >= LIMIT, `counted ${record.elapsed} ms`)
      t.ok(fresh ? elapsed >= LIMIT - SLACK : performance.now() - began >= LIMIT, `not before the limit (${elapsed})`)
      t.same(noise(log), [])
    })
  }

  t.test(`${kind.name}: a block that keeps below minHeadersRate is ended`, async (t) => {
    const { app, client, recorded } = await parties(kind, { headersTimeout: 0, minHeadersRate: { bytesPerSecond: 2000, gracePeriod: LIMIT } })
    await client.open()
    await trickleBlock(client)
    await client.closed
    t.match(await recorded(), [{ code: 'FST_READ_HEADERS_TOO_SLOW', limit: 2000, phase: 'headers', protocol: 'h2' }])
    await app.close()
  })

  t.test(`${kind.name}: a session without requests is left to http2SessionTimeout`, async (t) => {
    const { app, client, records } = await parties(kind, {}, { http2SessionTimeout: LIMIT * 2.5 })
    await client.open()
    const { elapsed } = await client.closed
    await app.close()
    t.ok(elapsed >= LIMIT * 2.5 - SLACK, `open for ${elapsed} ms`)
    t.same(records, [])
  })

  t.test(`${kind.name}: frames of other kinds are no header block`, async (t) => {
    const { app, client, records } = await parties(kind)
    await client.open()
    await client.write(headers(1, block, Flag.END_HEADERS | Flag.END_STREAM))
    t.equal((await client.answer(1)).body, 'ok')
    const until = performance.now() + LIMIT * 2
    while (performance.now() < until) {
      for (const frame of [windowUpdate(0, 1), ping(), settings()]) await client.raw.trickle([frame], 5)
    }
    await client.write(headers(3, block, Flag.END_HEADERS | Flag.END_STREAM))
    t.equal((await client.answer(3)).body, 'ok')
    client.raw.fin()
    await app.close()
    t.same(records, [])
  })

  t.test(`${kind.name}: a block that nghttp2 has refused is not one under way`, async (t) => {
    const { app, client, records } = await parties(kind)
    await client.open()
    await client.write(headers(1, requestBlock('GET', '/', { 'Upper-Case': 'x' }), Flag.END_HEADERS | Flag.END_STREAM))
    t.equal((await client.answer(1)).reset, 1)
    await delay(LIMIT * 2)
    await client.write(headers(3, block, Flag.END_HEADERS | Flag.END_STREAM))
    t.equal((await client.answer(3)).body, 'ok')
    client.raw.fin()
    await app.close()
    t.same(records, [])
  })

  t.test(`${kind.name}: a block in pieces is answered when it is whole in time`, async (t) => {
    const { app, client, records } = await parties(kind)
    await client.open()
    for (const stream of [1, 3]) {
      await client.write(headers(stream, start, Flag.END_STREAM))
      await delay(LIMIT * 0.6)
      await client.write(continuation(stream, middle), continuation(stream, end, Flag.END_HEADERS))
      t.equal((await client.answer(stream)).body, 'ok')
    }
    client.raw.fin()
    await app.close()
    t.same(records, [])
  })

  t.test(`${kind.name}: requests under way are answered before the session ends`, async (t) => {
    const { app, client, recorded } = await parties(kind, {}, {}, true)
    await client.open()
    await client.write(headers(1, requestBlock('GET', '/slow'), Flag.END_HEADERS | Flag.END_STREAM))
    await client.write(headers(3, start, 0))
    await recorded()
    t.equal(client.peek(1).ended, false)
    await client.until(() => client.isGoing, 'GOAWAY')
    t.equal((await client.answer(1)).body, 'slow')
    t.match(await recorded(), [timeout])
    client.raw.socket.destroy()
    await app.close()
  })

  t.test(`${kind.name}: a session that closes is not cut before its client has read the answer`, async (t) => {
    // Long enough for a busy machine to begin the answer.
    const http2SessionTimeout = LIMIT * 4
    const { app, client } = await parties(kind, {}, { http2SessionTimeout })
    t.teardown(() => {
      client.raw.socket.destroy()
      return app.close()
    })
    await client.open({ [INITIAL_WINDOW_SIZE]: LARGE.length * 2 })
    await client.write(windowUpdate(0, LARGE.length * 2), headers(1, requestBlock('GET', '/large'), Flag.END_HEADERS | Flag.END_STREAM))
    await client.until(() => client.raw.text.length > 10_000, 'the answer begins')
    client.raw.socket.pause()
    await delay(http2SessionTimeout + LINGER * 3)
    client.raw.socket.resume()
    await client.closed
    t.equal(client.peek(1).body.length, LARGE.length)
  })

  t.test(`${kind.name}: a client that leaves is recorded as such`, async (t) => {
    const sends: Array<(client: Http2Client) => Promise<void>> = [
      async client => client.raw.fin(),
      async client => { await client.write(PREFACE.subarray(0, 10)); client.raw.fin() },
      async client => { await client.open(); await client.write(headers(1, start, 0)); client.raw.fin() }
    ]
    for (const send of sends) {
      const { app, client, recorded, records } = await parties(kind)
      await client.raw.ready()
      await send(client)
      await client.closed
      await recorded()
      await app.close()
      t.match(records, [{ code: 'FST_READ_ABORTED', reason: 'client_aborted', phase: 'headers', statusCode: 499, protocol: 'h2', remoteAddress: '127.0.0.1' }])
      t.equal(records.length, 1)
    }
  })

  t.test(`${kind.name}: a session that ends between two requests is no failed read`, async (t) => {
    const { app, client, records } = await parties(kind)
    await client.open()
    await client.write(headers(1, block, Flag.END_HEADERS | Flag.END_STREAM))
    await client.answer(1)
    client.rst()
    await client.closed
    await app.close()
    t.same(records, [])
  })

  t.test(`${kind.name}: what is no HTTP/2 is recorded as malformed`, async (t) => {
    const { app, client, recorded } = await parties(kind)
    await client.raw.ready()
    await client.write(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))
    await client.closed
    t.match(await recorded(), [{ code: 'FST_READ_MALFORMED', phase: 'headers', answered: false }])
    await app.close()
  })

  // Node 20 sends GOAWAY and keeps the session, which then is one whose block never ends.
  t.test(`${kind.name}: a block that can't be decoded is recorded once`, async (t) => {
    const { app, client, recorded, records } = await parties(kind)
    await client.open()
    await client.write(headers(1, Buffer.alloc(8, 0xff)))
    await client.closed
    await recorded()
    await app.close()
    t.match(records, [process.version.startsWith('v20.') ? timeout : { code: 'FST_READ_MALFORMED', phase: 'headers', blame: 'client_invalid' }])
    t.equal(records.length, 1)
  })

  t.test(`${kind.name}: a block that is only observed is recorded once and goes on`, async (t) => {
    const { app, client, recorded, records } = await parties(kind, { mode: 'observe' })
    await recorded()
    await client.open()
    await client.write(headers(1, start, Flag.END_STREAM))
    await recorded(2)
    await delay(LIMIT)
    await client.write(continuation(1, middle), continuation(1, end, Flag.END_HEADERS))
    t.equal((await client.answer(1)).body, 'ok')
    client.raw.fin()
    await app.close()
    t.match(records, [{ ...timeout, received: 0, observed: true }, { ...timeout, observed: true }])
    t.equal(records.length, 2)
  })

  t.test(`${kind.name}: a session is closed although its client stays`, async (t) => {
    const { app, client, recorded } = await parties(kind, {}, {}, true)
    await client.open()
    await client.write(headers(1, block, Flag.END_HEADERS | Flag.END_STREAM))
    await client.answer(1)
    await client.write(headers(3, start, 0))
    await recorded()
    await until(() => app.readGuard.stats().reading.lingering === 1, 'it lingers')
    const lingers = performance.now()
    await until(() => app.readGuard.stats().reading.lingering === 0, 'and is closed')
    t.ok(performance.now() - lingers >= LINGER - RESOLUTION, 'when it has lingered')
    client.raw.socket.destroy()
    await app.close()
  })
}
