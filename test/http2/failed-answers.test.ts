import { constants, type ServerHttp2Stream } from 'node:http2'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { type Http2Kind, http2Kinds } from '../support/app/http2-consumers.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, FrameType, headers, requestBlock, rstStream, windowUpdate } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { deserted, quiet } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

/*
 * The answer to a body that failed, and clients that take their time with it.
 */

t.jobs = 20

const LIMIT = 300
const INITIAL_WINDOW_SIZE = 4
const PAGE = 'p'.repeat(65_000)
const guard: ReadGuardOptions = { bodyIdleTimeout: LIMIT, bodyLimit: 100_000, resolution: 20 }
const lingers = [false, { timeout: 1_500, bytes: 100_000 }] as const

/** Each answers 408 to a body that stalls: with Fastify's error, and with a page of the application's. */
function routes (app: FastifyInstance): void {
  app.addContentTypeParser('application/x-stream', (_request, payload, done) => { done(null, payload) })
  app.post('/', async (request) => request.body)
  app.register(async (scope) => {
    scope.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => reply.code(error.statusCode ?? 500).type('text/html').send(PAGE))
    scope.post('/page', async (request) => request.body)
    scope.post('/refused', async (request) => request.body)
  })
}

interface Parties extends GuardedApp {
  readonly client: Http2Client
}

async function parties (t: Test, { protocol, tls }: Http2Kind, own: ReadGuardOptions, window = 0): Promise<Parties> {
  const guarded = await guardedApp({ protocol, guard: { ...guard, ...own }, routes })
  const client = await new Http2Client(guarded.port, { tls, stays: true }).open({ [INITIAL_WINDOW_SIZE]: window })
  t.teardown(() => {
    client.raw.socket.destroy()
    return guarded.app.close()
  })
  return { ...guarded, client }
}

const post = (stream: number, path: string, own: Readonly<Record<string, string>> = {}): Buffer => headers(stream, requestBlock('POST', path, { 'content-type': 'text/plain', ...own }))

/** Whether nothing comes behind the END_STREAM of the answer but a RST_STREAM, and that not before. */
function isWhole (client: Http2Client, stream: number): boolean {
  const frames = client.frames().filter(frame => frame.stream === stream && frame.type !== FrameType.WINDOW_UPDATE)
  const end = frames.findIndex(({ type, flags }) => type !== FrameType.RST_STREAM && (flags & Flag.END_STREAM) !== 0)
  return end >= 0 && frames.slice(end + 1).every(({ type }) => type === FrameType.RST_STREAM) && frames.slice(0, end).every(({ type }) => type !== FrameType.RST_STREAM)
}

for (const kind of http2Kinds) {
  for (const linger of lingers) {
    const having = `linger: ${JSON.stringify(linger)}`

    t.test(`${kind.name}: the answer to a body that failed waits for its client's window (${having})`, async (t) => {
      const { client, recorded } = await parties(t, kind, { linger })
      await client.write(post(1, '/'), data(1, 'x'))
      await client.until(() => client.peek(1).statusCode === 408, 'the head of the answer')
      await delay(300)
      await client.write(windowUpdate(1, 100_000))
      const { json, ended, reset } = await client.answer(1, ({ reset }) => reset !== undefined)
      t.match({ json, ended, reset }, { json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' }, ended: true, reset: 0 })
      t.ok(isWhole(client, 1))
      t.match(await recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: true }])
    })

    t.test(`${kind.name}: a page that is taken slowly is not cut while it moves (${having})`, async (t) => {
      const { client, recorded } = await parties(t, kind, { linger })
      await client.write(post(1, '/page'), data(1, 'x'))
      await client.until(() => client.peek(1).statusCode === 408, 'the head of the answer')
      const STEP = 5_000
      for (let open = 0; open <= PAGE.length; open += STEP) {
        await delay(300)
        await client.write(windowUpdate(0, STEP), windowUpdate(1, STEP))
      }
      const { body, ended } = await client.answer(1)
      t.equal(body.length, PAGE.length)
      t.ok(ended)
      t.match(await recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: true }])
    })

    t.test(`${kind.name}: a page that its client does not take is cut, and nothing is left of it (${having})`, async (t) => {
      const { app, client, recorded } = await parties(t, kind, { linger }, 100)
      const streams: ServerHttp2Stream[] = []
      app.server.on('stream', (stream: ServerHttp2Stream) => { streams.push(stream) })
      await client.write(post(1, '/page'), data(1, 'x'))
      const { statusCode, ended, reset } = await client.answer(1)
      t.match({ statusCode, ended, reset }, { statusCode: 408, ended: false, reset: constants.NGHTTP2_CANCEL })
      t.match(await recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: false }])
      await until(() => streams.length === 1 && streams.every(({ destroyed }) => destroyed), 'its stream is destroyed')
      await quiet(app)
      // The session goes on.
      await client.write(post(3, '/'), data(3, 'x', Flag.END_STREAM), windowUpdate(3, 100))
      t.equal((await client.answer(3)).body, 'x')
    })
  }

  t.test(`${kind.name}: where the bytes of lingering are passed as the answer is given, no RST_STREAM takes the place of its END_STREAM`, async (t) => {
    const { client } = await parties(t, kind, { linger: { timeout: 60_000, bytes: 1 }, bodyLimit: 10 }, 65_535)
    const streams = Array.from({ length: 50 }, (_, i) => 2 * i + 1)
    await client.write(...streams.flatMap(stream => [post(stream, '/', { 'content-length': '1000' }), data(stream, 'x'.repeat(500)), data(stream, 'x'.repeat(400))]))
    for (const stream of streams) {
      const { statusCode, reset } = await client.answer(stream, ({ reset }) => reset !== undefined)
      t.match({ statusCode, reset }, { statusCode: 413, reset: 0 })
      t.ok(isWhole(client, stream), `stream ${stream}`)
    }
  })

  t.test(`${kind.name}: a large answer to a refused body is whole before its stream is reset, however much is sent meanwhile`, async (t) => {
    const { client } = await parties(t, kind, { linger: { timeout: 60_000, bytes: 10_000 }, bodyLimit: 10 })
    await client.write(post(1, '/refused', { 'content-length': '1000000' }))
    await client.until(() => client.peek(1).statusCode === 413, 'the head of the answer')
    for (let sent = 0; sent < 60_000; sent += 5_000) {
      await client.write(data(1, 'x'.repeat(5_000)), windowUpdate(1, 6_000))
      await delay(5)
    }
    const { body, reset } = await client.answer(1, ({ reset }) => reset !== undefined)
    t.equal(body.length, PAGE.length)
    t.equal(reset, 0)
    t.ok(isWhole(client, 1))
  })
}

