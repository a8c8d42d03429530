import { AsyncLocalStorage } from 'node:async_hooks'
import diagnosticsChannel from 'node:diagnostics_channel'
import { finished } from 'node:stream/promises'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import readGuard, { type AbortRecord, type ReadGuardOptions } from '../../lib/index.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, requestBlock } from '../support/client/http2-frames.js'
import { chunk, delay, head, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

const LIMIT = 200

/** What the application knows about the request it is working for: its id. */
const storage = new AsyncLocalStorage<string>()

const enter = {
  'an onRequest hook runs in it': (app: FastifyInstance) => {
    app.addHook('onRequest', (request, _reply, done) => { storage.run(request.id, done) })
  },
  'a hook behind an async one enters it': (app: FastifyInstance) => {
    app.addHook('onRequest', async () => delay(1))
    app.addHook('onRequest', (request, _reply, done) => {
      storage.enterWith(request.id)
      done()
    })
  },
  'the server does, as tracing has it': (app: FastifyInstance) => {
    const [route] = app.server.listeners('request') as RequestListener[]
    app.server.removeAllListeners('request')
    app.server.on('request', (request: IncomingMessage, response: ServerResponse) => { storage.run(String(request.headers['x-id']), () => route?.(request, response)) })
  }
} as const

const consumers = {
  'a parser': (app: FastifyInstance) => { app.post('/', async () => ({})) },
  'a handler that streams': (app: FastifyInstance) => {
    app.post('/', async (request) => finished(request.raw.resume()))
  },
  'a consumer that can\'t hear of it': (app: FastifyInstance) => {
    app.post('/', (request) => { request.raw.on('data', () => {}) })
  },
  nobody: (app: FastifyInstance) => { app.post('/', () => {}) }
} as const

const readers = ['a parser', 'a handler that streams', 'a consumer that can\'t hear of it'] as const

type Enter = keyof typeof enter
type Consumer = keyof typeof consumers

interface Told {
  readonly where: string
  /** The request it is about. */
  readonly id: string
  /** The request that the application takes it to be about. */
  readonly known: string | undefined
}

interface Watched {
  /** The requests whose handler was called. */
  readonly handled: Set<string>
  readonly app: FastifyInstance
  readonly port: number
  readonly told: Told[]
  /** The requests that are in their context, and whose body is about to be read. */
  readonly entered: Set<string>
  /** Over HTTP/2 Fastify calls `onResponse` outside of the context, without the guard too. */
  readonly isHttp2: boolean
}

async function watchedApp (t: Test, entering: Enter, consumer: Consumer, server: object, guard: ReadGuardOptions): Promise<Watched> {
  const told: Told[] = []
  const tell = (where: string, id: string | undefined): void => { told.push({ where, id: String(id), known: storage.getStore() }) }
  const stream = {
    write: (text: string) => {
      const { abort, known } = JSON.parse(text) as { abort?: AbortRecord, known?: string }
      if (abort !== undefined) told.push({ where: 'log', id: String(abort.reqId), known })
    }
  }
  const options = { ...server, requestIdHeader: 'x-id', logger: { mixin: () => ({ known: storage.getStore() }), stream } }
  const app = fastify(options as FastifyServerOptions) as FastifyInstance
  if (entering.startsWith('the server')) enter[entering](app)
  await app.register(readGuard, { bodyIdleTimeout: LIMIT, bodyLimit: 40, resolution: 50, ...guard, onAbort: (_record, request) => tell('onAbort', request?.id) })
  if (!entering.startsWith('the server')) enter[entering](app)
  app.addContentTypeParser('application/x-stream', (_request, _payload, done) => done(null))
  app.setErrorHandler((error: Error, request, reply) => {
    tell('setErrorHandler', request.id)
    return reply.send(error)
  })
  app.addHook('onError', async (request) => tell('onError', request.id))
  app.addHook('onResponse', async (request) => tell('onResponse', request.id))
  const entered = new Set<string>()
  app.addHook('preParsing', (request, _reply, _payload, done) => {
    entered.add(request.id)
    done()
  })
  const handled = new Set<string>()
  app.route({
    method: ['GET', 'POST'],
    url: '/waits',
    handler: (request) => {
      handled.add(request.id)
      if (request.headers['x-signal'] !== undefined) request.readGuard.signal.addEventListener('abort', () => tell('signal', request.id))
      return new Promise(() => {})
    }
  })
  app.get('/large', (_request, reply) => { reply.send(Buffer.alloc(16_000_000)) })
  consumers[consumer](app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const [onAbort, onExchange] = [
    (message: unknown) => { tell('channel', (message as AbortRecord).reqId) }, // what is published
    (message: unknown) => { tell('exchange', (message as { record: AbortRecord }).record.reqId) }
  ]
  diagnosticsChannel.subscribe('fastify-read-guard.abort', onAbort)
  diagnosticsChannel.subscribe('fastify-read-guard.exchange', onExchange)
  t.teardown(async () => {
    diagnosticsChannel.unsubscribe('fastify-read-guard.abort', onAbort)
    diagnosticsChannel.unsubscribe('fastify-read-guard.exchange', onExchange)
    await app.close()
  })
  return { app, port: Number(new URL(app.listeningOrigin).port), told, handled, entered, isHttp2: 'http2' in server }
}

type Failure = 'stalls' | 'is too large' | 'is malformed' | 'is ended by its client' | 'is reset by its client'

async function failOverHttp1 ({ port, entered }: Watched, id: string, type: string, failure: Failure): Promise<void> {
  const client = new RawClient(port)
  await client.write(head('POST', '/', { 'X-Id': id, 'Content-Type': type, 'Transfer-Encoding': 'chunked' }) + chunk('{"a"'))
  if (failure === 'is ended by its client' || failure === 'is reset by its client') {
    await until(() => entered.has(id), 'it is read')
  }
  if (failure === 'is too large') await client.write(chunk('x'.repeat(60)))
  else if (failure === 'is malformed') await client.write('xyz\r\n')
  else if (failure === 'is ended by its client') client.fin()
  else if (failure === 'is reset by its client') client.rst()
  await client.closed
}

async function failOverHttp2 ({ port, entered }: Watched, id: string, type: string, failure: Failure): Promise<void> {
  const client = await new Http2Client(port).open()
  await client.write(headers(1, requestBlock('POST', '/', { 'x-id': id, 'content-type': type })), data(1, '{"a"'))
  await until(() => entered.has(id), 'it is read')
  if (failure === 'is too large') await client.write(data(1, 'x'.repeat(60)))
  if (failure !== 'is reset by its client') await client.answer(1)
  client.rst()
  await client.closed
}

/** Where the application is told of a failure, and where of one that it answers itself. */
const always = ['channel', 'exchange', 'log', 'onAbort'] as const
const answering = ['onError', 'setErrorHandler'] as const

let requests = 0

/** Two at a time: what is known of one must not be known of the other. The channels tell of all applications. */
function newIds (): string[] {
  return [`id-${++requests}`, `id-${++requests}`]
}

function isTold ({ told }: Watched, ids: readonly string[], place: string): boolean {
  return ids.every(id => told.some(({ where, id: of }) => where === place && of === id))
}

function expectKnown (t: Test, { told, isHttp2 }: Watched, ids: readonly string[], expected: readonly string[]): void {
  for (const id of ids) {
    const entries = told.filter(entry => entry.id === id && !(isHttp2 && entry.where === 'onResponse'))
    // Whether there is a response to tell of, where the client has gone, is another matter.
    const places = entries.map(({ where }) => where).filter(where => where !== 'onResponse' || expected.includes(where))
    t.strictSame(places.sort(), [...expected].sort(), `all is told of ${id}, once`)
    for (const { where, known } of entries) t.equal(known, id, `${where} of ${id}`)
  }
}

const failures = ['stalls', 'is too large', 'is malformed', 'is ended by its client', 'is reset by its client'] as const

for (const entering of Object.keys(enter) as Enter[]) {
  t.test(`the application's own context, where ${entering}`, async (t) => {
    t.jobs = 4
    for (const consumer of readers) {
      const type = consumer === 'a parser' ? 'application/json' : 'application/x-stream'
      for (const [version, fail, server] of [['HTTP/1', failOverHttp1, {}], ['HTTP/2', failOverHttp2, { http2: true }]] as const) {
        for (const failure of failures) {
          if (version === 'HTTP/2' && (failure === 'is malformed' || failure === 'is ended by its client')) continue
          t.test(`is known to all that is told of a body that ${failure}, read by ${consumer} over ${version}`, async (t) => {
            const watched = await watchedApp(t, entering, consumer, server, {})
            const ids = newIds()
            await Promise.all(ids.map(id => fail(watched, id, type, failure)))
            await until(() => isTold(watched, ids, 'exchange'), 'it is recorded')
            const isGone = failure.endsWith('by its client')
            const isDeaf = consumer === 'a consumer that can\'t hear of it'
            const expected = isGone && isDeaf ? always : [...always, ...answering]
            if (isGone || watched.isHttp2) return expectKnown(t, watched, ids, expected)
            await until(() => isTold(watched, ids, 'onResponse'), 'it is over')
            expectKnown(t, watched, ids, [...expected, 'onResponse'])
          })
        }
      }
    }

    t.test('is known to all that is told of a body that is only observed', async (t) => {
      const watched = await watchedApp(t, entering, 'a parser', {}, { mode: 'observe' })
      const ids = newIds()
      const clients = ids.map(id => ({ id, client: new RawClient(watched.port) }))
      for (const { id, client } of clients) await client.write(head('POST', '/', { 'X-Id': id, 'Content-Type': 'application/json', 'Content-Length': 2 }) + '{')
      await until(() => isTold(watched, ids, 'exchange'), 'they are observed')
      expectKnown(t, watched, ids, always)
      for (const { client } of clients) await client.write('}')
      await until(() => isTold(watched, ids, 'onResponse'), 'they are served')
      expectKnown(t, watched, ids, [...always, 'onResponse'])
    })
  })
}

for (const entering of Object.keys(enter) as Enter[]) {
  for (const [version, method, server] of [['HTTP/1', 'GET', {}], ['HTTP/1', 'POST', {}], ['HTTP/2', 'GET', { http2: true }], ['HTTP/2', 'POST', { http2: true }]] as const) {
    const hasBody = method === 'POST'
    t.test(`where ${entering}, is known to all that is told of a ${method} whose client leaves while its handler works, over ${version}`, async (t) => {
      const watched = await watchedApp(t, entering, 'a parser', server, {})
      const ids = newIds()
      const leave = await Promise.all(ids.map(async (id) => {
        if (version === 'HTTP/1') {
          const client = new RawClient(watched.port)
          await client.write(hasBody
            ? head('POST', '/waits', { 'X-Id': id, 'X-Signal': 'listens', 'Content-Type': 'application/json', 'Content-Length': 2 }) + '{}'
            : head('GET', '/waits', { 'X-Id': id, 'X-Signal': 'listens' }))
          return () => { client.rst() }
        }
        const client = await new Http2Client(watched.port).open()
        const fields = { 'x-id': id, 'x-signal': 'listens', ...(hasBody && { 'content-type': 'application/json' }) }
        await client.write(headers(1, requestBlock(method, '/waits', fields), hasBody ? Flag.END_HEADERS : Flag.END_HEADERS | Flag.END_STREAM), ...(hasBody ? [data(1, '{}', Flag.END_STREAM)] : []))
        return () => { client.rst() }
      }))
      await until(() => ids.every(id => watched.handled.has(id)), 'their handlers work')
      for (const each of leave) each()
      await until(() => isTold(watched, ids, 'exchange') && isTold(watched, ids, 'onResponse'), 'it is recorded')
      expectKnown(t, watched, ids, watched.isHttp2 ? [...always, 'signal'] : [...always, 'onResponse', 'signal'])
    })
  }

  t.test(`where ${entering}, is known to all that is told of a GET whose client takes nothing`, async (t) => {
    const watched = await watchedApp(t, entering, 'a parser', {}, { responseIdleTimeout: LIMIT })
    const ids = newIds()
    const clients = await Promise.all(ids.map(async (id) => {
      const client = new RawClient(watched.port)
      client.socket.pause()
      await client.write(head('GET', '/large', { 'X-Id': id }))
      return client
    }))
    await until(() => isTold(watched, ids, 'exchange') && isTold(watched, ids, 'onResponse'), 'it is recorded')
    expectKnown(t, watched, ids, [...always, 'onResponse'])
    for (const client of clients) client.socket.destroy()
  })
}

t.test("is known to all that is told of a body that nobody reads, where it is entered before Fastify's hooks", async (t) => {
  const watched = await watchedApp(t, 'the server does, as tracing has it', 'nobody', {}, {})
  const ids = newIds()
  await Promise.all(ids.map(id => failOverHttp1(watched, id, 'application/x-stream', 'stalls')))
  await until(() => isTold(watched, ids, 'exchange') && isTold(watched, ids, 'onResponse'), 'it is answered')
  expectKnown(t, watched, ids, [...always, ...answering, 'onResponse'])
})

t.test('what has no request is told of in the context of none', async (t) => {
  const watched = await watchedApp(t, 'the server does, as tracing has it', 'a parser', {}, { headersTimeout: LIMIT })
  const body = new RawClient(watched.port)
  await body.write(head('POST', '/', { 'X-Id': 'one', 'Content-Type': 'application/json', 'Content-Length': 2 }) + '{')
  const stalled = new RawClient(watched.port)
  await stalled.write('GET / HT')
  await Promise.all([body.closed, stalled.closed])
  await until(() => watched.told.filter(({ where }) => where === 'channel').length === 2, 'both are recorded')
  const known = watched.told.filter(({ id }) => id === 'undefined').map(({ where, known }) => [where, known])
  t.strictSame(known.sort(), [['channel', undefined], ['log', undefined], ['onAbort', undefined]])
})
