import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { guardedApp, type GuardedApp, noise } from '../../support/app/guarded-app.js'
import { chunk, head, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { deserted, quiet } from '../../support/oracle/server-state.js'

t.jobs = 8

const LIMIT = 300
/** How long the first answer takes, with which the others must wait. */
const SLOW = 3 * LIMIT
const json = { 'Content-Type': 'application/json' }
const twoHosts = 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'

interface App extends GuardedApp {
  readonly served: string[]
}

async function start (t: Test, guard: ReadGuardOptions = {}, fastify: FastifyServerOptions = {}): Promise<App> {
  const served: string[] = []
  const guarded = await guardedApp({
    t,
    guard: { bodyIdleTimeout: LIMIT, headersTimeout: LIMIT, bodyLimit: 1_000, resolution: 50, linger: { timeout: 500, bytes: 100_000 }, ...guard },
    fastify,
    routes: (app: FastifyInstance) => {
      const serve = (name: string) => async (): Promise<string> => {
        served.push(name)
        return name
      }
      app.get('/', serve('get'))
      app.post('/', serve('post'))
      app.get('/slow', async () => {
        await wait(SLOW)
        return 'slow'
      })
      app.post('/401', { onRequest: async (_request, reply) => reply.code(401).send({}) }, serve('401'))
    }
  })
  return { ...guarded, served }
}

function statuses ({ text }: { readonly text: string }): number[] {
  return parseAnswers(text).map(({ statusCode }) => statusCode)
}

/** A client that does not close by itself sees the server close its side, and no more. */
async function abandoned ({ app }: App, client: RawClient): Promise<RawClient> {
  await deserted(app)
  client.socket.destroy()
  return client
}

t.test('a body whose answer will never have its turn, and a request behind it, end no process', async (t) => {
  const guarded = await start(t)
  const client = new RawClient(guarded.port, { stays: true })
  const closing = head('POST', '/', { ...json, 'Content-Length': 0 }) // Fastify's 400 to an empty body closes
  await client.write(closing + head('POST', '/', { ...json, 'Content-Length': 10 }) + 'abc')
  await client.until(/HTTP\/1.1 400/)
  await client.write('defghij' + head('GET', '/'))
  await client.write(head('GET', '/').repeat(50))
  t.same(statuses(await abandoned(guarded, client)), [400])
  t.same(guarded.served, [])
  await quiet(guarded.app)
  t.same(noise(guarded.log), [])
})

t.test('a request line that says HTTP/2 is one of HTTP/1 that is refused', async (t) => {
  const guarded = await start(t)
  const client = new RawClient(guarded.port)
  await client.write('POST / HTTP/2.0\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{')
  t.same(statuses(await client.closed), [505])
  t.match(await guarded.recorded(), [{ code: 'FST_READ_MALFORMED', statusCode: 505, answered: true, protocol: 'http/1.1' }])
})

/** Requests that fail while an earlier one has not been answered. */
const failing = [
  { name: 'a head that is refused', bytes: twoHosts, code: 'FST_READ_MALFORMED', statusCode: 400 },
  { name: 'a body that stalls', bytes: head('POST', '/', { ...json, 'Content-Length': 100 }) + '{', code: 'FST_READ_BODY_IDLE_TIMEOUT', statusCode: 408 },
  { name: 'a body that is too large', bytes: head('POST', '/', { ...json, 'Content-Length': 5_000 }), code: 'FST_READ_BODY_TOO_LARGE', statusCode: 413 },
  { name: 'a bad chunk', bytes: head('POST', '/', { ...json, 'Transfer-Encoding': 'chunked' }) + chunk('{') + 'zz\r\n', code: 'FST_READ_MALFORMED', statusCode: 400 }
]

for (const { name, bytes, code, statusCode } of failing) {
  t.test(`${name} is answered in its turn, and recorded once`, async (t) => {
    const guarded = await start(t)
    const client = new RawClient(guarded.port)
    await client.write(head('GET', '/slow') + bytes)
    t.same(statuses(await client.closed), [200, statusCode])
    await quiet(guarded.app)
    t.match(guarded.records, [{ code, answered: true }])
    t.equal(guarded.records.length, 1)
    t.same(noise(guarded.log), [])
  })

  t.test(`${name} is recorded also where the client does not wait for its answer`, async (t) => {
    const guarded = await start(t)
    const client = new RawClient(guarded.port)
    await client.write(head('GET', '/slow') + bytes)
    await wait(LIMIT * 2)
    client.rst()
    await guarded.recorded(2)
    await quiet(guarded.app)
    const sorted = [...guarded.records].sort((a, b) => Number(b.code === code) - Number(a.code === code))
    t.match(sorted, [{ code, answered: false }, { code: 'FST_READ_RESPONSE_ABORTED', phase: 'handler', url: '/slow' }], 'beside the one whose answer it was waiting for')
    t.equal(guarded.records.length, 2)
  })
}

t.test('what is left of a body that was answered early does not cut off the answers before it', async (t) => {
  for (const trickled of [false, true]) {
    const guarded = await start(t)
    const client = new RawClient(guarded.port)
    await client.write(head('GET', '/slow') + head('POST', '/401', { ...json, 'Content-Length': 100 }) + '{')
    const trickle = trickled ? client.trickle(Array.from({ length: 90 }, () => 'x'), 100) : undefined
    t.same(statuses(await client.closed), [200, 401], trickled ? 'trickled' : 'stalled')
    t.same(guarded.records, [])
    await trickle
  }
})

t.test('what follows a head that was refused is no request', async (t) => {
  const refused = [
    twoHosts,
    'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'
  ]
  for (const request of refused) {
    const guarded = await start(t)
    const client = new RawClient(guarded.port)
    await client.write(request + head('GET', '/') + head('POST', '/', { ...json, 'Content-Length': 2 }) + '{}')
    t.equal(statuses(await client.closed).length, 1, request)
    await quiet(guarded.app)
    t.same(guarded.served, [])
    t.equal(guarded.records.length, 1)
  }
})

t.test('a request that Node drops has one answer, and its body no other', async (t) => {
  for (const trickled of [false, true]) {
    const guarded = await start(t, {}, { maxRequestsPerSocket: 1 })
    const client = new RawClient(guarded.port, { stays: true })
    await client.write(head('GET', '/') + head('POST', '/', { ...json, 'Content-Length': 100 }) + '{')
    const trickle = trickled ? client.trickle(Array.from({ length: 90 }, () => 'x'), 20) : undefined
    t.same(statuses(await abandoned(guarded, client)), [200, 503], trickled ? 'trickled' : 'stalled')
    await trickle
    t.same(guarded.records, [])
    await quiet(guarded.app)
  }
})

t.test('a request that Node drops after the last answer ends no lingering', async (t) => {
  const guarded = await start(t, {}, { maxRequestsPerSocket: 1 })
  const client = new RawClient(guarded.port, { stays: true })
  await client.write(head('GET', '/') + 'GET / HTTP/1.1\r\n')
  await client.until(/408/)
  await client.write('Host: a\r\n\r\n')
  t.same(statuses(await abandoned(guarded, client)), [200, 408])
  await quiet(guarded.app)
  t.equal(guarded.records.length, 1)
})