const large = 2_000_000

for (const kind of http2Kinds) {
  const requests = {
    'a GET': (stream: number) => [headers(stream, requestBlock('GET', '/large'), Flag.END_HEADERS | Flag.END_STREAM)],
    'a GET of a stream': (stream: number) => [headers(stream, requestBlock('GET', '/piped'), Flag.END_HEADERS | Flag.END_STREAM)],
    'a POST that has ended': (stream: number) => [post(stream, '/large'), data(stream, 'x', Flag.END_STREAM)],
    'a POST that is not read': (stream: number) => [post(stream, '/unread'), data(stream, 'x')],
    'a POST of which the first bytes were read': (stream: number) => [post(stream, '/first', { 'content-type': 'application/x-stream' }), ...Array.from({ length: 4 }, () => data(stream, 'x'.repeat(16_000)))]
  }

  for (const [name, request] of Object.entries(requests)) {
    for (const code of ['NGHTTP2_NO_ERROR', 'NGHTTP2_CANCEL'] as const) {
      t.test(`${kind.name}: a client that resets ${name} with ${code.slice(8)} while its answer is on its way leaves no stream behind`, async (t) => {
        const streams: ServerHttp2Stream[] = []
        const { app, port } = await guardedApp({
          protocol: kind.protocol,
          routes: (app) => {
            app.server.on('stream', (stream: ServerHttp2Stream) => { streams.push(stream) })
            app.addContentTypeParser('application/x-stream', (_request, payload, done) => { done(null, payload) })
            const answer = async (): Promise<Buffer> => Buffer.alloc(large)
            app.get('/large', answer)
            app.get('/piped', (_request, reply) => {
              reply.raw.writeHead(200)
              reply.raw.write(Buffer.alloc(large))
              reply.raw.end()
              reply.hijack()
            })
            app.post('/large', answer)
            app.post('/unread', { preParsing: async (_request, reply) => reply.send(Buffer.alloc(large)) }, answer)
            app.post('/first', (request, reply) => {
              request.raw.once('data', () => {
                request.raw.pause()
                reply.send(Buffer.alloc(large))
              })
            })
          }
        })
        const client = await new Http2Client(port, { tls: kind.tls, stays: true }).open()
        for (const stream of [1, 3, 5]) {
          await client.write(...request(stream))
          await client.until(() => client.peek(stream).statusCode === 200, 'the head of the answer')
          await client.write(rstStream(stream, constants[code]))
        }
        await until(() => streams.length === 3 && streams.every(({ destroyed }) => destroyed), 'no stream is left')
        client.raw.socket.destroy()
        await deserted(app)
        await app.close()
        t.pass('none is')
      })
    }
  }
}
