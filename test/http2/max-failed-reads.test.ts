import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp, noise } from '../support/app/guarded-app.js'
import { type Http2Kind, http2Kinds } from '../support/app/http2-consumers.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, FrameType, headers, requestBlock, rstStream } from '../support/client/http2-frames.js'
import { delay, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { deserted } from '../support/oracle/server-state.js'

t.jobs = 10

const MOST = 5
const LIMIT = 300

interface Failure {
  readonly name: string
  readonly code: string
  readonly guard?: ReadGuardOptions
  /** With Fastify's own limit. */
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly frames: (stream: number) => readonly Buffer[]
  readonly statusCode: number
}

const failures: readonly Failure[] = [
  { name: 'bodies refused by their Content-Length', code: 'FST_READ_BODY_TOO_LARGE', headers: { 'content-length': '1000' }, frames: () => [], statusCode: 413 },
  { name: 'bodies that become too large', code: 'FST_READ_BODY_TOO_LARGE', frames: (stream) => [data(stream, 'x'.repeat(101))], statusCode: 413 },
  { name: 'bodies without a Content-Length', code: 'FST_READ_LENGTH_REQUIRED', guard: { requireContentLength: true }, frames: () => [], statusCode: 411 },
  { name: 'bodies that stall', code: 'FST_READ_BODY_IDLE_TIMEOUT', frames: (stream) => [data(stream, 'x')], statusCode: 408 },
  { name: 'bodies that Fastify refuses', code: 'FST_READ_BODY_TOO_LARGE', path: '/small', headers: { 'content-length': '50' }, frames: () => [], statusCode: 413 }
]

function routes (app: FastifyInstance): void {
  app.post('/', async (request) => request.body)
  app.post('/small', { bodyLimit: 10 }, async (request) => request.body)
  app.get('/slow', async () => {
    await delay(LIMIT * 3)
    return 'slow'
  })
}

interface Parties extends GuardedApp {
  readonly client: Http2Client
}

async function parties (t: Test, { protocol, tls }: Http2Kind, own: ReadGuardOptions): Promise<Parties> {
  const guarded = await guardedApp({ protocol, guard: { bodyIdleTimeout: LIMIT, bodyLimit: 100, resolution: 20, ...own }, routes })
  const client = await new Http2Client(guarded.port, { tls }).open()
  t.teardown(() => {
    client.raw.socket.destroy()
    return guarded.app.close()
  })
  return { ...guarded, client }
}

function failing (failure: Failure, stream: number): Buffer[] {
  return [headers(stream, requestBlock('POST', failure.path ?? '/', { 'content-type': 'text/plain', ...failure.headers })), ...failure.frames(stream)]
}

const slow = (stream: number): Buffer => headers(stream, requestBlock('GET', '/slow'), Flag.END_HEADERS | Flag.END_STREAM)
const oddNumbers = (count: number): number[] => Array.from({ length: count }, (_, i) => 2 * i + 1)

for (const kind of http2Kinds) {
  for (const failure of failures) {
    t.test(`${kind.name}: with the last of ${MOST} ${failure.name} a session says GOAWAY, finishes what is under way, and closes`, async (t) => {
      const { app, client, records, log } = await parties(t, kind, { maxFailedReads: MOST, ...failure.guard })
      const streams = oddNumbers(MOST)
      for (const stream of streams.slice(0, -1)) {
        await client.write(...failing(failure, stream))
        t.equal((await client.answer(stream)).statusCode, failure.statusCode)
      }
      await delay(LIMIT / 3)
      t.notOk(client.isGoing, 'one less is borne')
      const last = 2 * MOST - 1
      await client.write(slow(last + 2), ...failing(failure, last + 4))
      await client.until(() => client.isGoing, 'GOAWAY')
      // Too late: no answer is owed to it.
      await client.write(slow(last + 6))
      t.equal((await client.answer(last + 4)).statusCode, failure.statusCode)
      t.equal((await client.answer(last + 2)).body, 'slow')
      const seen = await client.closed
      t.equal(seen.end, 'FIN')
      t.equal(client.peek(last + 6).statusCode, undefined)
      await deserted(app)
      t.match(records, streams.map(() => ({ code: failure.code, answered: true })))
      t.equal(records.length, MOST)
      t.same(noise(log), [])
    })
  }

  t.test(`${kind.name}: clients that leave their streams do not count`, async (t) => {
    const { client, recorded } = await parties(t, kind, { maxFailedReads: MOST })
    for (const stream of oddNumbers(3 * MOST)) await client.write(headers(stream, requestBlock('POST', '/', { 'content-type': 'text/plain' })), data(stream, 'x'), rstStream(stream))
    t.match(await recorded(3 * MOST), oddNumbers(3 * MOST).map(() => ({ code: 'FST_READ_ABORTED' })))
    await client.write(slow(101))
    t.equal((await client.answer(101)).body, 'slow')
    t.notOk(client.isGoing)
  })

  for (const [name, own] of Object.entries({ 'with maxFailedReads: 0': { maxFailedReads: 0 }, 'where they are only observed': { maxFailedReads: MOST, mode: 'observe' } } as const)) {
    t.test(`${kind.name}: ${name} any number of reads may fail`, async (t) => {
      const { client, recorded } = await parties(t, kind, own)
      const streams = oddNumbers(150)
      for (const stream of streams) await client.write(headers(stream, requestBlock('POST', '/', { 'content-type': 'text/plain' })), data(stream, 'x'.repeat(101), Flag.END_STREAM))
      await recorded(streams.length)
      await client.write(slow(1001))
      t.equal((await client.answer(1001)).body, 'slow')
      t.notOk(client.isGoing)
    })
  }

  t.test(`${kind.name}: a hundred are borne by default, whatever their answers take`, async (t) => {
    const { client, records, recorded } = await parties(t, kind, { linger: { timeout: 200, bytes: 1_000 } })
    const streams = oddNumbers(5_000)
    for (const stream of streams) {
      if (!client.raw.socket.writable) break
      await client.write(headers(stream, requestBlock('POST', '/', { 'content-type': 'text/plain', 'content-length': '1000' })))
    }
    await recorded(100)
    await client.closed
    t.ok(client.isGoing)
    t.equal(client.frames().filter(({ type }) => type === FrameType.HEADERS).length, records.length)
    t.ok(records.length >= 100 && records.length < 200, `${records.length} are recorded: those that came in one packet with the last`)
  })
}

for (const protocol of ['http', 'https'] as const) {
  t.test(`${protocol}: a connection closes after the first of them, whatever maxFailedReads says`, async (t) => {
    for (const maxFailedReads of [0, 1, MOST]) {
      for (const failure of failures) {
        const { app, port, records } = await guardedApp({ protocol, guard: { bodyIdleTimeout: LIMIT, bodyLimit: 100, resolution: 20, linger: { timeout: 200, bytes: 1_000 }, maxFailedReads, ...failure.guard }, routes })
        const client = new RawClient(port, { tls: protocol === 'https' })
        await client.ready()
        const length = failure.headers?.['content-length'] ?? (failure.statusCode === 408 ? '2' : undefined)
        await client.write(head('POST', failure.path ?? '/', { 'Content-Type': 'text/plain', ...(length === undefined ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': length }) }))
        if (failure.name.includes('become')) await client.write(`65\r\n${'x'.repeat(101)}\r\n`)
        const { statusCode, headers } = onlyAnswer(await client.closed)
        t.match({ statusCode, headers }, { statusCode: failure.statusCode, headers: { connection: 'close' } }, `${failure.name}, ${maxFailedReads}`)
        t.match(records, [{ code: failure.code }])
        await app.close()
      }
    }
  })
}
