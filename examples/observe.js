// Trying limits out on real traffic before they are enforced. PORT=3000 node examples/observe.js
import diagnosticsChannel from 'node:diagnostics_channel'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

// What would have been refused is recorded with `observed: true`; nothing is refused.
await app.register(readGuard, {
  mode: 'observe',
  bodyTimeout: 2_000,
  bodyIdleTimeout: 500,
  onAbort: (record, request) => request?.log.debug(`${record.reason} after ${record.elapsed} ms`)
})

// Where metrics and tracing come in, from outside of the application: one message for each record.
diagnosticsChannel.subscribe('fastify-read-guard.abort', (record) => app.log.debug(record, 'to the metrics'))

app.post('/notes', async (request) => ({ saved: request.body }))

// This one is sure already.
app.post('/login', { config: { readGuard: { mode: 'enforce' } } }, async () => ({ token: 'secret' }))

app.get('/stats', async () => app.readGuard.stats())

await app.listen({ port: Number(process.env.PORT ?? 3000) })
