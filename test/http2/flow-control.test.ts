import t from 'tap'
import type { FastifyRequest } from 'fastify'
import { http2Kinds, http2Parties, streamedConsumer } from '../support/app/http2-consumers.js'
import type { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, FrameType, headers, requestBlock } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

t.jobs = 20

const LIMIT = 300
const guard = { bodyTimeout: LIMIT, bodyIdleTimeout: LIMIT, minBodyRate: { bytesPerSecond: 1000, gracePeriod: LIMIT }, resolution: 50 } as const
/** What a stream may have under way: Node's default. */
const WINDOW = 65_535
const CHUNK = Buffer.alloc(16_000)

function post (stream: number, url: string): Buffer {
  return headers(stream, requestBlock('POST', url, { 'content-type': 'application/x-stream' }))
}

/** Fills the stream's window, and the session's as far as it is given back. */
async function fill (client: Http2Client, stream: number): Promise<number> {
  const chunks = Math.floor(WINDOW / CHUNK.length)
  for (let i = 0; i < chunks; i++) await client.write(data(stream, CHUNK))
  return chunks * CHUNK.length
}

function granted (client: Http2Client, id: number): number {
  const updates = client.frames().filter(({ type, stream }) => type === FrameType.WINDOW_UPDATE && stream === id)
  return updates.reduce((window, { payload }) => window + payload.readUInt32BE(), WINDOW)
}

/** Sends as fast as both windows allow. */
async function upload (client: Http2Client, stream: number, chunks: number): Promise<void> {
  for (let sent = CHUNK.length; sent <= CHUNK.length * chunks; sent += CHUNK.length) {
    await client.until(() => Math.min(granted(client, stream), granted(client, 0)) >= sent, 'a WINDOW_UPDATE')
    await client.write(data(stream, CHUNK))
  }
  await client.write(data(stream, '', Flag.END_STREAM))
}

async function count (request: FastifyRequest, pause = 0): Promise<{ bytes: number, paused: number, elapsed: number }> {
  let bytes = 0
  for await (const chunk of request.raw) {
    bytes += (chunk as Buffer).length
    if (pause > 0) await delay(pause)
  }
  const { paused, elapsed } = request.readGuard
  return { bytes, paused, elapsed }
}

for (const kind of http2Kinds) {
  t.test(`${kind.name}: a handler that does not read yet is not held against the client`, async (t) => {
    const { app, client, records } = await http2Parties(kind, streamedConsumer, guard, (app) => {
      app.post('/late', async (request) => {
        await delay(LIMIT * 3)
        return await count(request)
      })
    })
    await client.write(post(1, '/late'))
    const bytes = await fill(client, 1)
    await client.write(data(1, '', Flag.END_STREAM))
    const { json } = await client.answer(1)
    client.raw.fin()
    await app.close()
    t.equal(json.bytes, bytes)
    t.ok(Number(json.paused) >= LIMIT * 2, `${json.paused} ms are not counted`)
    t.ok(Number(json.elapsed) < LIMIT, `${json.elapsed} ms are`)
    t.same(records, [])
  })

  t.test(`${kind.name}: a handler that reads slowly is not held against the client`, async (t) => {
    const { app, client, records } = await http2Parties(kind, streamedConsumer, guard, (app) => {
      app.post('/slow', (request) => count(request, LIMIT * 0.9))
    })
    const chunks = 12
    await client.write(post(1, '/slow'))
    await upload(client, 1, chunks)
    const { statusCode, json } = await client.answer(1)
    client.raw.fin()
    await app.close()
    t.equal(statusCode, 200)
    t.equal(json.bytes, CHUNK.length * chunks)
    t.ok(Number(json.paused) >= LIMIT, `${json.paused} ms are not counted`)
    t.same(records, [])
  })

  t.test(`${kind.name}: a client that stalls once the handler reads is timed`, async (t) => {
    let reads = 0
    const { app, client, recorded } = await http2Parties(kind, streamedConsumer, { ...guard, linger: false }, (app) => {
      app.post('/late', async (request) => {
        await delay(LIMIT * 2)
        reads = performance.now()
        return await count(request)
      })
    })
    await client.write(post(1, '/late'), data(1, 'x'))
    const { statusCode } = await client.answer(1)
    const elapsed = performance.now() - reads
    const [record] = await recorded()
    client.raw.socket.destroy()
    await app.close()
    t.equal(statusCode, 408)
    t.ok(elapsed >= LIMIT, `${elapsed} ms after it began to read`)
    t.match(record, { phase: 'body', received: 1, blame: 'client_slow' })
    t.ok((record?.paused ?? 0) >= LIMIT, `${record?.paused} ms were not counted`)
  })

  t.test(`${kind.name}: streams that the application stalls do not take up the window of others`, async (t) => {
    const stalled: Array<() => void> = []
    const { app, client, records } = await http2Parties(kind, streamedConsumer, guard, (app) => {
      app.post('/stalled', async (request) => {
        await new Promise<void>((resolve) => { stalled.push(resolve) })
        return await count(request)
      })
    })
    for (const stream of [1, 3, 5]) {
      await client.write(post(stream, '/stalled'))
      await until(() => stalled.length > (stream >> 1), 'it is stalled')
      await fill(client, stream)
    }
    await client.write(post(7, '/'))
    for (let i = 0; i < 4; i++) {
      await delay(LIMIT * 0.2)
      await client.write(data(7, CHUNK, i === 3 ? Flag.END_STREAM : 0))
    }
    t.same((await client.answer(7)).json, { bytes: CHUNK.length * 4 })
    await delay(LIMIT)
    t.same(records, [], 'nor are they judged themselves')
    for (const go of stalled) go()
    for (const stream of [1, 3, 5]) {
      await client.write(data(stream, '', Flag.END_STREAM))
      t.equal((await client.answer(stream)).json.bytes, Math.floor(WINDOW / CHUNK.length) * CHUNK.length)
    }
    client.raw.fin()
    await app.close()
    t.same(records, [])
  })

  t.test(`${kind.name}: a stream among stalled ones is ended by its own limits`, async (t) => {
    const { app, client, recorded } = await http2Parties(kind, streamedConsumer, { ...guard, linger: false }, (app) => {
      app.post('/stalled', async (request) => {
        await delay(LIMIT * 4)
        return await count(request)
      })
    })
    await client.write(post(1, '/stalled'))
    await fill(client, 1)
    await client.write(post(3, '/'), data(3, 'x'))
    t.equal((await client.answer(3)).statusCode, 408)
    await client.write(data(1, '', Flag.END_STREAM))
    t.equal((await client.answer(1)).statusCode, 200)
    client.raw.fin()
    await app.close()
    t.match(await recorded(), [{ url: '/', received: 1 }])
    t.equal((await recorded()).length, 1)
  })
}
