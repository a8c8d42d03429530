// OpenTelemetry for app.js, which is not changed for it:
//   OTEL_SERVICE_NAME=web node --import ./examples/observability/otel.js examples/observability/app.js
// Sends metrics and spans to the collector at OTEL_EXPORTER_OTLP_ENDPOINT (http://localhost:4318), by OTLP as JSON.
import { context, metrics, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { defaultResource, detectResources, envDetector } from '@opentelemetry/resources'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'

const resource = defaultResource().merge(detectResources({ detectors: [envDetector] }))

const meterProvider = new MeterProvider({
  resource,
  readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(), exportIntervalMillis: Number(process.env.OTEL_METRIC_EXPORT_INTERVAL ?? 60_000) })]
})
const tracerProvider = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] })

// Registered before the application asks for them: registerTelemetry() takes the meter provider that is there by then.
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())
metrics.setGlobalMeterProvider(meterProvider)
trace.setGlobalTracerProvider(tracerProvider)

// Before Node's http and Fastify are loaded: spans and durations of requests, on which failed reads leave error.type.
const http = new HttpInstrumentation()
http.setMeterProvider(meterProvider)
http.setTracerProvider(tracerProvider)
const fastify = new FastifyOtelInstrumentation({ registerOnInitialization: true })
fastify.setTracerProvider(tracerProvider)

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    Promise.allSettled([meterProvider.shutdown(), tracerProvider.shutdown()]).then(() => process.kill(process.pid, signal))
  })
}
