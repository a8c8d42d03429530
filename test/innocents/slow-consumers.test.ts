import t, { type Test } from 'tap'
import { once } from 'node:events'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyRequest } from 'fastify'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { chunk, delay, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { quiet } from '../support/oracle/server-state.js'

t.jobs = 20

const LIMIT = 1_000
const LONG = LIMIT * 5

/** A client's own time is less than this, however long the consumer takes. */
const guard: ReadGuardOptions = {
  bodyTimeout: LIMIT,
  bodyIdleTimeout: LIMIT,
  minBodyRate: { bytesPerSecond: 1_000, gracePeriod: LIMIT },
  resolution: 50
}

/** Reads a body to its end, and tells how many bytes it had. */
type Consumer = (request: FastifyRequest) => Promise<number>

interface ConsumerApp extends GuardedApp {
  /** The requests that reached the handler. */
  readonly requests: FastifyRequest[]
}

async function consumerApp (t: Test, consume: Consumer, own: ReadGuardOptions = {}): Promise<ConsumerApp> {
  const requests: FastifyRequest[] = []
  const guarded = await guardedApp({
    t,
    guard: { ...guard, ...own },
    routes: (app) => {
      app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))
      app.post('/', async (request) => {
        requests.push(request)
        return { received: await consume(request) }
      })
    }
  })
  return { ...guarded, requests }
}

function upload (headers: Readonly<Record<string, string | number>>): string {
  return head('POST', '/', { 'Content-Type': 'application/octet-stream', Connection: 'close', ...headers })
}

const afterwards: Consumer = async (request) => {
  await delay(LONG)
  return (await request.readRawBody()).length
}

const SMALL = 1_000
const whole = [
  ['in the packet of the head', [upload({ 'Content-Length': SMALL }) + 'x'.repeat(SMALL)]],
  ['in a packet of its own', [upload({ 'Content-Length': SMALL }), 'x'.repeat(SMALL)]],
  ['in chunks', [upload({ 'Transfer-Encoding': 'chunked' }), chunk('x'.repeat(SMALL)), '0\r\n\r\n']],
  ['of 60 KB', [upload({ 'Content-Length': 60_000 }), 'x'.repeat(60_000)]]
] as const

for (const [name, pieces] of whole) {
  t.test(`a body ${name} waits in buffers for a handler that reads late`, async (t) => {
    const guarded = await consumerApp(t, afterwards)
    const client = new RawClient(guarded.port)
    for (const piece of pieces) await client.write(piece)
    const seen = await client.closed
    t.ok(seen.elapsed >= LONG)
    t.match(onlyAnswer(seen), { statusCode: 200, json: { received: name === 'of 60 KB' ? 60_000 : SMALL } })
    t.strictSame(guarded.records, [])
  })
}

/** More than the stream holds: the rest waits in the kernel until it is asked for. */
const LARGE = 2 * 1024 * 1024

async function pause (bytes: number): Promise<void> {
  await delay(LONG * bytes / LARGE)
}

const slow: Readonly<Record<string, Consumer>> = {
  'starts to read late': afterwards,
  'reads slowly with for await': async (request) => {
    let received = 0
    for await (const data of request.raw as AsyncIterable<Buffer>) {
      received += data.length
      await pause(data.length)
    }
    return received
  },
  'reads slowly with pipeline': async (request) => {
    let received = 0
    await pipeline(request.raw, new Writable({
      write (data: Buffer, _encoding, done) {
        received += data.length
        pause(data.length).then(() => done())
      }
    }))
    return received
  },
  'reads slowly with pause() and resume()': async (request) => {
    let received = 0
    request.raw.on('data', (data: Buffer) => {
      received += data.length
      request.raw.pause()
      pause(data.length).then(() => request.raw.resume())
    })
    await once(request.raw, 'end')
    return received
  },
  'reads slowly with read()': async (request) => {
    let received = 0
    while (!request.raw.readableEnded) {
      const data = request.raw.read() as Buffer | null
      if (data === null) {
        await Promise.race([once(request.raw, 'readable'), once(request.raw, 'end')])
      } else {
        received += data.length
        await pause(data.length)
      }
    }
    return received
  },
  'takes half, rests, and takes the rest': async (request) => {
    let received = 0
    for await (const data of request.raw as AsyncIterable<Buffer>) {
      const half = received < LARGE / 2
      received += data.length
      if (half && received >= LARGE / 2) await delay(LONG)
    }
    return received
  }
}

