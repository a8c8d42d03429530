import t, { type Test } from 'tap'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ReadGuardOptions, ReadLimits } from '../../../lib/index.js'
import { guardedApp, type GuardedApp } from '../../support/app/guarded-app.js'
import { chunk, delay, head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, onlyRecord } from '../../support/oracle/expect-refusal.js'

t.jobs = 16

const SHORT = 300
const LONG = SHORT * 5
const RESOLUTION = 50

/** What the whole application has, unless a route says otherwise. */
const guard: ReadGuardOptions = {
  bodyTimeout: 0,
  bodyIdleTimeout: SHORT,
  minBodyRate: { bytesPerSecond: 1, gracePeriod: 60_000 },
  bodyLimit: 100,
  linger: { timeout: 500, bytes: 1_000 },
  resolution: RESOLUTION
}

function server (t: Test, routes: (app: FastifyInstance) => void | Promise<void>): Promise<GuardedApp> {
  return guardedApp({ t, guard, routes })
}

const limitsOf = async (request: FastifyRequest): Promise<ReadLimits> => request.readGuard.limits

const base = {
  bodyTimeout: 0,
  bodyIdleTimeout: SHORT,
  minBodyRate: { bytesPerSecond: 1, gracePeriod: 60_000 },
  responseIdleTimeout: 60_000,
  minResponseRate: { bytesPerSecond: 240, gracePeriod: 120_000 },
  requireContentLength: false,
  bodyLimit: 100,
  linger: { timeout: 500, bytes: 1_000 },
  mode: 'enforce'
}

const unguarded = { bodyTimeout: 0, bodyIdleTimeout: 0, minBodyRate: false, responseIdleTimeout: 0, minResponseRate: false, requireContentLength: false, bodyLimit: 0, linger: false, mode: 'enforce' }

