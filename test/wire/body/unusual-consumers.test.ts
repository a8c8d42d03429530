import { setTimeout as wait } from 'node:timers/promises'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import readGuard, { type ReadGuardOptions } from '../../../lib/index.js'
import { guardedApp, type GuardedApp, noise } from '../../support/app/guarded-app.js'
import { chunk, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { quiet } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 8

const LIMIT = 300
const stream = { 'Content-Type': 'application/x-stream' }

function start (t: Test, handle: (request: FastifyRequest, reply: FastifyReply) => unknown, guard: ReadGuardOptions = {}, options: FastifyServerOptions = {}, also: (app: FastifyInstance) => void = () => {}): Promise<GuardedApp> {
  return guardedApp({
    t,
    guard: { bodyIdleTimeout: LIMIT, resolution: 50, linger: { timeout: 500, bytes: 1_000_000 }, ...guard },
    fastify: options,
    routes: (app) => {
      also(app)
      app.addContentTypeParser('application/x-stream', (_request, payload, done) => done(null, payload))
      app.post('/', (request, reply) => handle(request, reply))
      app.get('/', async () => 'next')
    }
  })
}

const enough: Readonly<Record<string, (request: FastifyRequest) => Promise<void>>> = {
  'break out of for await': async ({ raw }) => {
    for await (const data of raw) if ((data as Buffer).length > 0) break
  },
  'take(1)': async ({ raw }) => { await raw.take(1).toArray() }
}

for (const [name, take] of Object.entries(enough)) {
  t.test(`a consumer that has seen enough (${name}) leaves the rest to be drained, and the connection to the next request`, async (t) => {
    const guarded = await start(t, async (request) => {
      await take(request)
      return 'enough'
    })
    const client = new RawClient(guarded.port)
    await client.write(head('POST', '/', { ...stream, 'Content-Length': 300_000 }) + 'x')
    await client.until(/enough/)
    await client.write('x'.repeat(299_999) + head('GET', '/', { Connection: 'close' }))
    t.same(parseAnswers((await client.closed).text).map(({ body }) => body), ['enough', 'next'])
    t.same(guarded.records, [])
  })

  t.test(`a client that stalls after a consumer has seen enough (${name}) is no failed read`, async (t) => {
    const guarded = await start(t, async (request) => {
      await take(request)
      return 'enough'
    })
    const client = new RawClient(guarded.port)
    await client.write(head('POST', '/', { ...stream, 'Content-Length': 300_000 }) + 'x')
    t.equal(onlyAnswer(await client.closed).body, 'enough')
    await quiet(guarded.app)
    t.same(guarded.records, [])
  })
}

t.test('the owner of a hijacked answer who waits for an end that can\'t be heard of is cut off', async (t) => {
  const guarded = await start(t, (request, reply) => {
    reply.hijack()
    request.raw.on('data', () => {}).on('end', () => reply.raw.end('never'))
  })
  const client = new RawClient(guarded.port)
  await client.write(head('POST', '/', { ...stream, 'Content-Length': 10 }) + 'x')
  t.equal((await client.closed).text, '')
  t.match(await guarded.recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: false }])
  await quiet(guarded.app)
  t.equal(guarded.records.length, 1)
})

for (const hook of ['onSend', 'preSerialization'] as const) {
  t.test(`an answer that a slow ${hook} hook holds up is not mixed with another`, async (t) => {
    const guarded = await start(t, async () => ({ own: true }), {}, {}, (app) => {
      app.addHook(hook, async (_request: FastifyRequest, _reply: FastifyReply, payload: unknown) => {
        await wait(2_300) // longer than any grace
        return payload
      })
    })
    const client = new RawClient(guarded.port)
    await client.write(head('POST', '/', { ...stream, 'Content-Length': 10 }) + 'x')
    const { statusCode, json } = onlyAnswer(await client.closed)
    t.same({ statusCode, json }, { statusCode: 200, json: { own: true } })
    t.match(await guarded.recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: false }])
    t.equal(guarded.records.length, 1)
    t.same(noise(guarded.log), [])
  })
}

