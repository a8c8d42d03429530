// Limits by route, and by request. PORT=3000 node examples/per-route.js
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard, { bodyTimeout: 10_000, bodyIdleTimeout: 2_000 })

// Nothing is parsed here: the handlers take the stream themselves, whatever its type.
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', (_request, _payload, done) => done(null))

// Small and quick, or nothing: checked before a byte of the body is read.
app.post('/login', {
  config: { readGuard: { bodyLimit: 256, bodyTimeout: 1_000, requireContentLength: true } }
}, async () => ({ token: 'secret' }))

// As long as it takes, as long as it moves.
app.post('/videos', {
  config: { readGuard: { bodyTimeout: 0, minBodyRate: { bytesPerSecond: 1_000, gracePeriod: 2_000 } } }
}, countBytes)

// Left alone, though its headers are still guarded: the route is not known before they have arrived.
app.post('/firehose', { config: { readGuard: false } }, countBytes)

// Decided for each request.
app.post('/imports', async (request) => {
  if (request.headers.authorization === 'Bearer partner') {
    request.readGuard.setLimits({ bodyTimeout: 0, bodyIdleTimeout: 60_000 })
  } else {
    request.readGuard.setLimits({ bodyTimeout: 1_000 })
  }
  return countBytes(request)
})

/** @param {import('fastify').FastifyRequest} request */
async function countBytes (request) {
  let bytes = 0
  for await (const chunk of request.raw) bytes += chunk.length
  return { bytes, took: request.readGuard.elapsed }
}

await app.listen({ port: Number(process.env.PORT ?? 3000) })
