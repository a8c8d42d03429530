// Limits per route and per request. PORT=3000 node examples/per-route.js
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard, { bodyTimeout: 10_000, bodyIdleTimeout: 2_000 })

// The handlers read the stream themselves, whatever its type.
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', (_request, _payload, done) => done(null))

// Must be small and fast; otherwise refused unread.
app.post('/login', {
  config: { readGuard: { bodyLimit: 256, bodyTimeout: 1_000, requireContentLength: true } }
}, async () => ({ token: 'secret' }))

// May take any time, as long as it keeps moving.
app.post('/videos', {
  config: { readGuard: { bodyTimeout: 0, minBodyRate: { bytesPerSecond: 1_000, gracePeriod: 2_000 } } }
}, countBytes)

// Not guarded. Its headers still are: the route is unknown until they have arrived.
app.post('/firehose', { config: { readGuard: false } }, countBytes)

// Decided per request, in a hook: once the handler runs, a parser has read the body already.
app.post('/imports', {
  onRequest: async ({ headers, readGuard }) => {
    const partner = headers.authorization === 'Bearer partner'
    readGuard.setLimits(partner ? { bodyTimeout: 0, bodyIdleTimeout: 60_000 } : { bodyTimeout: 1_000 })
  }
}, countBytes)

/** @param {import('fastify').FastifyRequest} request */
async function countBytes (request) {
  let bytes = 0
  for await (const chunk of request.raw) bytes += chunk.length
  return { bytes, took: request.readGuard.elapsed }
}

await app.listen({ port: Number(process.env.PORT ?? 3000) })
