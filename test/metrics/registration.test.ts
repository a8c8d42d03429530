import diagnosticsChannel from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import readGuard, { errors } from '../../lib/index.js'
import { registerTelemetry, type TelemetryOptions } from '../../lib/opentelemetry.js'
import { registerMetrics, type MetricsOptions, type PrometheusClient } from '../../lib/prometheus.js'
import { recordSourceOf } from '../../lib/record/record-source.js'
import { KNOWN_METHODS } from '../../lib/telemetry/measures.js'
import * as names from '../../lib/telemetry/semantic-conventions.js'
import { root } from '../support/app/packed.js'

interface Client extends PrometheusClient {
  readonly Counter: new (configuration: object) => unknown
  readonly Registry: new () => { getSingleMetric (name: string): unknown, getMetricsAsArray (): Array<{ name: string }>, removeSingleMetric (name: string): void }
}

const client = createRequire(import.meta.url)('prom-client') as Client

async function guarded (t: Test): Promise<FastifyInstance> {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(readGuard)
  return app
}

/** The registry that options lead to by default is left empty. */
function isUntouched (t: Test): void {
  t.strictSame((client.register as InstanceType<Client['Registry']>).getMetricsAsArray(), [], 'nothing is registered')
}

const PROMETHEUS = 'the module prom-client or @prometheus-io/client, with Counter, Gauge, Histogram, Registry and register'
const REGISTRIES = 'registers must be an array of at least one registry of the client that was given: two copies of a client have nothing in common'
const PREFIX = 'prefix must be letters, digits, _ and :, not beginning with a digit'

const wrongMetrics: ReadonlyArray<readonly [options: unknown, message: string]> = [
  [undefined, 'options must be a plain object with the client; got undefined'],
  [null, 'options must be a plain object with the client; got null'],
  [{}, `client must be ${PROMETHEUS}; got undefined`],
  [{ client: 'prom-client' }, `client must be ${PROMETHEUS}; got 'prom-client'`],
  [{ client: {} }, `client must be ${PROMETHEUS}; got an object with nothing in it`],
  [{ client: client.register }, `client must be ${PROMETHEUS}; got an object with _metrics, _collectors, _defaultLabels, _contentType`],
  [{ client, prefix: 'read guard_' }, `${PREFIX}; got 'read guard_'`],
  [{ client, prefix: '1st_' }, `${PREFIX}; got '1st_'`],
  [{ client, prefix: null }, `${PREFIX}; got null`],
  [{ client, registers: [] }, `${REGISTRIES}; got []`],
  [{ client, registers: {} }, `${REGISTRIES}; got {}`],
  [{ client, registers: [{ getSingleMetric () {} }] }, `${REGISTRIES}; got [ { getSingleMetric: [Function: getSingleMetric] } ]`],
  [{ client, register: client.register }, 'register is not an option (did you mean registers?); got Registry'],
  [{ client, buckets: [1] }, 'buckets is not one of the options client, prefix, registers; got [ 1 ]']
]

const wrongTelemetry: ReadonlyArray<readonly [options: unknown, message: string]> = [
  [null, 'options must be a plain object; got null'],
  [new MeterProvider(), 'options must be a plain object; got MeterProvider'],
  [{ meterProvider: {} }, 'meterProvider must be a MeterProvider, with getMeter(); got {}'],
  [{ meterProvider: null }, 'meterProvider must be a MeterProvider, with getMeter(); got null'],
  [{ meter: 1 }, 'meter is not one of the options meterProvider; got 1']
]

t.test('a wrong option is refused at the start, by its name, its rule and what was given', async (t) => {
  const app = await guarded(t)
  for (const [options, message] of wrongMetrics) {
    t.throws(() => registerMetrics(app, options as MetricsOptions), { code: 'FST_READ_OPTIONS_INVALID', message: `registerMetrics: ${message}` }, message)
  }
  for (const [options, message] of wrongTelemetry) t.throws(() => registerTelemetry(app, options as TelemetryOptions), { code: 'FST_READ_OPTIONS_INVALID', message: `registerTelemetry: ${message}` }, message)
  isUntouched(t)
})

t.test('an application without the guard is refused, and so is one whose guard is not registered yet', async (t) => {
  const app = await guarded(t)
  const without = fastify()
  const early = fastify()
  early.register(readGuard)
  const later = fastify()
  await later.register(async (inner) => { await inner.register(readGuard) })
  const lookalike = fastify()
  lookalike.decorate('readGuard', { stats: () => app.readGuard.stats() })
  const message = 'app must be an instance in which fastify-read-guard is registered by now (await app.register(readGuard), or wait for app.after()); got '
  for (const [given, got] of [[without, 'one without its readGuard'], [early, 'one without its readGuard'], [later, 'one without its readGuard'], [lookalike, 'one without its readGuard'], [undefined, 'undefined']] as const) {
    t.throws(() => registerMetrics(given as FastifyInstance, { client }), { code: 'FST_READ_OPTIONS_INVALID', message: `registerMetrics: ${message}${got}` })
    t.throws(() => registerTelemetry(given as FastifyInstance), { code: 'FST_READ_OPTIONS_INVALID', message: `registerTelemetry: ${message}${got}` })
  }
  isUntouched(t)
  await Promise.all([without, early, later, lookalike].map((app) => app.close()))
})

