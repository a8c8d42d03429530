// An application that is watched by Prometheus, or OpenTelemetry, as it stands behind nginx or HAProxy (examples/behind-a-proxy).
//   PORT=3000 METRICS_PORT=9464 node examples/observability/app.js
//   node --import ./examples/observability/otel.js examples/observability/app.js
import { Readable } from 'node:stream'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'
import { registerTelemetry } from 'fastify-read-guard/opentelemetry'
import { registerMetrics } from 'fastify-read-guard/prometheus'
// From Node 22 on it goes by the name of @prometheus-io/client.
import * as client from 'prom-client'

const app = Fastify({
  logger: true,
  // The proxy, and nobody else, is believed who the client is: `ip` of a record is the client's.
  trustProxy: '127.0.0.1',
  // The proxy's id of the request stands in its log and, as reqId, in ours.
  requestIdHeader: 'x-request-id',
  // Longer than the proxy keeps an idle connection, so that it is the proxy that closes it.
  keepAliveTimeout: 72_000
})

// Short, so that they can be seen at work; the defaults fit behind the proxies' configurations as they are.
await app.register(readGuard, {
  headersTimeout: 2_000,
  bodyIdleTimeout: 1_000,
  responseIdleTimeout: 2_000,
  bodyLimit: 1_000_000
})
registerMetrics(app, { client })
registerTelemetry(app)

app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))

app.get('/health', async () => ({ status: 'up' }))

app.post('/notes', async (request) => ({ saved: request.body }))

// Limits for this route are being tried out: what they would refuse is counted apart.
app.post('/trial', { config: { readGuard: { mode: 'observe', bodyIdleTimeout: 500 } } }, async (request) => ({ saved: request.body }))

app.post('/files/upload', async (request) => {
  let bytes = 0
  for await (const chunk of request.raw) bytes += chunk.length
  return { bytes }
})

app.get('/files/download', async (_request, reply) => {
  reply.type('application/octet-stream')
  return Readable.from((function * () {
    for (let i = 0; i < 1_000; i++) yield Buffer.alloc(65_536)
  })())
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })

// On a port of its own, which no proxy passes on: metrics tell of routes and of load.
const metrics = Fastify({ logger: true })
metrics.get('/metrics', async (_request, reply) => reply.type(client.register.contentType).send(await client.register.metrics()))
metrics.get('/stats', async () => app.readGuard.stats())
await metrics.listen({ port: Number(process.env.METRICS_PORT ?? 9464) })
