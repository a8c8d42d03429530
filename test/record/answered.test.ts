import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { until } from '../support/oracle/until.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, headers, requestBlock } from '../support/client/http2-frames.js'
import { head, onlyAnswer, RawClient } from '../support/client/raw-client.js'

const LIMIT = 200

/** What the client got, in the end. */
interface Got {
  readonly statusCode: number | undefined
  readonly json: Record<string, unknown>
}

interface Way {
  readonly name: string
  readonly server: object
  readonly send: (guarded: GuardedApp, declared: number, sent: string) => Promise<Got>
}

const ways: readonly Way[] = [
  {
    name: 'HTTP/1',
    server: {},
    send: async ({ port }, declared, sent) => {
      const client = new RawClient(port)
      await client.write(head('POST', '/', { 'Content-Type': 'application/x-stream', 'Content-Length': declared }) + sent)
      return onlyAnswer(await client.closed)
    }
  },
  {
    name: 'HTTP/2',
    server: { http2: true },
    send: async ({ port }, declared, sent) => {
      const client = await new Http2Client(port).open()
      await client.write(headers(1, requestBlock('POST', '/', { 'content-type': 'application/x-stream', 'content-length': String(declared) })), data(1, sent))
      const answer = await client.answer(1)
      client.rst()
      return answer
    }
  },
  {
    name: 'inject()',
    server: {},
    send: async ({ app }, declared, sent) => {
      const payload = new PassThrough()
      payload.write(sent)
      const response = await app.inject({ method: 'POST', url: '/', payload, headers: { 'content-type': 'application/x-stream', 'content-length': String(declared) } })
      return { statusCode: response.statusCode, json: response.json() }
    }
  }
]

async function streamingApp (t: Test, way: Way, guard: ReadGuardOptions, routes: (app: FastifyInstance) => void): Promise<GuardedApp> {
  const guarded = await guardedApp({
    fastify: way.server,
    guard: { bodyIdleTimeout: LIMIT, resolution: 50, ...guard },
    routes: (app) => {
      app.addContentTypeParser('application/x-stream', (_request, _payload, done) => done(null))
      routes(app)
    }
  })
  t.teardown(() => guarded.app.close())
  return guarded
}

/** A hook that waits for the body when the answer is on its way, as mercurius-upload does. */
function readInOnSend (app: FastifyInstance, fail: (error: unknown) => unknown): void {
  app.addHook('onSend', async (request, reply) => {
    if (reply.statusCode >= 400) return
    await finished(request.raw.resume()).catch((error: unknown) => { throw fail(error) })
  })
  app.post('/', async () => ({ own: true }))
}

interface Row {
  readonly claim: string
  readonly routes: (app: FastifyInstance) => void
  readonly statusCode: number
  readonly code?: string
  readonly answered: boolean
}

const rows: readonly Row[] = [
  {
    claim: 'an onSend hook that fails with the read\'s error has our answer sent, whatever it was asked to send',
    routes: (app) => readInOnSend(app, error => error),
    statusCode: 408,
    code: 'FST_READ_BODY_IDLE_TIMEOUT',
    answered: true
  },
  {
    claim: 'so does one that fails with an error made of it',
    routes: (app) => readInOnSend(app, cause => new Error('own', { cause })),
    statusCode: 408,
    code: 'FST_READ_BODY_IDLE_TIMEOUT',
    answered: true
  },
  {
    claim: 'so does one behind a consumer that knows no more than that the body was closed',
    routes: (app) => {
      app.addHook('onSend', async (request) => finished(request.raw.resume()))
      app.post('/', (request) => new Promise((_resolve, reject) => {
        request.raw.once('close', () => reject(Object.assign(new Error('own'), { statusCode: 422 }))).resume()
      }))
    },
    // Fastify keeps the status of the error before.
    statusCode: 422,
    code: 'FST_READ_BODY_IDLE_TIMEOUT',
    answered: true
  },
  {
    claim: 'so it is where an error handler of the application\'s puts it into other words',
    routes: (app) => {
      app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => reply.code(error.statusCode ?? 500).send({ own: error.message }))
      readInOnSend(app, error => error)
    },
    statusCode: 408,
    answered: true
  }
]

