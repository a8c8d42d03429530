import diagnosticsChannel from 'node:diagnostics_channel'
import { PassThrough } from 'node:stream'
import { LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { AbortRecord, ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { until } from '../support/oracle/until.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, headers, requestBlock } from '../support/client/http2-frames.js'
import { chunk, head, RawClient } from '../support/client/raw-client.js'

t.jobs = 8

const LIMIT = 200
const URL = '/things/7?token=s3cret'

type Ending = 'stalls' | 'leaves'

async function isRead ({ app }: GuardedApp): Promise<void> {
  await until(() => app.readGuard.stats().reading.body === 1, 'the body is read')
}

async function post (guarded: GuardedApp, ending: Ending, given: Readonly<Record<string, string>> = {}): Promise<void> {
  const client = new RawClient(guarded.port)
  await client.write(head('POST', URL, { 'Content-Type': 'text/plain', 'Content-Length': 9, ...given }) + 'ab')
  if (ending === 'leaves') {
    await isRead(guarded)
    client.rst()
  }
  await client.closed
}

async function postOverHttp2 (guarded: GuardedApp, ending: Ending, given: Readonly<Record<string, string>> = {}): Promise<void> {
  const client = await new Http2Client(guarded.port).open()
  await client.write(headers(1, requestBlock('POST', URL, { 'content-type': 'text/plain', ...given })), data(1, 'ab'))
  await (ending === 'stalls' ? client.answer(1) : isRead(guarded))
  client.rst()
}

interface Situation {
  readonly fastify?: object
  readonly guard?: ReadGuardOptions
  readonly routes?: (app: FastifyInstance) => void
}

async function appOf (t: Test, { fastify = {}, guard = {}, routes }: Situation): Promise<GuardedApp> {
  const guarded = await guardedApp({
    fastify,
    guard: { bodyIdleTimeout: LIMIT, resolution: 50, ...guard },
    routes: routes ?? ((app) => { app.post('/things/:id', async () => ({})) })
  })
  t.teardown(() => guarded.app.close())
  return guarded
}

const stripped = (request: FastifyRequest): object => ({ method: request.method, url: request.url.split('?')[0] })

/** Options of a logger that keeps its lines, with a `req` serializer. */
function loggerWith (lines: string[], req?: (request: FastifyRequest) => unknown): object {
  return { level: 'debug', stream: { write: (line: string) => { lines.push(line) } }, ...(req === undefined ? {} : { serializers: { req } }) }
}

const serializers: ReadonlyArray<readonly [name: string, req: ((request: FastifyRequest) => unknown) | undefined, url: string | undefined]> = [
  ['none of its own', undefined, URL],
  ['one that strips the query', stripped, '/things/7'],
  ['one that has no URL', (request) => ({ method: request.method }), undefined],
  ['one that has a URL which is no text', () => ({ url: { path: '/' } }), undefined],
  ['one that gives nothing', () => undefined, undefined],
  ['one that throws', () => { throw new Error('own') }, undefined]
]

for (const [version, send, server] of [['HTTP/1', post, {}], ['HTTP/2', postOverHttp2, { http2: true }]] as const) {
  for (const ending of ['stalls', 'leaves'] as const) {
    t.test(`a body that ${ending} over ${version} is recorded with the URL that the application logs`, async (t) => {
      for (const [name, req, url] of serializers) {
        const lines: string[] = []
        const guarded = await appOf(t, { fastify: { ...server, logger: loggerWith(lines, req), logController: new LogController({ disableRequestLogging: true }) } })
        await send(guarded, ending)
        const [record] = await guarded.recorded()
        t.equal(record?.url, url, name)
        t.equal(record?.method, 'POST')
        t.equal(lines.filter(line => line.includes('s3cret')).length, url === URL ? 1 : 0, 'and so is its line')
      }
    })
  }
}

t.test('the serializer of a route, and that of a logger of the application\'s making, count as well', async (t) => {
  const ofRoute = await appOf(t, { routes: (app) => { app.post('/things/:id', { logSerializers: { req: () => ({ url: 'of the route' }) } }, async () => ({})) } })
  await post(ofRoute, 'stalls')
  t.match(await ofRoute.recorded(), [{ url: 'of the route' }])
  const lines: string[] = []
  const instance = await appOf(t, { fastify: { logger: undefined, loggerInstance: pino(loggerWith(lines, stripped), { write: () => {} }) } })
  await post(instance, 'stalls')
  t.match(await instance.recorded(), [{ url: '/things/7' }])
  const without = await appOf(t, { fastify: { logger: false } })
  await post(without, 'stalls')
  t.match(await without.recorded(), [{ url: URL }], 'a logger without serializers hides nothing')
})

t.test('what is observed, and a head that is refused before there is a request, go by the serializer, too', async (t) => {
  const observed = await appOf(t, { fastify: { logger: loggerWith([], stripped) }, guard: { mode: 'observe', bodyLimit: 1 } })
  await post(observed, 'leaves')
  t.match(await observed.recorded(), [{ observed: true, url: '/things/7' }])

  const twoHosts = `GET ${URL} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`
  for (const [req, url] of [[stripped, '/things/7'], [undefined, URL], [(request: FastifyRequest) => ({ url: request.routeOptions.url }), undefined]] as const) {
    const refused = await appOf(t, { fastify: { logger: loggerWith([], req) } })
    const client = new RawClient(refused.port)
    await client.write(twoHosts)
    await client.closed
    t.same((await refused.recorded()).map(record => record.url), [url])
  }
})

const forwarded = { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' }
const trusts: ReadonlyArray<readonly [name: string, trustProxy: unknown, ip: string | undefined]> = [
  ['nobody', undefined, '127.0.0.1'],
  ['everybody', true, '203.0.113.9'],
  ['one address', '127.0.0.1', '198.51.100.7'],
  ['another address', '192.0.2.1', '127.0.0.1'],
  ['whom a function trusts', (address: string) => address === '127.0.0.1' || address === '198.51.100.7', '203.0.113.9'],
  ['whom a function that throws trusts', () => { throw new Error('own') }, undefined]
]

for (const [version, send, server] of [['HTTP/1', post, {}], ['HTTP/2', postOverHttp2, { http2: true }]] as const) {
  for (const ending of ['stalls', 'leaves'] as const) {
    t.test(`ip is that of the client behind the proxy, where the application trusts it: a body that ${ending} over ${version}`, async (t) => {
      for (const [name, trustProxy, ip] of trusts) {
        const guarded = await appOf(t, { fastify: { ...server, logController: new LogController({ disableRequestLogging: true }), ...(trustProxy === undefined ? {} : { trustProxy }) } })
        await send(guarded, ending, forwarded)
        const [record] = await guarded.recorded()
        t.equal(record?.ip, ip, name)
        t.equal(record?.remoteAddress, '127.0.0.1', 'that of the connection stands beside it')
      }
    })
  }
}

/** An answer that begins before the body has ended, on a connection that had `before` already. */
async function halfAnswered (t: Test, before: string, given: Readonly<Record<string, string | number>> = {}): Promise<{ readonly record: AbortRecord | undefined, readonly text: string }> {
  const guarded = await appOf(t, {
    // The idle clock stands still, as the client may be waiting for more of the answer.
    guard: { bodyTimeout: LIMIT },
    routes: (app) => {
      app.get('/', async () => 'x'.repeat(1_000))
      app.post('/things/:id', (request, reply) => {
        request.raw.resume()
        const answer = new PassThrough()
        answer.write('begun')
        reply.send(answer)
      })
      app.addContentTypeParser('application/x-stream', (_request, _payload, done) => done(null))
    }
  })
  const client = new RawClient(guarded.port)
  await client.write(before + head('POST', URL, { 'Content-Type': 'application/x-stream', 'Content-Length': 9, ...given }))
  await client.until(/begun/)
  await client.write('ab')
  const { text } = await client.closed
  const [record] = await guarded.recorded(1)
  return { record, text: text.slice(text.lastIndexOf('HTTP/1.1 200')) }
}

t.test('sent is the bytes of the response that were taken, where it had begun, and of no other', async (t) => {
  for (const [name, before, given] of [
    ['the first of its connection', '', {}],
    ['behind another that is pipelined', head('GET', '/'), {}],
    ['behind 100 Continue', '', { Expect: '100-continue' }]
  ] as const) {
    const { record, text } = await halfAnswered(t, before, given)
    const begun = text.slice(0, text.indexOf('begun') + 'begun\r\n'.length)
    t.equal(record?.sent, begun.length, name)
  }
})

t.test('sent is undefined where no response had begun', async (t) => {
  const guarded = await appOf(t, {})
  await post(guarded, 'stalls')
  const client = new RawClient(guarded.port)
  await client.write(head('POST', URL, { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' }) + chunk('ab'))
  await client.closed
  t.same((await guarded.recorded(2)).map(record => record.sent), [undefined, undefined])
})

t.test('the second channel tells of request and reply, where there is a request', async (t) => {
  const told: Array<{ record: AbortRecord, request: FastifyRequest, reply: FastifyReply }> = []
  const subscriber = (message: unknown): void => { told.push(message as typeof told[number]) } // what is published
  diagnosticsChannel.subscribe('fastify-read-guard.exchange', subscriber)
  t.teardown(() => diagnosticsChannel.unsubscribe('fastify-read-guard.exchange', subscriber))
  const requests: FastifyRequest[] = []
  const guarded = await appOf(t, {
    guard: { onAbort: (_record, request) => { if (request !== undefined) requests.push(request) } },
    routes: (app) => { app.post('/things/:id', async () => ({})) }
  })
  await post(guarded, 'stalls')
  const stray = new RawClient(guarded.port)
  await stray.write('\0\r\n\r\n')
  await stray.closed
  const records = await guarded.recorded(2)
  const mine = told.filter(({ record }) => records.includes(record))
  t.equal(mine.length, 1, 'the head has none')
  t.equal(mine[0]?.record, records[0])
  t.equal(mine[0]?.request, requests[0])
  t.equal(mine[0]?.reply.request, requests[0])
  t.equal(mine[0]?.request.id, records[0]?.reqId)
})
