import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { root } from '../support/app/packed.js'
import { until } from '../support/oracle/until.js'
import { attack, startObserved, type Account } from './observed-example.js'

const [UNSET, ERROR] = [0, 2]

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string, readonly intValue?: number }
}

interface Point {
  readonly attributes: readonly Attribute[]
  readonly asInt?: number
  readonly asDouble?: number
  readonly count?: number
}

interface Metric {
  readonly name: string
  readonly sum?: { readonly dataPoints: readonly Point[] }
  readonly histogram?: { readonly dataPoints: readonly Point[] }
}

interface Span {
  readonly name: string
  readonly attributes: readonly Attribute[]
  readonly events?: ReadonlyArray<{ readonly name: string }>
  readonly status: { readonly code?: number }
}

interface Collected {
  readonly resourceMetrics?: ReadonlyArray<{ readonly scopeMetrics: ReadonlyArray<{ readonly metrics: readonly Metric[] }> }>
  readonly resourceSpans?: ReadonlyArray<{ readonly scopeSpans: ReadonlyArray<{ readonly spans: readonly Span[] }> }>
}

/** Takes what is exported by OTLP as JSON. */
async function collector (t: Test): Promise<{ url: string, metrics: Map<string, Metric>, spans: Span[] }> {
  const metrics = new Map<string, Metric>()
  const spans: Span[] = []
  const server = http.createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => { body += text })
    request.on('end', () => {
      const { resourceMetrics = [], resourceSpans = [] } = JSON.parse(body) as Collected
      // Sums since the start: the last is right.
      for (const metric of resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))) metrics.set(metric.name, metric)
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)))
      response.setHeader('content-type', 'application/json').end('{}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close().closeAllConnections() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, metrics, spans }
}

function attribute ({ attributes }: { readonly attributes: readonly Attribute[] }, name: string): string {
  const { stringValue, intValue } = attributes.find(({ key }) => key === name)?.value ?? {}
  return stringValue ?? String(intValue ?? '')
}

function byErrorType (points: readonly Point[] = []): Account {
  const sums: Account = {}
  for (const point of points) {
    const type = attribute(point, 'error.type')
    sums[type] = (sums[type] ?? 0) + Number(point.count ?? point.asInt ?? point.asDouble ?? 0)
  }
  return sums
}

t.test('with otel.js before it, the example\'s failed reads arrive at a collector, as metrics and on the spans of their requests', async (t) => {
  const { url, metrics, spans } = await collector(t)
  const { port } = await startObserved(t, { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_SERVICE_NAME: 'web', OTEL_METRIC_EXPORT_INTERVAL: '500', OTEL_BSP_SCHEDULE_DELAY: '500' },
    ['--import', pathToFileURL(join(root, 'examples/observability/otel.js')).href])
  const account = await attack({ slowHead: [5, [port]], stalledBody: [5, [port]], tooLarge: [5, [port]], leaver: [5, [port]], slowReader: [1, [port]] }, 2)
  const failures = (): Account => byErrorType(metrics.get('fastify_read_guard.read.failures')?.sum?.dataPoints)
  const sum = (counts: Account): number => Object.values(counts).reduce((all, count) => all + count, 0)
  await until(() => sum(failures()) >= sum(account), 'the last export')
  t.strictSame(failures(), account)
  t.strictSame(byErrorType(metrics.get('fastify_read_guard.failed_read.duration')?.histogram?.dataPoints), account)
  const { headers_timeout: heads, ...withRequest } = account
  t.ok(heads, 'these have no span')
  const told = (): Span[] => spans.filter(span => withRequest[attribute(span, 'error.type')] !== undefined)
  await until(() => told().length >= sum(withRequest), 'the last spans')
  const byType: Account = {}
  for (const span of told()) {
    const type = attribute(span, 'error.type')
    byType[type] = (byType[type] ?? 0) + 1
    // A 4xx is no error of the server's. instrumentation-http calls every response an error that breaks off after it began.
    t.equal(span.status.code ?? UNSET, type === 'response_idle_timeout' ? ERROR : UNSET, `the status of ${span.name}, ${type}`)
    t.equal(span.events?.length, 1, 'the event has the facts')
  }
  t.strictSame(byType, withRequest)
})