t.test('the route / of a prefix has its limits by either URL, and its record the name that Fastify has for it', async (t) => {
  const guarded = await server(t, async (app) => {
    await app.register(async (scope) => { scope.post('/', { config: { readGuard: { bodyLimit: 5 } } }, async ({ routeOptions: { url } }) => url) }, { prefix: '/v1' })
  })
  for (const url of ['/v1', '/v1/']) {
    const { body: route } = await guarded.app.inject({ method: 'POST', url, payload: 'x'.repeat(5), headers: { 'content-type': 'text/plain' } })
    const client = new RawClient(guarded.port)
    await client.write(head('POST', url, { 'Content-Type': 'text/plain', 'Content-Length': 6 }))
    t.match(onlyAnswer(await client.closed), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
    t.match(await guarded.recorded(1), [{ route, url, limit: 5 }])
    guarded.records.length = 0
  }
})

t.test('the limits of a route are those of the plugin with its own over them, nested ones too', async (t) => {
  const guarded = await server(t, async (app) => {
    app.get('/plain', limitsOf)
    app.get('/empty', { config: { readGuard: {} } }, limitsOf)
    app.get('/one', { config: { readGuard: { bodyTimeout: 1_234 } } }, limitsOf)
    app.get('/nested', { config: { readGuard: { minBodyRate: { bytesPerSecond: 7 }, linger: { bytes: 8 } } } }, limitsOf)
    app.get('/off', { config: { readGuard: { minBodyRate: false, linger: false, bodyIdleTimeout: 0, bodyLimit: 0 } } }, limitsOf)
    app.get('/all', { config: { readGuard: { requireContentLength: true, mode: 'observe', bodyLimit: 3 } } }, limitsOf)
    app.get('/unguarded', { config: { readGuard: false } }, limitsOf)
    await app.register(async (scope) => {
      scope.get('/inside', limitsOf)
      scope.get('/own', { config: { readGuard: { bodyLimit: 5 } } }, limitsOf)
    }, { prefix: '/scope' })
  })
  const rows = [
    ['/plain', base],
    ['/empty', base],
    ['/one', { ...base, bodyTimeout: 1_234 }],
    ['/nested', { ...base, minBodyRate: { bytesPerSecond: 7, gracePeriod: 60_000 }, linger: { timeout: 500, bytes: 8 } }],
    ['/off', { ...base, minBodyRate: false, linger: false, bodyIdleTimeout: 0, bodyLimit: 0 }],
    ['/all', { ...base, requireContentLength: true, mode: 'observe', bodyLimit: 3 }],
    ['/unguarded', unguarded],
    ['/scope/inside', base],
    ['/scope/own', { ...base, bodyLimit: 5 }]
  ] as const
  for (const [url, expected] of rows) {
    t.strictSame((await guarded.app.inject(url)).json(), expected, url)
  }
})

const TEXT = { 'Content-Type': 'text/plain', Connection: 'close' }
const ok = async (request: FastifyRequest): Promise<object> => ({ body: request.body })

/** Sends a body of two bytes, the second after a silence that the plugin's limits do not allow. */
async function pausing (guarded: GuardedApp, url: string, method = 'POST'): Promise<{ text: string }> {
  const client = new RawClient(guarded.port)
  await client.write(head(method, url, { ...TEXT, 'Content-Length': 2 }) + 'a')
  await delay(LONG)
  await client.write('b')
  return client.closed
}

function declare (app: FastifyInstance): void {
  app.post('/plain', ok)
  app.post('/longer', { config: { readGuard: { bodyIdleTimeout: LONG * 3 } } }, ok)
  app.post('/off', { config: { readGuard: { bodyIdleTimeout: 0 } } }, ok)
  app.post('/unguarded', { config: { readGuard: false } }, ok)
  app.post('/shorter', { config: { readGuard: { bodyTimeout: SHORT / 2, bodyIdleTimeout: 0 } } }, ok)
  app.post('/param/:id', { config: { readGuard: { bodyTimeout: SHORT / 2, bodyIdleTimeout: 0 } } }, ok)
  app.route({ method: ['POST', 'PUT'], url: '/both', config: { readGuard: { bodyIdleTimeout: 0 } }, handler: ok })
}

const ended = [
  ['/plain', 'FST_READ_BODY_IDLE_TIMEOUT', SHORT, '/plain'],
  ['/shorter', 'FST_READ_BODY_TIMEOUT', SHORT / 2, '/shorter'],
  ['/param/17', 'FST_READ_BODY_TIMEOUT', SHORT / 2, '/param/:id']
] as const

for (const [url, code, limit, route] of ended) {
  t.test(`${url} is ended by its own limit`, async (t) => {
    const guarded = await server(t, declare)
    mustBeRefused(t, await pausing(guarded, url), 408, 'Request Timeout', code)
    const record = await onlyRecord(t, guarded, 'warn')
    t.match(record, { code, limit, route, url, answered: true, received: 1, expected: 2 })
    t.ok(record.elapsed >= limit && record.elapsed < limit + 4 * RESOLUTION, `${record.elapsed}`)
  })
}

for (const [method, url] of [['POST', '/longer'], ['POST', '/off'], ['POST', '/unguarded'], ['POST', '/both'], ['PUT', '/both']] as const) {
  t.test(`${method} ${url} is not ended by the limit of the plugin`, async (t) => {
    const guarded = await server(t, declare)
    const answer = onlyAnswer(await pausing(guarded, url, method))
    t.match(answer, { statusCode: 200, json: { body: 'ab' } })
    t.strictSame(guarded.records, [])
  })
}

t.test('a route that is not guarded has no limit of any kind, and no record', async (t) => {
  const guarded = await server(t, (app) => {
    app.post('/unguarded', { bodyLimit: 1_000_000, config: { readGuard: false } }, async (request) => ({ received: (request.body as string).length }))
  })
  const client = new RawClient(guarded.port)
  await client.write(head('POST', '/unguarded', { ...TEXT, 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(500)))
  await delay(LONG)
  await client.write('0\r\n\r\n')
  t.match(onlyAnswer(await client.closed), { statusCode: 200, json: { received: 500 } })
  const left = new RawClient(guarded.port)
  await left.write(head('POST', '/unguarded', { ...TEXT, 'Content-Length': 2 }) + 'a')
  left.fin()
  await left.closed
  t.strictSame(guarded.records, [])
})

t.test('the headers of a route that is not guarded still are', async (t) => {
  const guarded = await guardedApp({ t, guard: { headersTimeout: SHORT }, routes: declare })
  const client = new RawClient(guarded.port)
  await client.write('POST /unguarded HTTP/1.1\r\n')
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT')
})

t.test('limits of a scope\'s routes hold with its prefix, whatever is encapsulated', async (t) => {
  const guarded = await server(t, async (app) => {
    await app.register(async (scope) => {
      scope.post('/a', { config: { readGuard: { bodyLimit: 5 } } }, ok)
      await scope.register(async (inner) => { inner.post('/b', { config: { readGuard: { bodyLimit: 6 } } }, ok) }, { prefix: '/inner' })
    }, { prefix: '/scope' })
  })
  for (const [url, limit] of [['/scope/a', 5], ['/scope/inner/b', 6]] as const) {
    const within = new RawClient(guarded.port)
    await within.write(head('POST', url, { ...TEXT, 'Content-Length': limit }) + 'x'.repeat(limit))
    t.equal(onlyAnswer(await within.closed).statusCode, 200)
    const beyond = new RawClient(guarded.port)
    await beyond.write(head('POST', url, { ...TEXT, 'Content-Length': limit + 1 }))
    t.equal(onlyAnswer(await beyond.closed).statusCode, 413)
  }
  await guarded.recorded(2)
  t.match(guarded.records, [{ route: '/scope/a', limit: 5 }, { route: '/scope/inner/b', limit: 6 }])
})

const refusals = [
  ['/wrong', { bodyTimeout: -1 }, /^POST \/wrong: bodyTimeout must be an integer of milliseconds/],
  ['/plugin', { headersTimeout: 1 }, /^POST \/plugin: .*headersTimeout.* is an option of the plugin, not of a route/],
  ['/foreign', { client_body_timeout: 1 }, /^POST \/foreign: .*client_body_timeout/],
  ['/true', true, /^POST \/true: config.readGuard must be false or a plain object/]
] as const

for (const [url, config, message] of refusals) {
  t.test(`a wrong config.readGuard is refused when the application starts: ${url}`, async (t) => {
    await t.rejects(guardedApp({
      t,
      routes: (app) => { app.post(url, { config: { readGuard: config as ReadGuardOptions } }, ok) }
    }), { code: 'FST_READ_OPTIONS_INVALID', message })
  })
}
