import { createRequire } from 'node:module'
import fastify from 'fastify'
import t from 'tap'
import readGuard, { type AbortRecord } from '../../lib/index.js'
import { registerMetrics, type PrometheusClient } from '../../lib/prometheus.js'
import { failingApp, failOverHttp1, failOverHttp2, statsByReason, tally, type KnownFailure } from '../support/app/failing-reads.js'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, headers, requestBlock } from '../support/client/http2-frames.js'
import { head, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

/** What the tests use of a client, in the same way of both. */
interface Client extends PrometheusClient {
  readonly Registry: new () => Registry
}

interface Registry {
  getSingleMetric (name: string): unknown
  metrics (): Promise<string>
  getMetricsAsJSON (): Promise<Array<{ name: string, values: Sample[] }>>
  setContentType (type: string): void
  clear (): void
  resetMetrics (): void
}

interface Sample {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  readonly metricName?: string
}

const PREFIX = 'fastify_read_guard_'
const load = createRequire(import.meta.url)
const hasRenamed = Number(process.versions.node.split('.')[0]) >= 22

const clients: ReadonlyArray<readonly [name: string, client: () => Client, skip: string | false]> = [
  ['prom-client', () => load('prom-client') as Client, false],
  ['@prometheus-io/client', () => load('@prometheus-io/client') as Client, hasRenamed ? false : 'it needs Node 22']
]

/** The samples of one metric as a scrape has them; those of a histogram by the name behind it. */
async function samples (registry: Registry, name: string): Promise<Sample[]> {
  const metrics = await registry.getMetricsAsJSON()
  return metrics.find((metric) => metric.name === PREFIX + name)?.values ?? []
}

/** By labels, what is above 0. */
async function counts (registry: Registry, name: string, ...labels: readonly string[]): Promise<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const { labels: given, value, metricName } of await samples(registry, name)) {
    if (value === 0 || (metricName !== undefined && !metricName.endsWith('_count'))) continue
    const key = labels.map((label) => given[label]).join(' ')
    sums[key] = (sums[key] ?? 0) + value
  }
  return sums
}

async function total (registry: Registry, name: string): Promise<number> {
  const [sample] = await samples(registry, name)
  return sample?.value ?? NaN
}

function failureOf ({ reason, phase, method = '', route = '' }: KnownFailure): string {
  return `${reason} ${phase} ${method} ${route}`
}

/** A head that no parser takes. */
async function malformed (port: number): Promise<void> {
  const client = new RawClient(port)
  await client.write('\0\r\n\r\n')
  await client.closed
}

const blames: Readonly<Record<string, string>> = {
  handshake_timeout: 'client_slow',
  headers_timeout: 'client_slow',
  body_idle_timeout: 'client_slow',
  malformed: 'client_invalid',
  body_too_large: 'client_invalid',
  length_required: 'client_invalid',
  client_aborted: 'client_gone',
  response_aborted: 'client_gone'
}