for (const [name, consume] of Object.entries(slow)) {
  for (const framing of ['Content-Length', 'chunks'] as const) {
    t.test(`a client is not blamed for a consumer that ${name} (${framing})`, async (t) => {
      const guarded = await consumerApp(t, consume)
      const client = new RawClient(guarded.port)
      const quarter = Buffer.alloc(LARGE / 4)
      if (framing === 'chunks') await client.write(upload({ 'Transfer-Encoding': 'chunked' }))
      else await client.write(upload({ 'Content-Length': LARGE }))
      for (let i = 0; i < 4; i++) {
        if (framing === 'chunks') await client.write(`${quarter.length.toString(16)}\r\n`)
        await client.write(quarter)
        if (framing === 'chunks') await client.write('\r\n')
      }
      if (framing === 'chunks') await client.write('0\r\n\r\n')
      const seen = await client.closed
      t.ok(seen.elapsed >= LONG * 0.9, `${seen.elapsed}`)
      t.match(onlyAnswer(seen), { statusCode: 200, json: { received: LARGE } })
      t.strictSame(guarded.records, [])
      const { elapsed, paused } = guarded.requests[0]?.readGuard ?? { elapsed: NaN, paused: NaN }
      t.ok(elapsed < LIMIT, `${elapsed} ms were the client's`)
      t.ok(paused >= LONG / 2, `${paused} ms were not`)
    })
  }
}

t.test('a client that can not send, because all buffers are full, is not blamed', async (t) => {
  const guarded = await consumerApp(t, afterwards, { bodyTimeout: 0 })
  const client = new RawClient(guarded.port)
  const size = 16 * 1024 * 1024
  await client.write(upload({ 'Content-Length': size }))
  const sent = client.write(Buffer.alloc(size)).then(() => performance.now())
  const begun = performance.now()
  t.match(onlyAnswer(await client.closed), { statusCode: 200, json: { received: size } })
  t.ok(await sent - begun >= LONG * 0.9, 'it was held back')
  t.strictSame(guarded.records, [])
})

t.test('a client that stalls is ended although a handler has not begun to read', async (t) => {
  const guarded = await consumerApp(t, afterwards)
  const client = new RawClient(guarded.port)
  await client.write(upload({ 'Content-Length': SMALL }) + 'x'.repeat(SMALL / 2))
  t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { code: /^FST_READ_BODY_/ } })
  const [record] = await guarded.recorded()
  t.match(record, { received: SMALL / 2, expected: SMALL, answered: true })
  t.ok(record !== undefined && record.elapsed >= LIMIT && record.elapsed < LIMIT + 200, `${record?.elapsed} ms`)
  t.equal(guarded.records.length, 1)
})

t.test('a client that stalls is ended once the consumer it was waiting for has caught up', async (t) => {
  const guarded = await consumerApp(t, slow['reads slowly with for await'] ?? afterwards)
  const client = new RawClient(guarded.port)
  await client.write(upload({ 'Content-Length': LARGE }))
  await client.write(Buffer.alloc(LARGE / 2))
  t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { code: /^FST_READ_BODY_/ } })
  const [record] = await guarded.recorded()
  t.match(record, { received: LARGE / 2, expected: LARGE, answered: true })
  t.ok(record !== undefined && record.paused >= LONG / 4, `${record?.paused} ms were not the client's`)
  t.ok(record !== undefined && record.elapsed >= LIMIT && record.elapsed < LIMIT * 2, `${record?.elapsed} ms were`)
  t.equal(guarded.records.length, 1)
})

t.test('a client that is ended does not hold its consumer', async (t) => {
  const guarded = await consumerApp(t, slow['reads slowly with pipeline'] ?? afterwards)
  const client = new RawClient(guarded.port)
  await client.write(upload({ 'Transfer-Encoding': 'chunked' }) + chunk('x'))
  t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { code: /^FST_READ_BODY_/ } })
  t.match(guarded.handled, [{ code: /^FST_READ_BODY_/ }])
  await quiet(guarded.app)
})
