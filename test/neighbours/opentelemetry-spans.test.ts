import { createRequire } from 'node:module'
import { context, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-base'
import fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import readGuard from '../../lib/index.js'
import { registerTelemetry } from '../../lib/opentelemetry.js'
import { failingApp, statsByReason } from '../support/app/failing-reads.js'
import type { GuardedAppWith } from '../support/app/guarded-app.js'
import type { ResponseFacts } from '../support/app/response-routes.js'
import type { Protocol } from '../support/app/transport.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, requestBlock, rstStream } from '../support/client/http2-frames.js'
import { head, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const spans = new InMemorySpanExporter()
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const meterProvider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] })
const http = new HttpInstrumentation()
http.setTracerProvider(tracerProvider)
const requireHooked = createRequire(import.meta.url)
requireHooked('http')
requireHooked('https')
const framework = new FastifyOtelInstrumentation()
framework.setTracerProvider(tracerProvider)

/** Which instrumentations there are, and in which order the one of the framework and the guard are registered. */
const setups = {
  'instrumentation-http': { http: true, framework: undefined },
  '@fastify/otel behind the guard': { http: false, framework: 'behind' },
  '@fastify/otel before the guard': { http: false, framework: 'before' },
  'both, the framework\'s behind the guard': { http: true, framework: 'behind' },
  'both, the framework\'s before the guard': { http: true, framework: 'before' }
} as const satisfies Record<string, Setup>

interface Setup {
  readonly http: boolean
  readonly framework: 'before' | 'behind' | undefined
}

/** Whatever an instrumentation is, its applications count. */
const started: FastifyInstance[] = []

async function start (t: Test, protocol: Protocol, setup: Setup): Promise<GuardedAppWith<ResponseFacts>> {
  if (setup.http) http.enable()
  else http.disable()
  spans.reset()
  const plugin = (app: FastifyInstance): void => { app.register(framework.plugin()) }
  const guarded = await failingApp({
    t,
    protocol,
    guard: { responseIdleTimeout: 300 },
    ...(setup.framework === 'before' ? { before: plugin } : {}),
    routes: async (app) => {
      if (setup.framework === 'behind') await app.register(framework.plugin())
      registerTelemetry(app, { meterProvider })
      app.post('/small', { bodyLimit: 3 }, async () => 'saved')
      app.post('/caught', async (request) => {
        await request.readRawBody().catch(() => {})
        return 'caught'
      })
      app.post('/observed', { config: { readGuard: { mode: 'observe' } } }, async () => 'saved')
    }
  })
  started.push(guarded.app)
  return guarded
}

/** Which span was told, of what, and how it ended. */
interface Told {
  readonly span: string
  readonly type: unknown
  readonly events: unknown[]
  readonly status: string
}

/** The span of the server, that of the request that `@fastify/otel` makes, or one of a hook or handler. */
function nameOf ({ kind, name }: ReadableSpan): string {
  if (name === 'request') return 'framework'
  return kind === SpanKind.SERVER ? 'server' : name
}

function told (): Told[] {
  return spans.getFinishedSpans().flatMap((span) => {
    const events = span.events.filter(({ name }) => name === 'fastify_read_guard.read.failed')
    const type = span.attributes['error.type']
    if (type === undefined && events.length === 0) return []
    return [{ span: nameOf(span), type, events: events.map(({ attributes }) => `${String(attributes?.['fastify_read_guard.phase'])} ${String(attributes?.['fastify_read_guard.observed'])}`), status: SpanStatusCode[span.status.code] }]
  })
}

const text = { 'Content-Type': 'text/plain' }

/** A client that is answered, or makes its read fail otherwise. */
type Act = (guarded: GuardedAppWith<ResponseFacts>) => Promise<void>

function refused (wire: string): Act {
  return async ({ port }) => {
    const client = new RawClient(port)
    await client.write(wire)
    await client.closed
  }
}

/** A client that resets its connection, once that is so. */
function leaves (wire: string, when: (client: RawClient, guarded: GuardedAppWith<ResponseFacts>) => Promise<unknown>): Act {
  return async (guarded) => {
    const client = new RawClient(guarded.port)
    await client.write(wire)
    await when(client, guarded)
    client.rst()
  }
}

