// Tries limits on real traffic before they are enforced. PORT=3000 node examples/observe.js
import diagnosticsChannel from 'node:diagnostics_channel'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

// Whatever would have been refused is recorded with `observed: true`; nothing is refused.
await app.register(readGuard, {
  mode: 'observe',
  bodyTimeout: 2_000,
  bodyIdleTimeout: 500,
  onAbort: (record, request) => request?.log.debug(`${record.reason} after ${record.elapsed} ms`)
})

// Metrics and tracing can listen here, outside the application: one message per record.
diagnosticsChannel.subscribe('fastify-read-guard.abort', (record) => app.log.debug(record, 'to the metrics'))

app.post('/notes', async (request) => ({ saved: request.body }))

// This route is enforced already.
app.post('/login', { config: { readGuard: { mode: 'enforce' } } }, async () => ({ token: 'secret' }))

app.get('/stats', async () => app.readGuard.stats())

await app.listen({ port: Number(process.env.PORT ?? 3000) })
