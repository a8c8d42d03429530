import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp, type GuardedAppOptions } from '../../support/app/guarded-app.js'
import { Http2Client } from '../../support/client/http2-client.js'
import { data, Flag, headers, requestBlock } from '../../support/client/http2-frames.js'
import { chunk, delay, head, RawClient } from '../../support/client/raw-client.js'

t.jobs = 8

const LIMIT = 300
const guard = { bodyIdleTimeout: LIMIT, minBodyRate: { bytesPerSecond: 100, gracePeriod: LIMIT }, resolution: 50, linger: { timeout: 200 } } as const

/** Echoes line by line, as streaming RPC does: the client may think as long as it likes. */
async function echo (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  reply.hijack()
  reply.raw.writeHead(200)
  if (request.headers['x-begin'] === 'head') reply.raw.flushHeaders()
  if (request.headers['x-begin'] === 'large') reply.raw.write('y'.repeat(20_000_000))
  if (request.headers['x-begin'] === 'bytes') reply.raw.write('go ')
  request.raw.on('error', () => { reply.raw.destroy() })
  request.raw.on('data', (bytes: Buffer) => { reply.raw.write(bytes) })
  request.raw.on('end', () => { reply.raw.end() })
  return reply
}

function routes (app: FastifyInstance): void {
  app.addContentTypeParser('a/b', (_request, _payload, done) => { done(null) })
  app.post('/', echo)
}

function duplexApp (t: Test, options: GuardedAppOptions = {}): Promise<GuardedApp> {
  return guardedApp({ t, ...options, guard: { ...guard, ...options.guard }, routes })
}

const post = (begin: string): string => head('POST', '/', { 'Content-Type': 'a/b', 'Transfer-Encoding': 'chunked', Connection: 'close', 'X-Begin': begin })

for (const begin of ['head', 'bytes']) {
  t.test(`a client that has taken all there is of the answer may be waiting for more of it: ${begin}`, async (t) => {
    const { port, records } = await duplexApp(t)
    const client = new RawClient(port)
    await client.write(post(begin))
    for (const word of ['one', 'two', 'three']) {
      await delay(LIMIT * 2)
      await client.write(chunk(word))
      await client.until(new RegExp(word))
    }
    await client.write('0\r\n\r\n')
    const { text } = await client.closed
    t.match(text, /one[^]*two[^]*three[^]*\r\n0\r\n\r\n$/)
    t.same(records, [])
  })
}

t.test('an answer whose head is made, and has not left, is none yet', async (t) => {
  const { port, recorded } = await duplexApp(t)
  const client = new RawClient(port)
  await client.write(post('nothing'))
  await client.closed
  t.match(await recorded(), [{ code: /FST_READ_BODY_(?:IDLE_TIMEOUT|TOO_SLOW)/, received: 0 }])
})

t.test('bodyTimeout goes on', async (t) => {
  const { port, recorded } = await duplexApp(t, { guard: { bodyTimeout: LIMIT * 3 } })
  const client = new RawClient(port)
  const began = performance.now()
  await client.write(post('bytes'))
  const { text } = await client.closed
  t.ok(performance.now() - began >= LIMIT * 3 - 2)
  t.match(text, /go /)
  t.notMatch(text, /\r\n0\r\n/, 'it does not look whole')
  t.match(await recorded(), [{ code: 'FST_READ_BODY_TIMEOUT', limit: LIMIT * 3, answered: false }])
})

/** After so long it is not waited for any longer that the owner of an answer ends it; in milliseconds. */
const LONGEST_ENDING = 10_000

/** Begins an answer, and never ends it, whatever becomes of the body. */
function forgetful (app: FastifyInstance): void {
  app.addContentTypeParser('a/b', (_request, _payload, done) => { done(null) })
  app.post('/', ({ raw }, reply) => {
    raw.on('data', () => {}).on('error', () => {})
    reply.hijack()
    reply.raw.writeHead(200)
    reply.raw.write('go ')
  })
}