for (const [name, load, skip] of clients) {
  t.test(`${name}: failures in every phase, over TLS and HTTP/2, are those of the clients, of stats() and of the records`, { skip }, async (t) => {
    const client = load()
    const registry = new client.Registry()
    const options = { client, registers: [registry] }
    const https = await failingApp({ t, protocol: 'https', routes: (app) => registerMetrics(app, options) })
    const http2 = await failingApp({ t, protocol: 'h2c', routes: (app) => registerMetrics(app, options) })
    const known = (await Promise.all([failOverHttp1(https, { tls: true }), failOverHttp2(http2)])).flat()
    await Promise.all([https.recorded(known.length - 2), http2.recorded(2)])
    https.answer()
    http2.answer()

    t.same(await counts(registry, 'read_failures_total', 'reason', 'phase', 'method', 'route'), tally(known, failureOf), 'the clients')
    t.same(await counts(registry, 'read_failures_total', 'reason'), statsByReason(https, http2), 'stats()')
    t.same(await counts(registry, 'read_failures_total', 'reason', 'blame'), tally(known, ({ reason }) => `${reason} ${String(blames[reason])}`))
    t.same(await counts(registry, 'read_failures_total', 'observed'), { false: known.length })
    t.same(await counts(registry, 'failed_read_duration_seconds', 'reason', 'phase'), tally(known, ({ reason, phase }) => `${reason} ${phase}`))
    const records = [...https.records, ...http2.records]
    const sized = records.filter(({ phase, sent }) => phase !== 'response' || sent !== undefined)
    t.same(await counts(registry, 'failed_read_bytes', 'phase'), tally(sized, ({ phase }) => phase))
    const sums = (values: readonly Sample[]): number => values.reduce((sum, { metricName = '', value }) => metricName.endsWith('_sum') ? sum + value : sum, 0)
    t.ok(Math.abs(sums(await samples(registry, 'failed_read_duration_seconds')) - records.reduce((sum, { elapsed }) => sum + elapsed, 0) / 1_000) < 1e-9)
    t.equal(sums(await samples(registry, 'failed_read_bytes')), sized.reduce((sum, { phase, received, sent }) => sum + (phase === 'response' ? sent ?? NaN : received), 0))

    await until(async () => (await samples(registry, 'active_reads')).every(({ value }) => value === 0), 'nothing is under way')
    const lingered = https.app.readGuard.stats().lingered + http2.app.readGuard.stats().lingered
    t.ok(lingered > 0)
    t.equal(await total(registry, 'lingers_total'), lingered)
  })

  t.test(`${name}: reads under way are asked for at the scrape, and summed over the applications of a registry`, { skip }, async (t) => {
    const client = load()
    const registry = new client.Registry()
    const { app: listening } = await failingApp({ t, protocol: 'http' })
    t.throws(() => registerMetrics(listening, { client, registers: [registry] }), { code: /^FST_ERR_INSTANCE_ALREADY_(LISTENING|STARTED)$/ }, 'not once it listens')
    t.strictSame(await samples(registry, 'active_reads').then((all) => all.map(({ value }) => value)), [0, 0, 0, 0, 0], 'and nothing is counted of it')
    const metered = await Promise.all([1, 2].map(() => failingApp({
      t, protocol: 'http', guard: { headersTimeout: 0, bodyIdleTimeout: 0 }, routes: (app) => registerMetrics(app, { client, registers: [registry] })
    })))
    const open = await Promise.all(metered.flatMap(({ port }) => ['GET /', `${head('POST', '/notes/1', { 'Content-Type': 'text/plain', 'Content-Length': 9 })}a`].map(async (bytes) => {
      const client = new RawClient(port)
      await client.write(bytes)
      return client
    })))
    await until(async () => (await counts(registry, 'active_reads', 'phase'))['body'] === 2, 'two bodies are read')
    await until(async () => (await counts(registry, 'active_reads', 'phase'))['headers'] === 2, 'two heads are read')
    for (const client of open) client.rst()
    await Promise.all(metered.map(({ recorded }) => recorded(2)))
    await until(async () => (await samples(registry, 'active_reads')).every(({ value }) => value === 0), 'none is')
    t.same((await samples(registry, 'active_reads')).map(({ labels }) => labels['phase']), ['handshake', 'headers', 'body', 'response', 'lingering'])
  })

  t.test(`${name}: what an application has counted stays when it closes, and nothing of it is left behind`, { skip }, async (t) => {
    const client = load()
    const registry = new client.Registry()
    const guard = { logLimit: { records: 1, period: 60_000 } }
    const start = (): Promise<GuardedApp> => failingApp({ protocol: 'http', guard, routes: (app) => registerMetrics(app, { client, registers: [registry] }) })
    const fail = async ({ port, recorded, records }: GuardedApp, times: number): Promise<void> => {
      const before = records.length
      for (let i = 0; i < times; i++) await malformed(port)
      await recorded(before + times)
    }
    const [first, second] = [await start(), await start()]
    await fail(first, 3)
    await fail(second, 2)
    t.equal(await total(registry, 'log_suppressed_total'), 2 + 1)
    await fail(first, 1)
    await first.app.close()
    t.equal(first.app.readGuard.stats().suppressed, 3)
    t.equal(await total(registry, 'log_suppressed_total'), 3 + 1, 'also what was counted since the last scrape')
    t.same(await counts(registry, 'read_failures_total', 'reason'), statsByReason(first, second))
    registry.resetMetrics()
    await fail(second, 1)
    t.equal(await total(registry, 'log_suppressed_total'), 1, 'a reset counts from there')
    t.same(await counts(registry, 'read_failures_total', 'reason'), { malformed: 1 })
    await second.app.close()
    registry.clear()
    const third = await start()
    await fail(third, 1)
    await third.app.close()
    t.same(await counts(registry, 'read_failures_total', 'reason'), { malformed: 1 }, 'a registry that was cleared has new ones')
  })

  t.test(`${name}: applications in registries of their own are kept apart, and one may count in several`, { skip }, async (t) => {
    const client = load()
    const [one, other] = [new client.Registry(), new client.Registry()]
    const first = await failingApp({ t, protocol: 'http', routes: (app) => registerMetrics(app, { client, registers: [one, other, one] }) })
    const second = await failingApp({
      t,
      protocol: 'http',
      routes: (app) => {
        registerMetrics(app, { client, registers: [other] })
        registerMetrics(app, { client, registers: [other], prefix: 'shop_' })
      }
    })
    for (const { port, recorded } of [first, second]) {
      await malformed(port)
      await recorded()
    }
    t.same(await counts(one, 'read_failures_total', 'reason'), { malformed: 1 })
    t.same(await counts(other, 'read_failures_total', 'reason'), { malformed: 2 })
    t.match(await other.metrics(), /^shop_read_failures_total\{reason="malformed",phase="headers",blame="client_invalid",route="",method="",observed="false"\} 1$/m)
  })

  t.test(`${name}: a scrape is the text that Prometheus reads, in its own format and in OpenMetrics`, { skip }, async (t) => {
    const client = load()
    const registry = new client.Registry()
    const { port, recorded } = await failingApp({ t, protocol: 'http', guard: { mode: 'observe' }, routes: (app) => registerMetrics(app, { client, registers: [registry] }) })
    const raw = new RawClient(port)
    await raw.write(head('POST', '/notes/1', { 'Content-Type': 'text/plain', 'Content-Length': 200, Connection: 'close' }) + 'x'.repeat(200))
    await raw.closed
    await recorded()
    for (const [type, counter] of [['text/plain; version=0.0.4; charset=utf-8', 'read_failures_total'], ['application/openmetrics-text; version=1.0.0; charset=utf-8', 'read_failures']] as const) {
      registry.setContentType(type)
      const text = await registry.metrics()
      t.ok(text.includes(`# TYPE ${PREFIX}${counter} counter\n`), counter)
      t.ok(text.includes(`${PREFIX}read_failures_total{reason="body_too_large",phase="body",blame="client_invalid",route="/notes/:id",method="POST",observed="true"} 1\n`), 'only observed')
      t.ok(text.includes(`${PREFIX}failed_read_duration_seconds_bucket{le="0.01",reason="body_too_large",phase="body"} 1\n`))
      t.ok(text.includes(`${PREFIX}failed_read_bytes_bucket{le="0",phase="body"} 1\n`), 'refused before a byte was read')
      t.ok(text.includes(`${PREFIX}active_reads{phase="headers"} 0\n`))
      t.ok(text.includes(`${PREFIX}lingers_total 0\n`))
      t.ok(text.includes(`${PREFIX}log_suppressed_total 0\n`))
    }
  })
}

