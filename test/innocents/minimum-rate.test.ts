import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { chunk, delay, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'

t.jobs = 8

const RATE = 200
const GRACE = 500
const DURATION = 20_000
/** Ten packets a second. */
const TICK = 100
const PER_TICK = RATE * TICK / 1000
const ABOVE = PER_TICK + 1
const BELOW = PER_TICK - 2

const rate = { bytesPerSecond: RATE, gracePeriod: GRACE }

function server (t: Test): Promise<GuardedApp> {
  return guardedApp({
    t,
    guard: { headersTimeout: 0, minHeadersRate: rate, minBodyRate: rate },
    routes: (app) => { app.all('/', async (request) => ({ received: request.readGuard.received })) }
  })
}

/** Sends at a steady pace, in time whatever a single timer does, until it is done or ended. */
async function steadily (client: RawClient, piece: string): Promise<void> {
  const begun = performance.now()
  for (let due = TICK; due <= DURATION && client.socket.writable; due += TICK) {
    await delay(Math.max(0, begun + due - performance.now()))
    await client.write(piece)
  }
}

const bytes = (count: number): string => 'x'.repeat(count)
const text = { 'Content-Type': 'text/plain', Connection: 'close' }

/** What comes first, what a steady piece of so many bytes is, and what ends it. */
const kinds = {
  headers: {
    first: 'GET / HTTP/1.1\r\nX: ',
    piece: bytes,
    last: '\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    code: 'FST_READ_HEADERS_TOO_SLOW'
  },
  body: {
    first: head('POST', '/', { ...text, 'Content-Length': ABOVE * DURATION / TICK + 1 }),
    piece: bytes,
    last: 'x',
    code: 'FST_READ_BODY_TOO_SLOW'
  },
  'chunked body': {
    first: head('POST', '/', { ...text, 'Transfer-Encoding': 'chunked' }),
    piece: (count: number) => chunk(bytes(count)),
    last: '0\r\n\r\n',
    code: 'FST_READ_BODY_TOO_SLOW'
  }
}

for (const [name, { first, piece, last, code }] of Object.entries(kinds)) {
  t.test(`${name} just above the minimum rate may come for 20 seconds`, async (t) => {
    const guarded = await server(t)
    const client = new RawClient(guarded.port)
    await client.write(first)
    await steadily(client, piece(ABOVE))
    await client.write(last)
    const seen = await client.closed
    t.ok(seen.elapsed >= DURATION)
    t.equal(onlyAnswer(seen).statusCode, 200)
    t.strictSame(guarded.records, [])
  })

  t.test(`${name} just below the minimum rate may come until the grace is spent`, async (t) => {
    const guarded = await server(t)
    const client = new RawClient(guarded.port)
    await client.write(first)
    await steadily(client, piece(BELOW))
    t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { code } })
    const [record] = await guarded.recorded()
    t.match(record, { code, limit: RATE, blame: 'client_slow', answered: true })
    // A tenth of the time is missing in the bytes.
    const spent = GRACE * PER_TICK / (PER_TICK - BELOW)
    t.ok(record !== undefined && record.elapsed >= spent * 0.8, `${record?.elapsed} ms`)
    t.ok(record !== undefined && record.elapsed < spent * 1.3, `${record?.elapsed} ms`)
    t.ok(record !== undefined && record.rate > BELOW * 0.9 * 1000 / TICK && record.rate < RATE, `${record?.rate} bytes per second`)
    t.equal(guarded.records.length, 1)
  })
}
