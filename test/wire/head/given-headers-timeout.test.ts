import http from 'node:http'
import https from 'node:https'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { certificate } from '../../support/app/certificate.js'
import { guardedApp, noise } from '../../support/app/guarded-app.js'
import { delay, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 8

/** Node looks once a second. */
const LOOKS = 1_000

const rows: ReadonlyArray<readonly [given: number | undefined, ours: number, later: number | undefined, expected: number]> = [
  [2_000, 20_000, undefined, 2_000],
  [2_000, 500, undefined, 2_000],
  [120_000, 20_000, undefined, 120_000],
  [undefined, 20_000, 2_000, 2_000],
  [undefined, 20_000, 120_000, 120_000],
  [undefined, 20_000, undefined, 21_000],
  [undefined, 120_000, undefined, 121_000],
  [undefined, 0, undefined, 60_000],
  [60_000, 20_000, undefined, 60_000],
  [60_000, 120_000, undefined, 60_000],
  [60_000, 20_000, 2_000, 2_000],
  [0, 20_000, undefined, 0]
]

const protocols = ['http', 'https'] as const

/** Settings of a server's own, where Fastify takes them. */
function settings (protocol: (typeof protocols)[number], given: http.ServerOptions): object {
  return protocol === 'http' ? { http: given } : { https: { ...certificate, ...given } }
}

for (const protocol of protocols) {
  for (const [given, ours, later, expected] of rows) {
    t.test(`${protocol}: Node's headersTimeout is ${expected}: given ${String(given)}, ours ${ours}, set later ${String(later)}`, async (t) => {
      const { app } = await guardedApp({
        t,
        guard: { headersTimeout: ours },
        fastify: settings(protocol, given === undefined ? {} : { headersTimeout: given }),
        routes: (app) => { if (later !== undefined) Object.assign(app.server, { headersTimeout: later }) }
      })
      t.equal((app.server as { headersTimeout?: number }).headersTimeout, expected)
    })
  }
}

const factories: Readonly<Record<typeof protocols[number], (settings: http.ServerOptions, handler: http.RequestListener) => http.Server>> = {
  http: (settings, handler) => http.createServer(settings, handler),
  https: (settings, handler) => https.createServer({ ...certificate, ...settings }, handler)
}

for (const [protocol, make] of Object.entries(factories)) {
  for (const [given, ours, warns] of [[60_000, 20_000, false], [undefined, 20_000, false], [2_000, 20_000, false], [120_000, 20_000, false], [undefined, 120_000, true], [2_000, 120_000, false]] as const) {
    t.test(`${protocol}: a server of a factory keeps what it has: given ${String(given)}, ours ${ours}`, async (t) => {
      const { app, log } = await guardedApp({
        t,
        guard: { headersTimeout: ours },
        fastify: { serverFactory: (handler) => make(given === undefined ? {} : { headersTimeout: given }, handler) }
      })
      t.equal((app.server as { headersTimeout?: number }).headersTimeout, given ?? 60_000)
      t.strictSame(noise(log).map(({ msg }) => /headersTimeout of 60000 ms stays in force/.test(msg)), warns ? [true] : [])
    })
  }
}

const get = head('GET', '/')
const post = head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': 5 }) + 'hello'
const PARTIAL = 'GET / HT'

function routes (app: FastifyInstance): void {
  app.route({ method: ['GET', 'POST'], url: '/', handler: async () => 'fine' })
  app.get('/slow', async () => {
    await delay(500)
    return 'slow'
  })
  app.post('/unread', { onRequest: async (_request, reply) => reply.send('unread') }, async () => 'never')
}

for (const protocol of protocols) {
  for (const [name, before, answers] of [
    ['a request', get, [200]],
    ['two requests', get + get, [200, 200]],
    ['a body', post, [200]],
    ['a body that was not read', post.replace(' / ', ' /unread '), [200]],
    ['a request whose answer is still owed', head('GET', '/slow'), [200]]
  ] as const) {
    t.test(`${protocol}: a head in the packet of ${name} has our time, though Node was given more`, async (t) => {
      const guarded = await guardedApp({ t, protocol, guard: { headersTimeout: 300 }, fastify: settings(protocol, { headersTimeout: 60_000 }), routes })
      const client = new RawClient(guarded.port, { tls: protocol === 'https' })
      await client.write(before + PARTIAL)
      const seen = await client.closed
      t.strictSame(parseAnswers(seen.text).map(({ statusCode }) => statusCode), [...answers, 408])
      t.match(await guarded.recorded(), [{ code: 'FST_READ_HEADERS_TIMEOUT', limit: 300, answered: true }])
    })
  }

  t.test(`${protocol}: a client that rests between its requests is not waited for, though Node was given more`, async (t) => {
    const guarded = await guardedApp({ t, protocol, guard: { headersTimeout: 300 }, fastify: settings(protocol, { headersTimeout: 60_000 }), routes })
    const client = new RawClient(guarded.port, { tls: protocol === 'https' })
    for (const bytes of [get, post, post.replace(' / ', ' /unread '), '\r\n' + get, get + '\r\n', get]) {
      const count = client.text.length
      await client.write(bytes)
      await until(() => client.text.length > count, 'an answer')
      await delay(500)
    }
    t.equal(client.socket.readyState, 'open')
    t.strictSame(guarded.records, [])
    client.fin()
    await client.closed
  })

  t.test(`${protocol}: a head in the packet of a request is observed`, async (t) => {
    const guarded = await guardedApp({ t, protocol, guard: { headersTimeout: 300, mode: 'observe' }, routes })
    const client = new RawClient(guarded.port, { tls: protocol === 'https' })
    await client.write(head('GET', '/slow') + PARTIAL)
    t.match(await guarded.recorded(), [{ code: 'FST_READ_HEADERS_TIMEOUT', limit: 300, observed: true, answered: false }])
    await client.write('TP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    t.strictSame(parseAnswers((await client.closed).text).map(({ statusCode }) => statusCode), [200, 200])
    t.equal(guarded.records.length, 1)
  })
}

t.test('a head that Node ends by the stricter time that it was given is recorded with that', async (t) => {
  const guarded = await guardedApp({ t, fastify: { http: { headersTimeout: 500 } } as object })
  const client = new RawClient(guarded.port)
  await client.write('GET / HT')
  const seen = await client.closed
  t.ok(seen.elapsed >= 500 && seen.elapsed < 500 + 2 * LOOKS + 500, `${seen.elapsed} ms`)
  t.match(onlyAnswer(seen), { statusCode: 408, json: { code: 'FST_READ_HEADERS_TIMEOUT' } })
  t.match(await guarded.recorded(), [{ code: 'FST_READ_HEADERS_TIMEOUT', limit: 500 }])
})
