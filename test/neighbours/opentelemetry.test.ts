import { createRequire } from 'node:module'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { DataPointType, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import t, { type Test } from 'tap'
import { guardedApp, noise, type GuardedAppOptions, type GuardedAppWith } from '../support/app/guarded-app.js'
import { responseRoutes, type ResponseFacts } from '../support/app/response-routes.js'
import type { Protocol } from '../support/app/transport.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, requestBlock, rstStream } from '../support/client/http2-frames.js'
import { head, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

class Reader extends MetricReader {
  protected override onForceFlush (): Promise<void> { return Promise.resolve() }
  protected override onShutdown (): Promise<void> { return Promise.resolve() }
}

const reader = new Reader()
const spans = new InMemorySpanExporter()
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
const metrics = new HttpInstrumentation()
metrics.setMeterProvider(new MeterProvider({ readers: [reader] }))
metrics.setTracerProvider(tracerProvider)
const requireHooked = createRequire(import.meta.url)
// What is required from here on is instrumented, and with it all servers.
requireHooked('http')
requireHooked('https')
const fastifyOtel = new FastifyOtelInstrumentation()
fastifyOtel.setTracerProvider(tracerProvider)

const CANCEL = 8
const BODY = '"ab"'

/** How many requests `http.server.request.duration` has of each status. */
async function durations (): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const { resourceMetrics } = await reader.collect()
  for (const { metrics } of resourceMetrics.scopeMetrics) {
    for (const metric of metrics) {
      if (metric.descriptor.name !== 'http.server.request.duration' || metric.dataPointType !== DataPointType.HISTOGRAM) continue
      for (const { attributes, value } of metric.dataPoints) {
        const status = String(attributes['http.response.status_code'])
        counts[status] = (counts[status] ?? 0) + value.count
      }
    }
  }
  return counts
}

/** What was added since then. */
async function addedTo (before: Readonly<Record<string, number>>): Promise<Record<string, number>> {
  const now = await durations()
  return Object.fromEntries(Object.entries(now).map(([status, count]) => [status, count - (before[status] ?? 0)] as const).filter(([, count]) => count > 0))
}

/** The statuses of the spans that `@fastify/otel` has made of requests. */
function requestSpans (): unknown[] {
  return spans.getFinishedSpans().filter(({ name }) => name === 'request').map(({ attributes }) => attributes['http.response.status_code'])
}

async function start (t: Test, protocol: Protocol, guard: GuardedAppOptions['guard'] = {}): Promise<GuardedAppWith<ResponseFacts>> {
  spans.reset()
  return await guardedApp<ResponseFacts>({
    t,
    protocol,
    guard: { resolution: 50, ...guard },
    routes: async (app) => {
      await app.register(fastifyOtel.plugin())
      return responseRoutes(app)
    }
  })
}

function completed ({ log }: GuardedAppWith<ResponseFacts>): unknown[] {
  return log.filter(({ msg }) => msg === 'request completed').map(({ res }) => (res as { statusCode: number }).statusCode)
}

const json = { 'Content-Type': 'application/json' }

for (const protocol of ['http', 'https'] as const) {
  const tls = protocol === 'https'
  const whole = { GET: head('GET', '/slow'), POST: head('POST', '/slow', { ...json, 'Content-Length': BODY.length }) + BODY }
  for (const [method, request] of Object.entries(whole)) {
    t.test(`${protocol}: a client of a ${method} that leaves while its handler works is a 499 for metrics, spans and the log`, async (t) => {
      const before = await durations()
      const guarded = await start(t, protocol)
      const client = new RawClient(guarded.port, { tls })
      await client.write(request)
      await until(() => guarded.begun.length === 1, 'the handler works')
      client.rst()
      await guarded.recorded()
      await until(() => completed(guarded).length === 1, 'the last line')
      guarded.answer()
      await until(async () => Object.keys(await addedTo(before)).length > 0, 'it is booked')
      t.strictSame(await addedTo(before), { 499: 1 })
      t.strictSame(completed(guarded), [499])
      await until(() => requestSpans().length === 1, 'the span has ended')
      t.strictSame(requestSpans(), [499])
      t.strictSame(noise(guarded.log), [])
    })
  }

  t.test(`${protocol}: a response that was had, one that was cut, and a refusal are booked as they were sent`, async (t) => {
    const before = await durations()
    const guarded = await start(t, protocol, { bodyIdleTimeout: 200 })
    const served = new RawClient(guarded.port, { tls })
    await served.write(head('GET', '/fast'))
    await served.until(/fast$/)
    served.fin()
    const cut = new RawClient(guarded.port, { tls })
    await cut.write(head('GET', '/endless'))
    await cut.until(/\r\n\r\n/)
    cut.rst()
    const stalled = new RawClient(guarded.port, { tls })
    await stalled.write(head('POST', '/fast', { ...json, 'Content-Length': 9 }) + '{')
    await stalled.closed
    await guarded.recorded(2)
    await until(() => completed(guarded).length === 3, 'the last lines')
    await until(async () => Object.values(await addedTo(before)).reduce((sum, count) => sum + count, 0) === 3, 'they are booked')
    t.strictSame(await addedTo(before), { 200: 2, 408: 1 })
    t.strictSame(completed(guarded).sort(), [200, 200, 408])
    await until(() => requestSpans().length === 3, 'the spans have ended')
    t.strictSame(requestSpans().sort(), [200, 200, 408])
  })
}

for (const protocol of ['h2c', 'h2'] as const) {
  for (const method of ['GET', 'POST']) {
    t.test(`${protocol}: a client of a ${method} that leaves while its handler works is a 499 for spans and the log`, async (t) => {
      const guarded = await start(t, protocol)
      const client = await new Http2Client(guarded.port, { tls: protocol === 'h2', stays: true }).open()
      const request = method === 'GET'
        ? [headers(1, requestBlock('GET', '/slow'), Flag.END_HEADERS | Flag.END_STREAM)]
        : [headers(1, requestBlock('POST', '/slow', { 'content-type': 'application/json' })), data(1, BODY, Flag.END_STREAM)]
      await client.write(...request)
      await until(() => guarded.begun.length === 1, 'the handler works')
      await client.write(rstStream(1, CANCEL))
      await guarded.recorded()
      await until(() => requestSpans().length === 1, 'the span has ended')
      t.strictSame(completed(guarded), [499])
      t.strictSame(requestSpans(), [499])
      t.strictSame(noise(guarded.log), [])
      client.raw.socket.destroy()
    })
  }
}