t.test('after() is early enough, and what it throws makes the start fail', async (t) => {
  const registry = new client.Registry()
  const app = fastify()
  t.teardown(() => app.close())
  app.register(readGuard)
  app.after(() => registerMetrics(app, { client, registers: [registry] }))
  await app.ready()
  t.equal(registry.getMetricsAsArray().length, 6)
  const wrong = fastify()
  wrong.register(readGuard)
  wrong.register(async (inner) => { registerMetrics(inner, { client, prefix: '!' }) })
  await t.rejects(async () => { await wrong.ready() }, { code: 'FST_READ_OPTIONS_INVALID' })
})

t.test('an application counts once in a registry, and once with a provider', async (t) => {
  const app = await guarded(t)
  const [registry, meterProvider] = [new client.Registry(), new MeterProvider()]
  registerMetrics(app, { client, registers: [registry] })
  t.throws(() => registerMetrics(app, { client, registers: [new client.Registry(), registry] }), { message: 'registerMetrics: app can be registered once in a registry, with one prefix; got a second time' })
  registerTelemetry(app, { meterProvider })
  t.throws(() => registerTelemetry(app, { meterProvider }), { message: 'registerTelemetry: app can be registered once with a provider; got a second time' })
  registerTelemetry(app, { meterProvider: new MeterProvider() })
})

t.test('a name that something else has in the registry is refused', async (t) => {
  const app = await guarded(t)
  const registry = new client.Registry()
  new client.Counter({ name: 'fastify_read_guard_lingers_total', help: 'Somebody else\'s', registers: [registry] }) // eslint-disable-line no-new -- it registers itself
  t.throws(() => registerMetrics(app, { client, registers: [registry] }), {
    code: 'FST_READ_OPTIONS_INVALID',
    message: 'registerMetrics: prefix must make names that the registry does not have yet: another metric is called fastify_read_guard_lingers_total; got \'fastify_read_guard_\''
  })
  t.equal(registry.getMetricsAsArray().length, 1)
  registerMetrics(app, { client, registers: [registry], prefix: 'shop_' })
  t.equal(registry.getMetricsAsArray().length, 7)
  const other = await guarded(t)
  registry.removeSingleMetric('shop_lingers_total')
  new client.Counter({ name: 'shop_lingers_total', help: 'Somebody else\'s', registers: [registry] }) // eslint-disable-line no-new -- it registers itself
  t.throws(() => registerMetrics(other, { client, registers: [registry], prefix: 'shop_' }), { message: /another metric is called shop_lingers_total/ })
})

t.test('what is subscribed to ends with the application, whether it has listened or not', async (t) => {
  for (const listens of [true, false]) {
    const app = await guarded(t)
    const { channelName = '' } = recordSourceOf(app.readGuard) ?? {}
    t.equal(diagnosticsChannel.hasSubscribers(channelName), false)
    registerMetrics(app, { client, registers: [new client.Registry()] })
    registerTelemetry(app, { meterProvider: new MeterProvider() })
    if (listens) await app.listen({ port: 0, host: '127.0.0.1' })
    t.equal(diagnosticsChannel.hasSubscribers(channelName), true)
    await app.close()
    t.equal(diagnosticsChannel.hasSubscribers(channelName), false)
  }
})

t.test('what people see of app.readGuard is as it was', async (t) => {
  const app = await guarded(t)
  registerMetrics(app, { client, registers: [new client.Registry()] })
  t.strictSame(Object.keys(app.readGuard), ['stats'])
  t.strictSame(JSON.stringify(app.readGuard), '{}')
})

t.test('docs/metrics.md tells of every metric, instrument, reason, phase and method', async (t) => {
  const text = readFileSync(join(root, 'docs/metrics.md'), 'utf8')
  const app = await guarded(t)
  const registry = new client.Registry()
  registerMetrics(app, { client, registers: [registry] })
  const reasons = Object.keys(errors).flatMap((code) => {
    if (code === 'FST_READ_ABORTED') return ['client_aborted']
    return code === 'FST_READ_BODY_CONSUMED' || code === 'FST_READ_OPTIONS_INVALID' ? [] : [code.replace('FST_READ_', '').toLowerCase()]
  })
  t.equal(reasons.length, 15)
  const metrics = registry.getMetricsAsArray().map(({ name }) => name)
  const instruments = Object.entries(names).flatMap(([name, value]) => /^(?:METRIC|ATTR|EVENT)_/.test(name) ? [String(value)] : [])
  t.equal(metrics.length + instruments.length, 6 + 4 + 6 + 1)
  for (const name of [...metrics, ...instruments, ...reasons, ...KNOWN_METHODS, ...Object.keys(app.readGuard.stats().reading)]) t.ok(text.includes(`\`${name}\``), name)
})
