import { Readable } from 'node:stream'
import t from 'tap'
import type { FastifyRequest } from 'fastify'
import { isReadError } from '../../../lib/index.js'
import { guardedApp, noise } from '../../support/app/guarded-app.js'
import { post, unreadApp } from '../../support/app/unread-bodies.js'
import { delay, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, onlyRecord } from '../../support/oracle/expect-refusal.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 16

/** What read the body before. */
const consumers: Readonly<Record<string, (request: FastifyRequest) => Promise<unknown>>> = {
  'readRawBody()': (request) => request.readRawBody(),
  'for await': async (request) => {
    let received = 0
    for await (const data of request.raw as AsyncIterable<Buffer>) received += data.length
    return received
  },
  'a listener of \'data\'': async (request) => {
    request.raw.on('data', () => {})
    await new Promise((resolve) => request.raw.once('end', resolve))
  },
  'resume(), which is still at it': async (request) => { request.raw.resume() },
  'another readRawBody(), which is still at it': async (request) => { request.readRawBody().catch(() => {}) }
}

for (const [name, consume] of Object.entries(consumers)) {
  t.test(`after ${name} it rejects with FST_READ_BODY_CONSUMED, which is no failed read`, async (t) => {
    const guarded = await unreadApp(t, async (request) => {
      await consume(request)
      return request.readRawBody()
    })
    const client = new RawClient(guarded.port)
    await client.write(post({ 'Content-Length': 3 }) + 'abc')
    t.match(onlyAnswer(await client.closed), { statusCode: 500, json: { statusCode: 500, code: 'FST_READ_BODY_CONSUMED', message: 'The request body was already consumed' } })
    t.strictSame(guarded.records, [])
    t.match(guarded.handled, [{ code: 'FST_READ_BODY_CONSUMED', statusCode: 500 }])
  })
}

t.test('after a parser it rejects with FST_READ_BODY_CONSUMED', async (t) => {
  const guarded = await guardedApp({ t, routes: (app) => { app.post('/', async (request) => request.readRawBody()) } })
  const response = await guarded.app.inject({ method: 'POST', url: '/', payload: { a: 1 } })
  t.match(response.json(), { statusCode: 500, code: 'FST_READ_BODY_CONSUMED' })
  t.strictSame(guarded.records, [])
})

t.test('it rejects with the error of the read', async (t) => {
  const errors: unknown[] = []
  const guarded = await unreadApp(t, async (request) => {
    await request.readRawBody().catch((error: unknown) => {
      errors.push(error)
      throw error
    })
  }, { bodyIdleTimeout: 200 })
  const stalled = new RawClient(guarded.port)
  await stalled.write(post({ 'Content-Length': 5 }) + 'abc')
  mustBeRefused(t, await stalled.closed, 408, 'Request Timeout', 'FST_READ_BODY_IDLE_TIMEOUT')
  const left = new RawClient(guarded.port)
  await left.write(post({ 'Content-Length': 5 }) + 'abc')
  left.fin()
  await left.closed
  await guarded.recorded(2)
  t.match(errors, [
    { code: 'FST_READ_BODY_IDLE_TIMEOUT', phase: 'body', received: 3, expected: 5, limit: 200 },
    { code: 'FST_READ_ABORTED', phase: 'body', received: 3, expected: 5, cause: Error }
  ])
  t.strictSame(errors, guarded.handled)
  t.match(guarded.records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: true }, { code: 'FST_READ_ABORTED', answered: false }])
  t.equal(guarded.records.length, 2)
})

t.test('where no limit was passed its error names none, also where it has one and the route is not guarded', async (t) => {
  const errors: unknown[] = []
  const guarded = await guardedApp({
    t,
    routes: (app) => {
      app.addContentTypeParser('*', (_request, _payload, done) => done(null))
      app.post('/', { config: { readGuard: false } }, async (request) => request.readRawBody({ limit: 100 }).catch((error: unknown) => { errors.push(error) }))
    }
  })
  for (const payload of ['abc', 'x'.repeat(200)]) {
    await guarded.app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'application/octet-stream', 'content-length': '5' }, payload: Readable.from([payload]) })
  }
  const client = new RawClient(guarded.port)
  await client.write(post({ 'Content-Length': 5 }) + 'abc')
  client.fin()
  await client.closed
  await until(() => errors.length === 3, 'three errors')
  t.strictSame(errors.map((error) => isReadError(error) && [error.code, error.limit]), [
    ['FST_READ_LENGTH_MISMATCH', undefined], ['FST_READ_BODY_TOO_LARGE', 100], ['FST_READ_ABORTED', undefined]
  ])
})

t.test('of a read that failed before it was called it rejects with the same error', async (t) => {
  const guarded = await unreadApp(t, async (request) => {
    await delay(600)
    return request.readRawBody()
  }, { bodyIdleTimeout: 200 })
  const client = new RawClient(guarded.port)
  await client.write(post({ 'Content-Length': 5 }) + 'abc')
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_BODY_IDLE_TIMEOUT')
  t.match(await onlyRecord(t, guarded, 'warn'), { answered: true, received: 3 })
  t.match(guarded.handled, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT' }])
  t.strictSame(noise(guarded.log), [])
})

t.test('an error that the handler answers in its own way is recorded all the same', async (t) => {
  const guarded = await unreadApp(t, async (request) => request.readRawBody().then(() => 'whole', (error: Error & { code: string }) => ({ instead: error.code })), { bodyIdleTimeout: 200 })
  const client = new RawClient(guarded.port)
  await client.write(post({ 'Content-Length': 5 }) + 'abc')
  t.match(onlyAnswer(await client.closed), { statusCode: 200, headers: { connection: 'close' }, json: { instead: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_BODY_IDLE_TIMEOUT' })
})

for (const [name, options] of Object.entries({ 'an unknown option': { limti: 3 }, null: null, 'a wrong limit': { limit: -1 } })) {
  t.test(`${name} is refused, and the body can still be read`, async (t) => {
    const guarded = await unreadApp(t, async (request) => {
      await t.rejects(request.readRawBody(options as object), { code: 'FST_READ_OPTIONS_INVALID', message: /^readRawBody\(\): / })
      return request.readRawBody()
    })
    const client = new RawClient(guarded.port)
    await client.write(post({ 'Content-Length': 3 }) + 'abc')
    t.equal(onlyAnswer(await client.closed).body, 'abc')
  })
}
