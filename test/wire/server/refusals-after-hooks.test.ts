import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import readGuard, { type AbortRecord, type ReadGuardOptions } from '../../../lib/index.js'
import { chunk, delay, head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'

t.jobs = 8

const guard: ReadGuardOptions = { bodyLimit: 10, bodyIdleTimeout: 2_000, resolution: 50, linger: { timeout: 200 } }

interface HookedApp {
  readonly port: number
  readonly records: AbortRecord[]
  /** What ran, in its order. */
  readonly ran: string[]
}

/** What marks the answers, as CORS and helmet do. */
function mark (ran: string[]) {
  return async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    await delay(20)
    ran.push('onRequest')
    reply.header('x-mark', 'yes')
  }
}

type Placing = (app: FastifyInstance, ran: string[], register: () => void) => void

/** Where a hook of the application stands to the guard. */
const places: Readonly<Record<string, Placing>> = {
  'a hook added before the guard': (app, ran, register) => {
    app.addHook('onRequest', mark(ran))
    register()
  },
  'a hook added after the guard': (app, ran, register) => {
    register()
    app.addHook('onRequest', mark(ran))
  },
  'a hook of the route': (app, ran, register) => {
    register()
    app.addHook('onRoute', (route) => { route.onRequest = [mark(ran)] })
  },
  'a hook of a plugin that is registered later': (app, ran, register) => {
    register()
    app.register(Object.assign(async (child: FastifyInstance) => { child.addHook('onRequest', mark(ran)) }, { [Symbol.for('skip-override')]: true }))
  }
}

async function hookedApp (t: Test, place: Placing, own: ReadGuardOptions = {}, more: (app: FastifyInstance) => void = () => {}): Promise<HookedApp> {
  const records: AbortRecord[] = []
  const ran: string[] = []
  const app = fastify()
  app.addHook('preParsing', async (_request, _reply, payload) => { ran.push('preParsing'); return payload })
  place(app, ran, () => { app.register(readGuard, { ...guard, ...own, onAbort: (record) => { records.push(record) } }) })
  more(app)
  app.post('/', async (request) => { ran.push('handler'); return request.body })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  const { port } = app.server.address() as { port: number }
  return { port, records, ran }
}

const TEXT = { 'Content-Type': 'text/plain' }
const refused = [
  ['413 by Content-Length, with the body', {}, '/', { ...TEXT, 'Content-Length': 11 }, 'x'.repeat(11), 413, 'FST_READ_BODY_TOO_LARGE'],
  ['413 by Content-Length, without the body', {}, '/', { ...TEXT, 'Content-Length': 11 }, '', 413, 'FST_READ_BODY_TOO_LARGE'],
  ['413 that waits for 100 Continue', {}, '/', { ...TEXT, 'Content-Length': 11, Expect: '100-continue' }, '', 413, 'FST_READ_BODY_TOO_LARGE'],
  ['411', { requireContentLength: true }, '/', { ...TEXT, 'Transfer-Encoding': 'chunked' }, chunk('x'), 411, 'FST_READ_LENGTH_REQUIRED'],
  ['413 where there is no route', {}, '/nowhere', { ...TEXT, 'Content-Length': 11 }, 'x'.repeat(11), 413, 'FST_READ_BODY_TOO_LARGE']
] as const

for (const [where, place] of Object.entries(places)) {
  for (const [name, own, url, headers, body, statusCode, code] of refused) {
    // No route, no hook of it.
    if (url === '/nowhere' && where === 'a hook of the route') continue
    t.test(`${name}: ${where} has its say in the answer, and nothing else runs`, async (t) => {
      const { port, records, ran } = await hookedApp(t, place, own)
      const client = new RawClient(port)
      await client.write(head('POST', url, headers) + body)
      const { text } = await client.closed
      t.match(onlyAnswer({ text }), { statusCode, headers: { 'x-mark': 'yes', connection: 'close' }, json: { code } })
      t.notMatch(text, /100 Continue/)
      t.match(records, [{ code, answered: true }])
      t.equal(records.length, 1)
      t.same(ran, ['onRequest'])
    })
  }

  t.test(`${where} that refuses comes first, and there is no record`, async (t) => {
    const { port, records } = await hookedApp(t, place, {}, (app) => {
      app.addHook('onRequest', async (_request, reply) => reply.code(401).send({ own: true }))
    })
    const client = new RawClient(port)
    await client.write(head('POST', '/', { ...TEXT, 'Content-Length': 11, Connection: 'close' }) + 'x'.repeat(11))
    t.match(onlyAnswer(await client.closed), { statusCode: 401, json: { own: true } })
    t.same(records, [])
  })
}

