import { metrics } from '@opentelemetry/api'
import * as renamed from '@prometheus-io/client'
import fastify from 'fastify'
import readGuard from 'fastify-read-guard'
import { registerTelemetry, type TelemetryOptions } from 'fastify-read-guard/opentelemetry'
import { registerMetrics, type MetricsOptions, type PrometheusClient, type PrometheusRegistry } from 'fastify-read-guard/prometheus'
import client, { AggregatorRegistry, register, Registry } from 'prom-client'
import * as named from 'prom-client'

const app = fastify()
await app.register(readGuard)

// Both clients, however they are imported, with their registries.
registerMetrics(app, { client })
registerMetrics(app, { client: named, prefix: 'shop_' })
registerMetrics(app, { client, registers: [register, new Registry(), new AggregatorRegistry()] })
registerMetrics(app, { client: renamed })
registerMetrics(app, { client: renamed, registers: [renamed.register, new renamed.Registry(), new renamed.ClusterRegistry()] })
registerMetrics(fastify({ http2: true }), { client })
registerMetrics(fastify({ https: {} }), { client })

export const options: MetricsOptions = { client, prefix: 'a', registers: [register] }
export const given: PrometheusClient = renamed
export const registry: PrometheusRegistry = new renamed.Registry()
// @ts-expect-error -- it is not to be found by its name
registerMetrics(app, { client: 'prom-client' })
// @ts-expect-error -- the module, and not its registry
registerMetrics(app, { client: client.register })
// @ts-expect-error -- the client is needed
registerMetrics(app, {})
// @ts-expect-error -- a name begins with text
registerMetrics(app, { client, prefix: 1 })
// @ts-expect-error -- there is no such option
registerMetrics(app, { client, buckets: [1, 2] })

registerTelemetry(app)
registerTelemetry(app, {})
registerTelemetry(app, { meterProvider: metrics.getMeterProvider() })
registerTelemetry(fastify({ http2: true }))
export const telemetry: TelemetryOptions = { meterProvider: metrics.getMeterProvider() }
// @ts-expect-error -- a provider, and not one of its meters
registerTelemetry(app, { meterProvider: metrics.getMeter('mine') })
// @ts-expect-error -- there is no such option
registerTelemetry(app, { meter: 'mine' })