/** What the only event says, against the record. */
function isOfRecord (t: Test, { records: [record] }: GuardedAppWith<ResponseFacts>): void {
  const [event] = spans.getFinishedSpans().flatMap(({ events }) => events).filter(({ name }) => name === 'fastify_read_guard.read.failed')
  const facts = Object.entries(event?.attributes ?? {}).map(([name, value]) => [name.replace('fastify_read_guard.', ''), value] as const)
  t.ok(facts.length >= 10)
  t.match(record, Object.fromEntries(facts), 'the event is of the record')
}

interface Case {
  readonly act: Act
  readonly phase: string
  /** What `error.type` becomes; `undefined` where no request failed. */
  readonly type?: string
  /** The span that is told where there is only that of the server, and only that of the framework. */
  readonly found: { readonly server: boolean, readonly framework: boolean }
  readonly observed?: boolean
}

const both = { server: true, framework: true } as const
/** The framework's ends when its answer is sent off. */
const serverOnly = { server: true, framework: false } as const
const none = { server: false, framework: false } as const

/** Node 20 and 22 say that a response which the application has ended has closed before they say that its connection has. */
const closesLate = Number(process.versions.node.split('.')[0]) >= 24

const cases: Readonly<Record<string, Case>> = {
  'headers that stall': { act: refused('GET / HT'), phase: 'headers', found: none },
  'headers that are malformed': { act: refused('\0\r\n\r\n'), phase: 'headers', found: none },
  'a body that stalls': { act: refused(head('POST', '/notes/1', { ...text, 'Content-Length': 9 }) + 'ab'), phase: 'body', type: 'body_idle_timeout', found: both },
  'a body that is refused before it is read': { act: refused(head('POST', '/notes/1', { ...text, 'Content-Length': 900 })), phase: 'body', type: 'body_too_large', found: both },
  'a body that Fastify refuses': { act: refused(head('POST', '/small', { ...text, 'Content-Length': 9 }) + '123456789'), phase: 'body', type: 'body_too_large', found: both },
  'a body whose failure the handler catches': { act: refused(head('POST', '/caught', { ...text, 'Content-Length': 9 }) + 'ab'), phase: 'body', type: 'body_idle_timeout', found: both },
  'a body that would have been refused': {
    act: async ({ port, recorded }) => {
      const client = new RawClient(port)
      await client.write(head('POST', '/observed', { ...text, 'Content-Length': 9 }) + 'ab')
      await recorded()
      await client.write('cdefghi')
      await client.until(/saved/)
      client.fin()
    },
    phase: 'body',
    observed: true,
    found: both
  },
  'a body that its client leaves': {
    act: leaves(head('POST', '/notes/1', { ...text, 'Content-Length': 9 }) + 'ab', (_client, { app }) => until(() => app.readGuard.stats().reading.body > 0, 'it is read')),
    phase: 'body',
    type: 'client_aborted',
    found: both
  },
  'a handler whose client leaves': {
    act: leaves(head('GET', '/slow'), (_client, { begun }) => until(() => begun.length === 1, 'it is handled')),
    phase: 'handler',
    type: 'response_aborted',
    found: both
  },
  'a stream whose client leaves': { act: leaves(head('GET', '/waits'), (client) => client.until(/begun/)), phase: 'response', type: 'response_aborted', found: serverOnly },
  'a stream that is not taken': {
    act: async ({ port }) => {
      const client = new RawClient(port)
      await client.connected()
      client.socket.pause()
      await client.write(head('GET', '/endless'))
    },
    phase: 'response',
    type: 'response_idle_timeout',
    found: serverOnly
  },
  'a response that the application had ended, whose client leaves': { act: leaves(head('GET', '/large'), (client) => client.until(/\r\n\r\n/)), phase: 'response', type: 'response_aborted', found: closesLate ? serverOnly : none }
}

