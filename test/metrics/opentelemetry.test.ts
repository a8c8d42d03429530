import { context, trace, SpanStatusCode } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { AggregationTemporality, DataPointType, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader, type MetricData } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import * as semconv from '@opentelemetry/semantic-conventions'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { registerTelemetry } from '../../lib/opentelemetry.js'
import { DURATION_BOUNDS, KNOWN_METHODS, SIZE_BOUNDS } from '../../lib/telemetry/measures.js'
import * as names from '../../lib/telemetry/semantic-conventions.js'
import { failingApp, failOverHttp1, failOverHttp2, statsByReason, tally, type KnownFailure } from '../support/app/failing-reads.js'
import { head, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

/** What was exported last, by the names of instruments. */
class Exported {
  readonly #exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  readonly provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: this.#exporter, exportIntervalMillis: 3_600_000 })] })

  async metrics (): Promise<MetricData[]> {
    this.#exporter.reset()
    await this.provider.forceFlush()
    return this.#exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics)
      .filter(({ scope }) => scope.name === 'fastify-read-guard').flatMap(({ metrics }) => metrics)
  }

  /** The sum, or the count of a histogram, by attributes. */
  async counts (instrument: string, ...attributes: readonly string[]): Promise<Record<string, number>> {
    const sums: Record<string, number> = {}
    for (const metric of await this.metrics()) {
      if (metric.descriptor.name !== instrument) continue
      for (const point of metric.dataPoints) {
        const key = attributes.map((name) => String(point.attributes[name] ?? '')).join(' ')
        sums[key] = (sums[key] ?? 0) + (typeof point.value === 'number' ? point.value : (point.value as { count: number }).count)
      }
    }
    return sums
  }
}

const spans = new InMemorySpanExporter()
const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer('application')
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

async function malformed (port: number): Promise<void> {
  const client = new RawClient(port)
  await client.write('\0\r\n\r\n')
  await client.closed
}

t.test('failures in every phase, over TLS and HTTP/2, are exported as the clients, stats() and the records have them', async (t) => {
  const exported = new Exported()
  const routes = (app: FastifyInstance): void => registerTelemetry(app, { meterProvider: exported.provider })
  const https = await failingApp({ t, protocol: 'https', routes })
  const http2 = await failingApp({ t, protocol: 'h2c', routes })
  const known = (await Promise.all([failOverHttp1(https, { tls: true }), failOverHttp2(http2)])).flat()
  await Promise.all([https.recorded(known.length - 2), http2.recorded(2)])
  https.answer()
  http2.answer()

  const failureOf = ({ reason, phase, method = '', route = '' }: KnownFailure): string => `${reason} ${phase} ${method} ${route}`
  t.same(await exported.counts('fastify_read_guard.read.failures', 'error.type', 'fastify_read_guard.phase', 'http.request.method', 'http.route'), tally(known, failureOf))
  t.same(await exported.counts('fastify_read_guard.read.failures', 'error.type'), statsByReason(https, http2))
  const records = [...https.records, ...http2.records]
  t.same(await exported.counts('fastify_read_guard.read.failures', 'error.type', 'fastify_read_guard.blame', 'fastify_read_guard.observed'), tally(records, ({ reason, blame }) => `${reason} ${blame} false`))
  t.same(await exported.counts('fastify_read_guard.failed_read.duration', 'error.type', 'fastify_read_guard.phase'), tally(known, ({ reason, phase }) => `${reason} ${phase}`))
  const sized = records.filter(({ phase, sent }) => phase !== 'response' || sent !== undefined)
  t.same(await exported.counts('fastify_read_guard.failed_read.size', 'fastify_read_guard.phase'), tally(sized, ({ phase }) => phase))
  await until(async () => Object.values(await exported.counts('fastify_read_guard.active_reads', 'fastify_read_guard.phase')).every((count) => count === 0), 'nothing is under way')
})

t.test('the instruments have the units and bounds that they are documented with', async (t) => {
  const exported = new Exported()
  const { app, port, recorded } = await failingApp({ t, protocol: 'http', routes: (app) => registerTelemetry(app, { meterProvider: exported.provider }) })
  await malformed(port)
  await recorded()
  t.ok(app.hasDecorator('readGuard'))
  const metrics = await exported.metrics()
  t.same(metrics.map(({ descriptor: { name, unit } }) => `${name} ${unit}`).sort(), [
    'fastify_read_guard.active_reads {read}', 'fastify_read_guard.failed_read.duration s', 'fastify_read_guard.failed_read.size By', 'fastify_read_guard.read.failures {read}'
  ])
  const bounds = metrics.flatMap((metric) => metric.dataPointType === DataPointType.HISTOGRAM ? metric.dataPoints.map(({ value }) => value.buckets.boundaries) : [])
  t.same(bounds.sort((a, b) => a.length - b.length), [SIZE_BOUNDS, DURATION_BOUNDS])
  const failures = metrics.find((metric) => metric.descriptor.name === 'fastify_read_guard.read.failures')
  t.same(failures?.dataPoints.map(({ attributes }) => attributes), [{
    'error.type': 'malformed', 'fastify_read_guard.phase': 'headers', 'fastify_read_guard.blame': 'client_invalid', 'fastify_read_guard.observed': false
  }], 'what is not known is left out')
})

t.test('the names are those of the semantic conventions', async (t) => {
  t.equal(names.ATTR_ERROR_TYPE, semconv.ATTR_ERROR_TYPE)
  t.equal(names.ATTR_HTTP_ROUTE, semconv.ATTR_HTTP_ROUTE)
  t.equal(names.ATTR_HTTP_REQUEST_METHOD, semconv.ATTR_HTTP_REQUEST_METHOD)
  const methods = Object.entries(semconv).flatMap(([name, value]) => name.startsWith('HTTP_REQUEST_METHOD_VALUE_') && value !== semconv.HTTP_REQUEST_METHOD_VALUE_OTHER ? [value] : [])
  t.ok(methods.length >= 9)
  for (const method of methods) t.ok(KNOWN_METHODS.has(String(method)), String(method))
  t.equal(semconv.HTTP_REQUEST_METHOD_VALUE_OTHER, '_OTHER')
})

t.test('OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS is the list of methods that are told apart', async (t) => {
  const failed = async (known: string | undefined): Promise<Record<string, number>> => {
    if (known !== undefined) process.env['OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS'] = known
    const exported = new Exported()
    const { app, port, recorded } = await failingApp({ protocol: 'http', routes: (app) => registerTelemetry(app, { meterProvider: exported.provider }) })
    delete process.env['OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS']
    for (const method of ['MKCOL', 'POST']) {
      const client = new RawClient(port)
      await client.write(head(method, '/notes/1', { 'Content-Type': 'text/plain', 'Content-Length': 200 }))
      await client.closed
    }
    await recorded(2)
    await app.close()
    return await exported.counts('fastify_read_guard.read.failures', 'http.request.method')
  }
  t.same(await failed(undefined), { _OTHER: 1, POST: 1 })
  t.same(await failed(''), { _OTHER: 1, POST: 1 })
  t.same(await failed('MKCOL, GET'), { MKCOL: 1, _OTHER: 1 })
})

t.test('applications that share a provider are summed, and one that has closed is left out of what is under way', async (t) => {
  const exported = new Exported()
  const guard = { bodyIdleTimeout: 0 }
  const apps = await Promise.all([1, 2, 3].map(() => failingApp({ t, protocol: 'http', guard, routes: (app) => registerTelemetry(app, { meterProvider: exported.provider }) })))
  const clients = apps.map(({ port }) => new RawClient(port))
  for (const client of clients) await client.write(head('POST', '/notes/1', { 'Content-Type': 'text/plain', 'Content-Length': 9 }) + 'a')
  const under = async (): Promise<number | undefined> => (await exported.counts('fastify_read_guard.active_reads', 'fastify_read_guard.phase'))['body']
  await until(async () => await under() === 3, 'three bodies are read')
  clients[0]?.rst()
  await apps[0]?.recorded()
  await apps[0]?.app.close()
  t.equal(await under(), 2)
  t.same(await exported.counts('fastify_read_guard.read.failures', 'error.type'), { client_aborted: 1 })
  for (const client of clients) client.rst()
  await Promise.all(apps.map(({ recorded }) => recorded()))
  t.same(await exported.counts('fastify_read_guard.read.failures', 'error.type'), { client_aborted: 3 }, 'each is counted once')
})

t.test('an active span of the application\'s own is told of a body that fails, once, with the facts', async (t) => {
  spans.reset()
  const { port, recorded, records } = await failingApp({
    t,
    protocol: 'http',
    routes: (app) => {
      app.decorateRequest('opentelemetry', () => { throw new Error('of another plugin') })
      app.addHook('onRequest', (request, reply, done) => {
        tracer.startActiveSpan(request.url, (span) => {
          reply.raw.once('close', () => span.end())
          done()
        })
      })
      registerTelemetry(app)
      app.post('/observed', { config: { readGuard: { mode: 'observe' } } }, async () => 'fine')
      app.get('/broken', async () => { throw Object.assign(new Error('of the application'), { code: 'FST_ERR_CTP_OWN' }) })
    }
  })
  const text = { 'Content-Type': 'text/plain', Connection: 'close' }
  for (const bytes of [`${head('POST', '/notes/1', { ...text, 'Content-Length': 9 })}ab`, head('GET', '/broken', { Connection: 'close' })]) {
    const client = new RawClient(port)
    await client.write(bytes)
    await client.closed
  }
  const observed = new RawClient(port)
  await observed.write(`${head('POST', '/observed', { ...text, 'Content-Length': 9 })}ab`)
  await recorded(2)
  await observed.write('cdefghi')
  await observed.until(/fine/)
  await until(() => spans.getFinishedSpans().length === 3, 'the spans have ended')
  const told = Object.fromEntries(spans.getFinishedSpans().map(({ name, attributes, status, events }) => [name, { attributes, status: status.code, events: events.map((event) => [event.name, event.attributes]) }]))
  const [stalled, late] = records
  t.same(told, {
    '/notes/1': {
      attributes: { 'error.type': 'body_idle_timeout' },
      status: SpanStatusCode.UNSET,
      events: [['fastify_read_guard.read.failed', {
        'fastify_read_guard.code': 'FST_READ_BODY_IDLE_TIMEOUT',
        'fastify_read_guard.reason': 'body_idle_timeout',
        'fastify_read_guard.phase': 'body',
        'fastify_read_guard.blame': 'client_slow',
        'fastify_read_guard.received': 2,
        'fastify_read_guard.expected': 9,
        'fastify_read_guard.limit': 250,
        'fastify_read_guard.elapsed': stalled?.elapsed,
        'fastify_read_guard.paused': stalled?.paused,
        'fastify_read_guard.idle': stalled?.idle,
        'fastify_read_guard.rate': stalled?.rate,
        'fastify_read_guard.observed': false
      }]]
    },
    '/observed': {
      attributes: {},
      status: SpanStatusCode.UNSET,
      events: [['fastify_read_guard.read.failed', {
        'fastify_read_guard.code': 'FST_READ_BODY_IDLE_TIMEOUT',
        'fastify_read_guard.reason': 'body_idle_timeout',
        'fastify_read_guard.phase': 'body',
        'fastify_read_guard.blame': 'client_slow',
        'fastify_read_guard.answered': false,
        'fastify_read_guard.received': 2,
        'fastify_read_guard.expected': 9,
        'fastify_read_guard.limit': 250,
        'fastify_read_guard.elapsed': late?.elapsed,
        'fastify_read_guard.paused': late?.paused,
        'fastify_read_guard.idle': late?.idle,
        'fastify_read_guard.rate': late?.rate,
        'fastify_read_guard.observed': true
      }]]
    },
    '/broken': { attributes: {}, status: SpanStatusCode.UNSET, events: [] }
  })
})

t.test('a failure without a request is told to no span, whatever is active where the application was made', async (t) => {
  spans.reset()
  await tracer.startActiveSpan('start', async (span) => {
    const { port, recorded } = await failingApp({ t, protocol: 'https', routes: (app) => registerTelemetry(app) })
    const stalled = new RawClient(port, { tls: false })
    await malformed(port)
    const client = new RawClient(port, { tls: true })
    await client.write('GET / HT')
    await Promise.all([stalled.closed, client.closed])
    await recorded(2)
    t.equal(trace.getActiveSpan(), span)
    span.end()
  })
  t.same(spans.getFinishedSpans().map(({ name, attributes, events }) => ({ name, attributes, events })), [{ name: 'start', attributes: {}, events: [] }])
})
