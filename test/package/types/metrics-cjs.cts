import api = require('@opentelemetry/api')
import renamed = require('@prometheus-io/client')
import fastify = require('fastify')
import telemetry = require('fastify-read-guard/opentelemetry')
import metrics = require('fastify-read-guard/prometheus')
import client = require('prom-client')

const app = fastify()

metrics.registerMetrics(app, { client })
metrics.registerMetrics(app, { client: renamed, prefix: 'shop_', registers: [renamed.register] })
// @ts-expect-error -- the client is needed
metrics.registerMetrics(app, {})
const options: metrics.MetricsOptions = { client }

telemetry.registerTelemetry(app, { meterProvider: api.metrics.getMeterProvider() })
// @ts-expect-error -- there is no such option
telemetry.registerTelemetry(app, { meter: 'mine' })
const told: telemetry.TelemetryOptions = {}

export = [options, told]