for (const [name, setup] of Object.entries(setups)) {
  t.test(`${name}: which span is told of what`, async (t) => {
    for (const [failure, { act, phase, type, found, observed = false }] of Object.entries(cases)) {
      const guarded = await start(t, 'http', setup)
      await act(guarded)
      await guarded.recorded()
      t.strictSame(guarded.records.map((record) => record.phase), [phase], failure)
      await guarded.app.close()
      guarded.answer()
      const isServer = setup.http
      if (!found[isServer ? 'server' : 'framework']) {
        t.strictSame(told(), [], `none of ${failure}`)
        continue
      }
      // Of the framework's, the instrumentation itself makes an error of every one that is answered.
      const status = phase === 'response' || (!isServer && phase === 'body' && !observed) ? 'ERROR' : 'UNSET'
      t.strictSame(told(), [{ span: isServer ? 'server' : 'framework', type, events: [`${phase} ${observed}`], status }], `the ${isServer ? 'server' : 'framework'}'s of ${failure}`)
      isOfRecord(t, guarded)
      if (isServer) t.equal(spans.getFinishedSpans().flatMap(({ events }) => events).find(({ name }) => name === 'fastify_read_guard.read.failed')?.attributes?.['fastify_read_guard.answered'], guarded.records[0]?.answered)
    }
  })
}

t.test('the span of the server is found where the guard keeps no context', async (t) => {
  http.enable()
  spans.reset()
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(readGuard)
  registerTelemetry(app, { meterProvider })
  started.push(app)
  let handled = 0
  app.get('/slow/:id', () => {
    handled++
    return new Promise(() => {})
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const [first, second] = [1, 2].map(() => new RawClient(Number(new URL(app.listeningOrigin).port)))
  await first?.write(head('GET', '/slow/1'))
  await second?.write(head('GET', '/slow/2'))
  await until(() => handled === 2, 'both are handled')
  second?.rst()
  await until(() => spans.getFinishedSpans().length === 1, 'a span has ended')
  first?.rst()
  await until(() => spans.getFinishedSpans().length === 2, 'the other one has')
  t.strictSame(spans.getFinishedSpans().map(({ attributes }) => [attributes['url.path'], attributes['http.response.status_code'], attributes['error.type']]), [
    ['/slow/2', 499, 'response_aborted'], ['/slow/1', 499, 'response_aborted']
  ])
})

t.test('over HTTP/2 the span of @fastify/otel is told of a body and of a handler', async (t) => {
  for (const framework of ['before', 'behind'] as const) {
    const guarded = await start(t, 'h2c', { http: false, framework })
    const client = await new Http2Client(guarded.port, { stays: true }).open()
    await client.write(headers(1, requestBlock('POST', '/notes/1', { 'content-type': 'text/plain' })), data(1, 'ab'))
    await client.answer(1)
    await client.write(headers(3, requestBlock('GET', '/slow'), Flag.END_HEADERS | Flag.END_STREAM))
    await until(() => guarded.begun.length === 1, 'it is handled')
    await client.write(rstStream(3))
    await guarded.recorded(2)
    client.raw.socket.destroy()
    await guarded.app.close()
    guarded.answer()
    t.strictSame(told(), [
      { span: 'framework', type: 'body_idle_timeout', events: ['body false'], status: 'ERROR' },
      { span: 'framework', type: 'response_aborted', events: ['handler false'], status: 'UNSET' }
    ], `registered ${framework} the guard`)
  }
})

t.test('a handshake that stalls has no span', async (t) => {
  const guarded = await start(t, 'https', setups['both, the framework\'s behind the guard'])
  const client = new RawClient(guarded.port, { tls: false })
  await client.closed
  t.strictSame((await guarded.recorded()).map(({ phase }) => phase), ['handshake'])
  await guarded.app.close()
  t.strictSame(told(), [])
})

t.test('all of them were counted as stats() has them', async (t) => {
  exporter.reset()
  await meterProvider.forceFlush()
  const sums: Record<string, number> = {}
  for (const metric of exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics).flatMap(({ metrics }) => metrics)) {
    if (metric.descriptor.name !== 'fastify_read_guard.read.failures') continue
    for (const { attributes, value } of metric.dataPoints) {
      if (attributes['fastify_read_guard.observed'] === true) continue
      const reason = String(attributes['error.type'])
      sums[reason] = (sums[reason] ?? 0) + Number(value)
    }
  }
  t.ok(Object.keys(sums).length >= 8)
  t.same(sums, statsByReason(...started.map((app) => ({ app }))))
})