t.test('what fails while an application closes is counted, over TLS and HTTP/2, too', async (t) => {
  const client = load('prom-client') as Client
  const registry = new client.Registry()
  const options = { client, registers: [registry] }
  const [https, http2] = await Promise.all((['https', 'h2c'] as const).map((protocol) => failingApp({ protocol, routes: (app) => registerMetrics(app, options) })))
  if (https === undefined || http2 === undefined) throw new Error('both have started')
  const [handshake, tls, plain] = [new RawClient(https.port, { tls: false }), new RawClient(https.port, { tls: true }), new Http2Client(http2.port)]
  await Promise.all([handshake.connected(), plain.open()])
  await tls.write(head('POST', '/notes/1', { 'Content-Type': 'text/plain', 'Content-Length': 9 }) + 'a')
  await plain.write(headers(1, requestBlock('POST', '/notes/1', { 'content-type': 'text/plain' })), data(1, 'a'))
  await until(() => [https, http2].every(({ app }) => app.readGuard.stats().reading.body === 1), 'both bodies are read')
  await Promise.all([https.app.close(), http2.app.close()])
  t.same(await counts(registry, 'read_failures_total', 'reason'), statsByReason(https, http2))
  t.same(await counts(registry, 'read_failures_total', 'phase'), { handshake: 1, body: 2 })
  await Promise.all([handshake.closed, tls.closed, plain.closed])
})

t.test('the client may be imported as a namespace', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(readGuard)
  const client = await import('prom-client')
  registerMetrics(app, { client, registers: [new client.Registry()] })
})

t.test('the default registry is the client\'s own, and the guard may stand in another context', async (t) => {
  const client = load('prom-client') as Client & { register: Registry }
  t.teardown(() => client.register.clear())
  const records: AbortRecord[] = []
  const { port } = await guardedApp({
    t,
    guard: { onAbort: (record) => { records.push(record) } },
    routes: async (app) => {
      await app.register(async (inner) => { registerMetrics(inner, { client }) })
    }
  })
  await malformed(port)
  await until(() => records.length === 1, 'it is recorded')
  t.same(await counts(client.register, 'read_failures_total', 'reason'), { malformed: 1 })
})
