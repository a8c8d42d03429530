import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { guardedApp, type GuardedApp, type GuardedAppOptions, noise } from '../../support/app/guarded-app.js'
import { chunk, delay, head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, onlyRecord } from '../../support/oracle/expect-refusal.js'
import { serverSockets } from '../../support/oracle/server-state.js'

t.jobs = 16

const LIMIT = 10

interface LengthApp extends GuardedApp {
  /** The bodies that reached the handler. */
  readonly bodies: unknown[]
}

function routes (app: FastifyInstance, bodies: unknown[]): void {
  const handler = async (request: { body: unknown }): Promise<object> => {
    bodies.push(request.body)
    return { ok: true }
  }
  app.post('/', handler)
  app.get('/', handler)
  app.post('/strict', { config: { readGuard: { requireContentLength: true } } }, handler)
  app.post('/lax', { config: { readGuard: { requireContentLength: false, bodyLimit: 0 } } }, handler)
}

async function lengthApp (t: Test, guard: ReadGuardOptions, options: GuardedAppOptions = {}): Promise<LengthApp> {
  const bodies: unknown[] = []
  const guarded = await guardedApp({ t, ...options, guard, routes: (app) => routes(app, bodies) })
  return { ...guarded, bodies }
}

function post (headers: Readonly<Record<string, string | number>>, url = '/'): string {
  return head('POST', url, { 'Content-Type': 'text/plain', Connection: 'close', ...headers })
}

const chunked = post({ 'Transfer-Encoding': 'chunked' })
const LAST_CHUNK = '0\r\n\r\n'

/** Refused by the head alone: the client never sends a byte of its body. */
const refused = [
  ['a chunked body is refused where a length is required', { requireContentLength: true }, chunked, 411, 'Length Required', 'FST_READ_LENGTH_REQUIRED', 'The request body needs a Content-Length', undefined, undefined],
  ['a chunked body is refused on a route where a length is required', {}, post({ 'Transfer-Encoding': 'chunked' }, '/strict'), 411, 'Length Required', 'FST_READ_LENGTH_REQUIRED', 'The request body needs a Content-Length', undefined, undefined],
  ['a declared body one byte over the limit is refused', { bodyLimit: LIMIT }, post({ 'Content-Length': LIMIT + 1 }), 413, 'Payload Too Large', 'FST_READ_BODY_TOO_LARGE', `The request body is larger than ${LIMIT} bytes`, LIMIT + 1, LIMIT],
  ['a declared body of more than can be counted is refused', { bodyLimit: LIMIT }, post({ 'Content-Length': '18446744073709551615' }), 413, 'Payload Too Large', 'FST_READ_BODY_TOO_LARGE', `The request body is larger than ${LIMIT} bytes`, 2 ** 64, LIMIT]
] as const

for (const [name, guard, request, statusCode, error, code, message, expected, limit] of refused) {
  t.test(`${name} before a byte of it is read`, async (t) => {
    const guarded = await lengthApp(t, guard)
    const client = new RawClient(guarded.port)
    await client.write(request)
    const seen = await client.closed
    mustBeRefused(t, seen, statusCode, error, code, message)
    t.ok(seen.elapsed < 5_000, 'it waited for no limit')
    t.match(await onlyRecord(t, guarded, 'warn'), {
      code,
      phase: 'body',
      blame: 'client_invalid',
      statusCode,
      answered: true,
      received: 0,
      expected,
      limit,
      method: 'POST',
      route: String,
      reqId: String,
      observed: false
    })
    t.strictSame(guarded.bodies, [])
    t.strictSame(guarded.handled.map(handled => (handled as { code?: string }).code), [code])
    t.strictSame(guarded.onError, guarded.handled)
    t.strictSame(noise(guarded.log), [])
  })
}

const passing = [
  ['a body with a length, where one is required', { requireContentLength: true }, post({ 'Content-Length': 3 }) + 'abc', 'abc'],
  ['a body of length 0, where a length is required', { requireContentLength: true }, post({ 'Content-Length': 0 }), ''],
  ['no body, where a length is required', { requireContentLength: true }, head('GET', '/', { Connection: 'close' }), undefined],
  ['a chunked body, on a route that does not require a length', { requireContentLength: true }, post({ 'Transfer-Encoding': 'chunked' }, '/lax') + chunk('abc') + LAST_CHUNK, 'abc'],
  ['a declared body one byte under the limit', { bodyLimit: LIMIT }, post({ 'Content-Length': LIMIT - 1 }) + 'x'.repeat(LIMIT - 1), 'x'.repeat(LIMIT - 1)],
  ['a declared body at the limit', { bodyLimit: LIMIT }, post({ 'Content-Length': LIMIT }) + 'x'.repeat(LIMIT), 'x'.repeat(LIMIT)],
  ['a chunked body at the limit', { bodyLimit: LIMIT }, chunked + chunk('x'.repeat(LIMIT - 1)) + chunk('x') + LAST_CHUNK, 'x'.repeat(LIMIT)],
  ['a body over the limit, on a route without one', { bodyLimit: LIMIT }, post({ 'Content-Length': LIMIT + 1 }, '/lax') + 'x'.repeat(LIMIT + 1), 'x'.repeat(LIMIT + 1)]
] as const

