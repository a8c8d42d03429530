import type { FastifyInstance } from 'fastify'
import oldest from 'fastify-oldest'
import t, { type Test } from 'tap'
import readGuard, { type AbortRecord, type ReadGuardOptions } from '../../lib/index.js'
import { chunk, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

t.jobs = 5

const LIMIT = 300

/** The oldest Fastify that the guard is for: it does not tell of a reply before its hooks run. */
async function serve (t: Test, guard: ReadGuardOptions, before: (app: FastifyInstance) => void = () => {}, called: () => void = () => {}) {
  const app = oldest() as unknown as FastifyInstance // of another version than the types of the guard
  const records: AbortRecord[] = []
  before(app)
  await app.register(readGuard, { ...guard, onAbort: (record) => { records.push(record) } })
  app.post('/bodies/:id', async (request) => request.body)
  app.get('/never', () => {
    called()
    return new Promise(() => {})
  })
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  return { app, port, records }
}

const json = { 'Content-Type': 'application/json', 'Content-Length': '10' }

t.test('a body that stalls is answered, and its record knows the route', async (t) => {
  const { port, records } = await serve(t, { bodyIdleTimeout: LIMIT })
  const client = new RawClient(port)
  await client.write(head('POST', '/bodies/1', json) + '{')
  t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', route: '/bodies/:id', reqId: 'req-1', received: 1, expected: 10 }])
})

t.test('a body that is too large is refused after the last onRequest hook', async (t) => {
  const { port, records } = await serve(t, { bodyLimit: 9 }, (app) => {
    app.addHook('onRequest', async (_request, reply) => { reply.header('x-hook', 'ran') })
  })
  const client = new RawClient(port)
  await client.write(head('POST', '/bodies/1', json))
  t.match(onlyAnswer(await client.closed), { statusCode: 413, headers: { 'x-hook': 'ran' }, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
  t.match(records, [{ code: 'FST_READ_BODY_TOO_LARGE', route: '/bodies/:id', received: 0 }])
})

t.test('a body that a hook before the guard reads has the largest limit of any route', async (t) => {
  const { port, records } = await serve(t, { bodyLimit: 100 }, (app) => {
    app.addHook('onRequest', async (request, reply) => {
      let bytes = 0
      for await (const part of request.raw) bytes += (part as Buffer).length
      return reply.send({ bytes })
    })
    app.post('/larger', { config: { readGuard: { bodyLimit: 200 } } }, async () => 'never')
  })
  for (const [bytes, statusCode] of [[200, 200], [201, 413]] as const) {
    const client = new RawClient(port)
    await client.write(head('POST', '/bodies/1', { 'Transfer-Encoding': 'chunked', Connection: 'close' }) + chunk('x'.repeat(100)))
    await client.write(chunk('x'.repeat(bytes - 100)) + chunk(''))
    t.match(onlyAnswer(await client.closed), { statusCode })
  }
  t.match(records, [{ code: 'FST_READ_BODY_TOO_LARGE', limit: 200 }])
})

t.test('a client that leaves while the handler works has its record', async (t) => {
  let isCalled = false
  const { port, records } = await serve(t, {}, undefined, () => { isCalled = true })
  const client = new RawClient(port)
  await client.write('GET /never HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(() => isCalled, 'the handler')
  client.rst()
  await until(() => records.length > 0, 'the record')
  t.match(records, [{ code: 'FST_READ_RESPONSE_ABORTED', phase: 'handler', route: '/never' }])
})

t.test('injected bodies are held against the limits', async (t) => {
  const { app, records } = await serve(t, { bodyLimit: 12 })
  t.equal((await app.inject({ method: 'POST', url: '/bodies/1', payload: { a: 1 } })).statusCode, 200)
  t.equal((await app.inject({ method: 'POST', url: '/bodies/1', payload: { a: '1234567890' } })).statusCode, 413)
  t.match(records, [{ code: 'FST_READ_BODY_TOO_LARGE', route: '/bodies/:id' }])
})
