import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { guardedApp, type GuardedApp, type GuardedAppOptions } from '../../support/app/guarded-app.js'
import { chunk, head, onlyAnswer, parseAnswers, RawClient, repeat } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 16

const HEADERS_TIMEOUT = 400
const MARGIN = 1_000
/** Node looks once a second. */
const NODE_LOOKS = 1_000

function app (t: Test, fastify: NonNullable<GuardedAppOptions['fastify']>, guard: ReadGuardOptions = {}): Promise<GuardedApp> {
  return guardedApp({
    t,
    fastify,
    guard: { headersTimeout: HEADERS_TIMEOUT, bodyTimeout: 0, resolution: 50, ...guard },
    routes: (app) => { app.post('/', async (request) => ({ received: (request.body as string).length })) }
  })
}

const requestTimeouts = [[0, HEADERS_TIMEOUT + MARGIN], [500, 500], [2_000, HEADERS_TIMEOUT + MARGIN], [60_000, HEADERS_TIMEOUT + MARGIN]] as const

for (const [requestTimeout, expected] of requestTimeouts) {
  t.test(`Node's headersTimeout stands behind ours with a requestTimeout of ${requestTimeout}`, async (t) => {
    const { app: { server } } = await app(t, { requestTimeout })
    t.equal(server.requestTimeout, requestTimeout)
    t.equal(server.headersTimeout, expected)
  })

  t.test(`and does not end a head that stalls before ours does, with a requestTimeout of ${requestTimeout}`, async (t) => {
    const guarded = await app(t, { requestTimeout })
    const client = new RawClient(guarded.port)
    await client.write('GET / HT')
    const seen = await client.closed
    t.ok(seen.elapsed >= HEADERS_TIMEOUT)
    t.match(onlyAnswer(seen).json, { statusCode: 408, code: 'FST_READ_HEADERS_TIMEOUT', message: `The request headers took longer than ${HEADERS_TIMEOUT} ms` })
    await guarded.recorded()
    t.match(guarded.records, [{ code: 'FST_READ_HEADERS_TIMEOUT', limit: HEADERS_TIMEOUT }])
    t.equal(guarded.records.length, 1)
  })
}

const post = head('POST', '/', { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked', Connection: 'close' })

for (const requestTimeout of [0, 60_000]) {
  t.test(`a body may take longer than any header limit, with a requestTimeout of ${requestTimeout}`, async (t) => {
    const guarded = await app(t, { requestTimeout })
    const client = new RawClient(guarded.port)
    await client.write(post)
    const pause = 50
    const pieces = (HEADERS_TIMEOUT + MARGIN + 2 * NODE_LOOKS) / pause
    await client.trickle(repeat(chunk('x'), pieces), pause)
    await client.write('0\r\n\r\n')
    const seen = await client.closed
    t.ok(seen.elapsed >= HEADERS_TIMEOUT + MARGIN + 2 * NODE_LOOKS, `${seen.elapsed}`)
    t.match(onlyAnswer(seen), { statusCode: 200, json: { received: pieces } })
    t.strictSame(guarded.records, [])
  })
}

for (const requestTimeout of [500, 2_000]) {
  t.test(`the application's own requestTimeout of ${requestTimeout} ends a body, and the record is ours`, async (t) => {
    const guarded = await app(t, { requestTimeout })
    const client = new RawClient(guarded.port)
    await client.write(post)
    await client.trickle(repeat(chunk('x'), 200), 50)
    const seen = await client.closed
    t.ok(seen.elapsed >= requestTimeout, `${seen.elapsed}`)
    t.ok(seen.elapsed < requestTimeout + 2 * NODE_LOOKS + 1_000, `${seen.elapsed}: Node's two limits are not swapped`)
    t.match(onlyAnswer(seen), { statusCode: 408, headers: { connection: 'close' }, json: { code: 'FST_READ_BODY_TIMEOUT', message: `The request body took longer than ${requestTimeout} ms` } })
    await guarded.recorded()
    t.match(guarded.records, [{ code: 'FST_READ_BODY_TIMEOUT', limit: requestTimeout, answered: true }])
    t.equal(guarded.records.length, 1)
  })
}

t.test('a requestTimeout below ours ends a head, and the record is ours', async (t) => {
  const guarded = await app(t, { requestTimeout: 500 }, { headersTimeout: 20_000 })
  t.equal(guarded.app.server.headersTimeout, 500)
  const client = new RawClient(guarded.port)
  await client.write('GET / HT')
  const seen = await client.closed
  t.ok(seen.elapsed >= 500)
  t.match(onlyAnswer(seen).json, { code: 'FST_READ_HEADERS_TIMEOUT', message: 'The request headers took longer than 500 ms' })
  await guarded.recorded()
  t.match(guarded.records, [{ code: 'FST_READ_HEADERS_TIMEOUT', limit: 500, received: 8, answered: true }])
  t.equal(guarded.records.length, 1)
})

t.test('with ours turned off, Node\'s own headersTimeout ends a head, and the record is ours', async (t) => {
  const guarded = await app(t, { http: { headersTimeout: 700 } }, { headersTimeout: 0 })
  t.equal(guarded.app.server.headersTimeout, 700)
  const client = new RawClient(guarded.port)
  await client.write('GET / HT')
  const seen = await client.closed
  t.ok(seen.elapsed >= 700)
  t.match(onlyAnswer(seen).json, { code: 'FST_READ_HEADERS_TIMEOUT', message: 'The request headers took longer than 700 ms' })
  await guarded.recorded()
  t.equal(guarded.records.length, 1)
})

t.test('a requestTimeout that is set before the server listens counts', async (t) => {
  const guarded = await guardedApp({
    t,
    guard: { headersTimeout: HEADERS_TIMEOUT },
    routes: (app) => { app.server.requestTimeout = 600 }
  })
  t.equal(guarded.app.server.headersTimeout, 600)
})

t.test('Node looks often enough for its timers to be of use', async (t) => {
  const guarded = await app(t, {})
  t.equal((guarded.app.server as { connectionsCheckingInterval?: number }).connectionsCheckingInterval, NODE_LOOKS)
  const quicker = await app(t, { http: { connectionsCheckingInterval: 300 } })
  t.equal((quicker.app.server as { connectionsCheckingInterval?: number }).connectionsCheckingInterval, 300)
})

t.test('a later request is under our limit with any requestTimeout', async (t) => {
  t.jobs = requestTimeouts.length
  for (const [requestTimeout] of requestTimeouts) {
    t.test(String(requestTimeout), async (t) => {
      const guarded = await app(t, { requestTimeout })
      const client = new RawClient(guarded.port)
      await client.write(head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': 1 }) + 'x')
      await client.until(/}$/)
      await until(() => guarded.app.readGuard.stats().reading.body === 0, 'the body is read')
      await client.write('GET / HT')
      const answers = parseAnswers((await client.closed).text)
      t.strictSame(answers.map(answer => answer.json.code), [undefined, 'FST_READ_HEADERS_TIMEOUT'])
      t.equal(guarded.records[0]?.limit, HEADERS_TIMEOUT)
      t.equal(guarded.records.length, 1)
    })
  }
})