for (const [name, guard, request, body] of passing) {
  t.test(`${name}, passes`, async (t) => {
    const guarded = await lengthApp(t, guard)
    const client = new RawClient(guarded.port)
    await client.write(request)
    t.equal(onlyAnswer(await client.closed).statusCode, 200)
    t.strictSame(guarded.bodies, [body])
    t.strictSame(guarded.records, [])
  })
}

t.test('a chunked body is refused with its first byte over the limit', async (t) => {
  const guarded = await lengthApp(t, { bodyLimit: LIMIT })
  const sockets = serverSockets(guarded.app)
  const client = new RawClient(guarded.port)
  await client.write(chunked + chunk('x'.repeat(LIMIT)))
  await sockets.haveRead(client)
  await delay(100) // no answer
  t.equal(client.text, '')
  await client.write(chunk('x'))
  mustBeRefused(t, await client.closed, 413, 'Payload Too Large', 'FST_READ_BODY_TOO_LARGE')
  t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_BODY_TOO_LARGE', received: LIMIT + 1, expected: undefined, limit: LIMIT, answered: true })
  t.strictSame(guarded.bodies, [])
})

/** The framework's own limit, which parsers that buffer keep. */
const own = [
  ['declared', post({ 'Content-Length': LIMIT + 1 }), 0, LIMIT + 1],
  ['chunked', chunked + chunk('x'.repeat(LIMIT + 1)), LIMIT + 1, undefined]
] as const

for (const [name, request, received, expected] of own) {
  t.test(`Fastify's own refusal of a ${name} body keeps its code, and the record is ours`, async (t) => {
    const guarded = await lengthApp(t, {}, { fastify: { bodyLimit: LIMIT } })
    const client = new RawClient(guarded.port)
    await client.write(request)
    mustBeRefused(t, await client.closed, 413, 'Payload Too Large', 'FST_ERR_CTP_BODY_TOO_LARGE')
    t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_BODY_TOO_LARGE', statusCode: 413, answered: true, received, expected, limit: LIMIT })
    t.strictSame(guarded.handled.map(handled => (handled as { code?: string }).code), ['FST_ERR_CTP_BODY_TOO_LARGE'])
  })
}

t.test('of the two body limits the smaller one refuses', async (t) => {
  const guarded = await lengthApp(t, { bodyLimit: LIMIT * 2 }, { fastify: { bodyLimit: LIMIT } })
  for (const [length, code] of [[LIMIT + 1, 'FST_ERR_CTP_BODY_TOO_LARGE'], [LIMIT * 2 + 1, 'FST_READ_BODY_TOO_LARGE']] as const) {
    const client = new RawClient(guarded.port)
    await client.write(post({ 'Content-Length': length }))
    mustBeRefused(t, await client.closed, 413, 'Payload Too Large', code)
  }
  await guarded.recorded(2)
  t.match(guarded.records, [{ limit: LIMIT }, { limit: LIMIT * 2 }])
})

for (const [way, leave] of [['FIN', (client: RawClient) => client.fin()], ['RST', (client: RawClient) => client.rst()]] as const) {
  for (const sent of [0, 1, LIMIT - 1]) {
    t.test(`${sent} of ${LIMIT} bytes and a ${way} is a client that left`, async (t) => {
      const guarded = await lengthApp(t, {})
      const sockets = serverSockets(guarded.app)
      const client = new RawClient(guarded.port)
      await client.write(post({ 'Content-Length': LIMIT }) + 'x'.repeat(sent))
      await sockets.haveRead(client) // before an RST overtakes it
      leave(client)
      t.equal((await client.closed).text, '')
      t.match(await onlyRecord(t, guarded, 'info'), {
        code: 'FST_READ_ABORTED',
        reason: 'client_aborted',
        phase: 'body',
        blame: 'client_gone',
        statusCode: 499,
        answered: false,
        received: sent,
        expected: LIMIT,
        limit: undefined,
        method: 'POST',
        url: '/',
        route: '/',
        remoteAddress: '127.0.0.1'
      })
      t.match(guarded.handled, [{ code: 'FST_READ_ABORTED', received: sent, expected: LIMIT, cause: Error }])
      t.strictSame(guarded.bodies, [])
    })
  }
}