t.test('a hook may give a request more, or less, before it is judged', async (t) => {
  const { port, records } = await hookedApp(t, (_app, _ran, register) => register(), {}, (app) => {
    app.addHook('onRequest', async (request) => {
      await delay(20)
      const limit = request.headers['x-limit']
      if (limit !== undefined) request.readGuard.setLimits({ bodyLimit: Number(limit) })
    })
    app.addHook('onRequest', async (_request, reply) => { await delay(20); reply.header('x-mark', 'yes') })
  })
  for (const [limit, length, statusCode] of [[100, 11, 200], [5, 6, 413], [5, 5, 200]] as const) {
    const client = new RawClient(port)
    await client.write(head('POST', '/', { ...TEXT, 'Content-Length': length, 'X-Limit': limit, Connection: 'close' }) + 'x'.repeat(length))
    t.match(onlyAnswer(await client.closed), { statusCode, headers: { 'x-mark': 'yes' } }, `${length} of ${limit}`)
  }
  t.match(records, [{ code: 'FST_READ_BODY_TOO_LARGE', limit: 5, expected: 6 }])
  t.equal(records.length, 1)
})

t.test('a route that allows more than the plugin is not cut while a hook before the guard works', async (t) => {
  const { port, records } = await hookedApp(t, places['a hook added before the guard'] ?? (() => {}), {}, (app) => {
    app.post('/large', { config: { readGuard: { bodyLimit: 1_000 } } }, async (request) => `${String(request.body).length} bytes`)
  })
  for (const framed of [{ 'Content-Length': 20 }, { 'Transfer-Encoding': 'chunked' }] as const) {
    const client = new RawClient(port)
    const headers: Readonly<Record<string, string | number>> = { ...TEXT, ...framed, Connection: 'close' }
    await client.write(head('POST', '/large', headers) + ('Content-Length' in framed ? 'x'.repeat(20) : chunk('x'.repeat(20)) + '0\r\n\r\n'))
    t.match(onlyAnswer(await client.closed), { statusCode: 200, body: '20 bytes' })
  }
  t.same(records, [])
})

t.test('limits that a hook before the guard sets are not those of the route again', async (t) => {
  const { port } = await hookedApp(t, (app, _ran, register) => {
    app.addHook('onRequest', async (request) => { request.readGuard.setLimits({ bodyLimit: 100 }) })
    register()
  })
  const client = new RawClient(port)
  await client.write(head('POST', '/', { ...TEXT, 'Content-Length': 50, Connection: 'close' }) + 'x'.repeat(50))
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
})

t.test('a hook that reads a body which is refused gets the error', async (t) => {
  const errors: unknown[] = []
  const { port, records } = await hookedApp(t, (_app, _ran, register) => register(), {}, (app) => {
    app.addHook('onRequest', async (request) => {
      try {
        for await (const part of request.raw) errors.push(part)
      } catch (error) {
        errors.push((error as { code: string }).code)
        throw error
      }
    })
  })
  const client = new RawClient(port)
  await client.write(head('POST', '/', { ...TEXT, 'Content-Length': 11 }) + 'x'.repeat(11))
  t.match(onlyAnswer(await client.closed), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
  t.same(errors, ['FST_READ_BODY_TOO_LARGE'])
  t.equal(records.length, 1)
})

t.test('observed, it is recorded once and served', async (t) => {
  const { port, records, ran } = await hookedApp(t, (_app, _ran, register) => register(), { mode: 'observe' })
  const client = new RawClient(port)
  await client.write(head('POST', '/', { ...TEXT, 'Content-Length': 11, Connection: 'close', Expect: '100-continue' }))
  await client.until(/100 Continue/)
  await client.write('x'.repeat(11))
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.match(records, [{ code: 'FST_READ_BODY_TOO_LARGE', observed: true }])
  t.equal(records.length, 1)
  t.same(ran, ['preParsing', 'handler'])
})

t.test('injected, it is the same', async (t) => {
  const app = fastify()
  await app.register(readGuard, guard)
  app.addHook('onRequest', async (_request, reply) => { await delay(20); reply.header('x-mark', 'yes') })
  app.post('/', async () => 'ok')
  const answer = await app.inject({ method: 'POST', url: '/', payload: 'x'.repeat(11), headers: { 'content-type': 'text/plain' } })
  t.match(answer, { statusCode: 413, headers: { 'x-mark': 'yes' } })
  await app.close()
})