/** Bodies that are not read yet when they fail, whose time only HTTP/1 counts. */
const unread: readonly Row[] = [
  {
    claim: 'a consumer that hears of it late, and answers past the reply, has answered',
    routes: (app) => {
      app.post('/', async (request, reply) => {
        await until(() => request.raw.destroyed, 'the body has failed')
        request.raw.on('error', () => reply.raw.writeHead(500, { 'Content-Type': 'application/json', 'Content-Length': 2 }).end('{}')).resume()
        return new Promise(() => {})
      })
    },
    statusCode: 500,
    answered: true
  },
  {
    claim: 'an answer of a handler that does not hear of it says nothing about the failure',
    routes: (app) => {
      app.post('/', async (request) => {
        await until(() => request.raw.destroyed, 'the body has failed')
        return { own: true }
      })
    },
    statusCode: 200,
    answered: false
  }
]

for (const way of ways) {
  t.test(`answered, over ${way.name}`, async (t) => {
    t.jobs = 8
    for (const { claim, routes, statusCode, code, answered } of way.name === 'HTTP/1' ? [...rows, ...unread] : rows) {
      t.test(claim, async (t) => {
        const guarded = await streamingApp(t, way, {}, routes)
        const got = await way.send(guarded, 10, 'abc')
        t.equal(got.statusCode, statusCode)
        if (code !== undefined) t.match(got.json, { code })
        t.match(await guarded.recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', statusCode: 408, answered, observed: false }])
        t.equal(guarded.records.length, 1)
      })
    }
  })
}

const tooLarge = { statusCode: 413, code: 'FST_READ_BODY_TOO_LARGE', limit: 4, answered: true, observed: false } as const

for (const way of ways) {
  t.test(`in mode 'observe' the limit that readRawBody() is given is enforced, and the record says so, over ${way.name}`, async (t) => {
    const read = (app: FastifyInstance): void => { app.post('/', async (request) => ({ bytes: (await request.readRawBody({ limit: 4 })).length })) }
    for (const [claim, guard, declared, sent] of [
      ['by its length', {}, 8, 'x'],
      ['by its length, and sent whole', {}, 8, 'xxxxxxxx'],
      ['below a limit of the route', { bodyLimit: 6 }, 5, 'xxxxx']
    ] as const) {
      const guarded = await streamingApp(t, way, { mode: 'observe', bodyIdleTimeout: 0, ...guard }, read)
      t.match(await way.send(guarded, declared, sent), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } }, claim)
      t.match(await guarded.recorded(), [tooLarge])
      t.equal(guarded.records.length, 1)
      t.match(guarded.app.readGuard.stats(), { aborted: { FST_READ_BODY_TOO_LARGE: 1 }, observed: {} })
    }

    const both = await streamingApp(t, way, { mode: 'observe', bodyIdleTimeout: 0, bodyLimit: 2 }, read)
    t.match(await way.send(both, 8, 'xxxxx'), { statusCode: 413 })
    t.match(await both.recorded(2), [{ limit: 2, observed: true, answered: false }, tooLarge], 'what is observed before is no less true')
  })
}

t.test('in mode \'observe\' the limit that readRawBody() is given is enforced on bytes without a length', async (t) => {
  const guarded = await guardedApp({
    guard: { mode: 'observe' },
    routes: (app) => {
      app.addContentTypeParser('application/x-stream', (_request, _payload, done) => done(null))
      app.post('/', async (request) => ({ bytes: (await request.readRawBody({ limit: 4 })).length, limits: request.readGuard.limits }))
    }
  })
  t.teardown(() => guarded.app.close())
  const client = new RawClient(guarded.port)
  await client.write(head('POST', '/', { 'Content-Type': 'application/x-stream', 'Transfer-Encoding': 'chunked' }) + '3\r\nabc\r\n')
  await client.write('3\r\nabc\r\n')
  t.match(onlyAnswer(await client.closed), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
  t.match(await guarded.recorded(), [{ ...tooLarge, received: 6 }])
  t.equal(guarded.records.length, 1)
})

t.test('the limits that readRawBody() leaves behind are as frozen as all others', async (t) => {
  const guarded = await guardedApp({
    routes: (app) => {
      app.addContentTypeParser('application/x-stream', (_request, _payload, done) => done(null))
      app.post('/', async (request) => {
        await request.readRawBody({ limit: 4 })
        const { limits } = request.readGuard
        return { bodyLimit: limits.bodyLimit, frozen: Object.isFrozen(limits) }
      })
    }
  })
  t.teardown(() => guarded.app.close())
  const response = await guarded.app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'application/x-stream' }, payload: 'abc' })
  t.same(response.json(), { bodyLimit: 4, frozen: true })
})
