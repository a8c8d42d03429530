import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { guardedApp, type GuardedApp, noise } from '../../support/app/guarded-app.js'
import { chunk, delay, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, onlyRecord } from '../../support/oracle/expect-refusal.js'
import { quiet } from '../../support/oracle/server-state.js'

t.jobs = 16

const LIMIT = 300
const SLOW = LIMIT * 3
const LINGER = 500

async function routes (app: FastifyInstance): Promise<void> {
  app.get('/', async () => ({ method: 'GET' }))
  app.get('/slow', async () => {
    await delay(SLOW)
    return { method: 'GET' }
  })
  app.get('/raw', async (request) => ({ body: await request.readRawBody({ encoding: true }) }))
  await app.register(async (scope) => {
    scope.setNotFoundHandler(async (_request, reply) => reply.code(404).send({ scope: true }))
    scope.get('/known', async () => 'known')
  }, { prefix: '/scope' })
}

function server (t: Test): Promise<GuardedApp> {
  return guardedApp({
    t,
    guard: { bodyIdleTimeout: LIMIT, bodyLimit: 100, linger: { timeout: LINGER }, resolution: 50 },
    routes
  })
}

for (const method of ['GET', 'HEAD']) {
  t.test(`${method}: a body that comes whole is thrown away, and the connection lives on`, async (t) => {
    const guarded = await server(t)
    const client = new RawClient(guarded.port)
    const request = head(method, '/', { 'Content-Length': 3 }) + 'abc'
    await client.write(request)
    await client.until(/\r\n\r\n/)
    await quiet(guarded.app)
    await client.write(head(method, '/', { Connection: 'close', 'Content-Length': 3 }) + 'abc')
    const { text } = await client.closed
    t.equal(text.match(/HTTP\/1\.1 200 OK/g)?.length, 2)
    t.strictSame(guarded.records, [])
  })

  t.test(`${method}: a body that stalls after the answer is no failed read, and does not hold the connection`, async (t) => {
    const guarded = await server(t)
    const client = new RawClient(guarded.port)
    await client.write(head(method, '/', { 'Content-Length': 3 }) + 'a')
    const { text } = await client.closed
    t.equal(text.match(/HTTP\/1\.1 /g)?.length, 1)
    t.match(text, /^HTTP\/1\.1 200 OK/)
    await quiet(guarded.app)
    t.strictSame(guarded.records, [])
    t.equal(guarded.app.readGuard.stats().lingered, 1)
  })

  t.test(`${method}: a body over the limit is refused`, async (t) => {
    const guarded = await server(t)
    const client = new RawClient(guarded.port)
    await client.write(head(method, '/', { 'Content-Length': 101 }))
    t.match((await client.closed).text, /^HTTP\/1\.1 413 Payload Too Large/)
    t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_BODY_TOO_LARGE', method, route: '/', limit: 100, expected: 101 })
  })
}

t.test('a body that stalls while the handler does something else: the handler keeps its answer', async (t) => {
  const guarded = await server(t)
  const client = new RawClient(guarded.port)
  await client.write(head('GET', '/slow', { 'Content-Length': 3 }) + 'a')
  const seen = await client.closed
  t.ok(seen.elapsed >= SLOW)
  t.match(onlyAnswer(seen), { statusCode: 200, headers: { connection: 'close' }, json: { method: 'GET' } })
  const record = await onlyRecord(t, guarded, 'warn')
  t.match(record, { code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: false, received: 1, expected: 3, route: '/slow' })
  t.ok(record.elapsed >= LIMIT && record.elapsed < LIMIT + 200, `${record.elapsed}`)
  t.strictSame(noise(guarded.log), [])
})

t.test('the body of a GET that a handler reads is guarded like any other', async (t) => {
  const guarded = await server(t)
  const whole = new RawClient(guarded.port)
  await whole.write(head('GET', '/raw', { 'Content-Length': 3, Connection: 'close' }) + 'abc')
  t.match(onlyAnswer(await whole.closed), { statusCode: 200, json: { body: 'abc' } })
  const stalled = new RawClient(guarded.port)
  await stalled.write(head('GET', '/raw', { 'Content-Length': 3 }) + 'a')
  mustBeRefused(t, await stalled.closed, 408, 'Request Timeout', 'FST_READ_BODY_IDLE_TIMEOUT')
  t.match(await onlyRecord(t, guarded, 'warn'), { method: 'GET', route: '/raw', received: 1, expected: 3, answered: true })
})

const JSON_TYPE = { 'Content-Type': 'application/json' }

for (const url of ['/nowhere', '/scope/nowhere']) {
  t.test(`404: a body that stalls in a parser is ended by the limit of the plugin (${url})`, async (t) => {
    const guarded = await server(t)
    const client = new RawClient(guarded.port)
    await client.write(head('POST', url, { ...JSON_TYPE, 'Content-Length': 7 }) + '{"a"')
    mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_BODY_IDLE_TIMEOUT')
    t.match(await onlyRecord(t, guarded, 'warn'), { route: undefined, url, method: 'POST', received: 4, expected: 7, answered: true })
  })

  t.test(`404: a body that no parser knows is not waited for (${url})`, async (t) => {
    const guarded = await server(t)
    const client = new RawClient(guarded.port)
    await client.write(head('POST', url, { 'Content-Type': 'application/x-unknown', 'Content-Length': 7 }) + 'abc')
    t.equal(onlyAnswer(await client.closed).statusCode, 404)
    await quiet(guarded.app)
    t.strictSame(guarded.records, [])
  })

  t.test(`404: a body over the limit is refused (${url})`, async (t) => {
    const guarded = await server(t)
    const client = new RawClient(guarded.port)
    await client.write(head('POST', url, { ...JSON_TYPE, 'Transfer-Encoding': 'chunked' }) + chunk(`"${'x'.repeat(100)}`))
    mustBeRefused(t, await client.closed, 413, 'Payload Too Large', 'FST_READ_BODY_TOO_LARGE')
    t.match(await onlyRecord(t, guarded, 'warn'), { route: undefined, url, limit: 100, received: 101 })
  })
}

t.test('404: a body that comes whole is read, and the connection lives on', async (t) => {
  const guarded = await server(t)
  const client = new RawClient(guarded.port)
  const request = { ...JSON_TYPE, 'Content-Length': 2 }
  await client.write(head('POST', '/nowhere', request) + '{}' + head('POST', '/scope/nowhere', request) + '{}')
  await client.until(/"scope":true/)
  client.fin()
  t.strictSame(parseAnswers((await client.closed).text).map(answer => answer.statusCode), [404, 404])
  t.strictSame(guarded.records, [])
})