t.test('an answer that was given while the body is still read stands, whatever becomes of the body', async (t) => {
  const guarded = await start(t, (request, reply) => {
    request.raw.on('data', () => {}).on('error', () => {})
    return reply.send('early')
  }, { bodyLimit: 100 })
  const client = new RawClient(guarded.port)
  await client.write(head('POST', '/', { ...stream, 'Transfer-Encoding': 'chunked' }) + chunk('x'))
  await client.until(/early/)
  await client.write(chunk('x'.repeat(10_000)))
  const { text, end } = await client.closed
  t.equal(onlyAnswer({ text }).body, 'early')
  t.equal(end, 'FIN', 'the connection is not reset')
  t.match(await guarded.recorded(), [{ code: 'FST_READ_BODY_TOO_LARGE', received: 10_001, answered: false }])
  t.equal(guarded.records.length, 1)
  t.same(noise(guarded.log), [])
})

t.test('a body that stalls after a handlerTimeout makes no second answer, and no noise', async (t) => {
  const guarded = await start(t, async () => 'never', { bodyIdleTimeout: 2 * LIMIT }, { handlerTimeout: LIMIT })
  const client = new RawClient(guarded.port)
  await client.write(head('POST', '/', { 'Content-Type': 'application/json', 'Content-Length': 10 }) + '{')
  t.equal(onlyAnswer(await client.closed).statusCode, 503)
  await quiet(guarded.app)
  t.same(noise(guarded.log).filter(({ err }) => err?.code !== 'FST_ERR_HANDLER_TIMEOUT'), [])
})

const destroyers: Readonly<Record<string, (request: FastifyRequest, reply: FastifyReply) => void>> = {
  'request.raw': ({ raw }) => raw.destroy(new Error('own')),
  'the socket': ({ raw }) => raw.socket.destroy(new Error('own')),
  'reply.raw': (_request, { raw }) => raw.destroy(new Error('own'))
}

for (const [name, destroy] of Object.entries(destroyers)) {
  t.test(`an application that destroys ${name} blames no client`, async (t) => {
    const guarded = await start(t, async (request, reply) => {
      request.raw.on('error', () => {})
      destroy(request, reply)
      await wait(50)
    })
    const client = new RawClient(guarded.port)
    await client.write(head('POST', '/', { ...stream, 'Content-Length': 10 }) + 'x')
    t.equal((await client.closed).text, '')
    await quiet(guarded.app)
    t.same(guarded.records, [])
  })
}

t.test('every listener hears of a failure once, whenever it begins to listen', async (t) => {
  const heard: string[] = []
  const guarded = await start(t, async (request, reply) => {
    const { raw } = request
    request.readGuard.setLimits({ bodyLimit: 1 })
    raw.on('error', () => { heard.push('first') })
    raw.resume()
    await until(() => heard.length === 1, 'the first has heard')
    raw.once('error', () => { heard.push('late') })
    raw.resume()
    await until(() => heard.length === 2, 'the late one has heard')
    raw.resume()
    await wait(100)
    return reply.code(413).send({})
  })
  const client = new RawClient(guarded.port)
  await client.write(head('POST', '/', { ...stream, 'Content-Length': 10 }) + 'x')
  t.equal(onlyAnswer(await client.closed).statusCode, 413)
  t.same(heard, ['first', 'late'])
  t.equal(guarded.records.length, 1)
})

t.test('the limits of routes that were added before anybody waited for the guard hold', async (t) => {
  const app = fastify()
  const registered = app.register(readGuard)
  const handle = async (): Promise<string> => 'ok'
  app.post('/small', { config: { readGuard: { bodyLimit: 10 } } }, handle)
  app.post('/free', { config: { readGuard: false } }, handle)
  app.post('/plain', handle)
  await registered
  t.teardown(() => app.close())
  const post = async (url: string): Promise<[number, unknown]> => {
    const answer = await app.inject({ method: 'POST', url, payload: { x: 'x'.repeat(20) } })
    return [answer.statusCode, answer.json<{ code?: string }>().code]
  }
  t.same(await post('/small'), [413, 'FST_READ_BODY_TOO_LARGE'])
  t.same(await post('/small'), [413, 'FST_READ_BODY_TOO_LARGE'])
  t.equal((await app.inject({ method: 'POST', url: '/free', payload: {} })).statusCode, 200)
  t.equal((await app.inject({ method: 'POST', url: '/plain', payload: {} })).statusCode, 200)
})