t.test('an owner that never ends its answer to a body that failed is cut off', async (t) => {
  const { port, recorded, records, app } = await guardedApp({ t, guard: { ...guard, bodyTimeout: LIMIT }, routes: forgetful })
  const client = new RawClient(port)
  await client.write(post('bytes'))
  const { text, elapsed } = await client.closed
  t.match(text, /go /)
  t.notMatch(text, /\r\n0\r\n/, 'it does not look whole')
  t.ok(elapsed >= LONGEST_ENDING && elapsed < LONGEST_ENDING + 3_000, `${elapsed} ms`)
  t.match(await recorded(), [{ code: 'FST_READ_BODY_TIMEOUT', answered: false }])
  t.equal(records.length, 1)
  t.equal(app.readGuard.stats().reading.body, 0)
})

t.test('HTTP/2: so is its stream, and the session goes on', async (t) => {
  const { port, recorded, records } = await guardedApp({
    t,
    protocol: 'h2c',
    guard: { ...guard, bodyTimeout: LIMIT },
    routes: (app) => {
      forgetful(app)
      app.get('/', async () => 'fine')
    }
  })
  const client = await new Http2Client(port).open()
  await client.write(headers(1, requestBlock('POST', '/', { 'content-type': 'a/b' })))
  await client.until(() => client.peek(1).reset !== undefined, 'a reset', LONGEST_ENDING + 3_000)
  t.notOk(client.peek(1).ended, 'it does not look whole')
  await client.write(headers(3, requestBlock('GET', '/'), Flag.END_HEADERS | Flag.END_STREAM))
  t.match(await client.answer(3), { statusCode: 200, body: 'fine' })
  t.match(await recorded(), [{ code: 'FST_READ_BODY_TIMEOUT', answered: false }])
  t.equal(records.length, 1)
  client.raw.socket.destroy()
})

t.test('while the client does not take what there is, it is not waiting for us', async (t) => {
  const { port, recorded } = await duplexApp(t)
  const client = new RawClient(port)
  client.socket.pause()
  await client.write(post('large'))
  t.match(await recorded(), [{ code: /FST_READ_BODY_(?:IDLE_TIMEOUT|TOO_SLOW)/ }])
  client.rst()
})

t.test('an answer that is at its end is waited for no more: the rest of the body is timed again', async (t) => {
  const { port, recorded } = await guardedApp({
    t,
    guard,
    routes: (app) => {
      app.addContentTypeParser('a/b', (_request, _payload, done) => { done(null) })
      app.post('/', (request, reply) => {
        request.raw.on('data', () => {}).on('error', () => {})
        reply.hijack()
        reply.raw.writeHead(200)
        reply.raw.write('go ')
        setTimeout(() => reply.raw.end('done'), LIMIT * 2)
      })
    }
  })
  const client = new RawClient(port)
  await client.write(head('POST', '/', { 'Content-Type': 'a/b', 'Transfer-Encoding': 'chunked' }) + chunk('x'))
  await client.until(/done/)
  t.match(await recorded(), [{ code: /FST_READ_BODY_(?:IDLE_TIMEOUT|TOO_SLOW)/ }])
  await client.closed
})

t.test('HTTP/2: the same, stream by stream', async (t) => {
  const { port, records } = await duplexApp(t, { protocol: 'h2c' })
  const client = await new Http2Client(port).open()
  const own = { 'content-type': 'a/b', 'x-begin': 'bytes' }
  await client.write(headers(1, requestBlock('POST', '/', own)))
  await delay(LIMIT * 2)
  await client.write(data(1, 'one'))
  await delay(LIMIT * 2)
  t.same(records, [])
  await client.write(data(1, 'two', Flag.END_STREAM))
  t.match(await client.answer(1), { statusCode: 200, body: 'go onetwo' })
  client.raw.socket.destroy()
})
