// A webhook with a signature over the bytes as they were sent. PORT=3000 SECRET=… node examples/webhook.js
import { createHmac, timingSafeEqual } from 'node:crypto'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard, { bodyTimeout: 5_000, bodyIdleTimeout: 1_000 })

await app.register(async (hooks) => {
  // No parser may read the body first: the signature covers the bytes as they were sent.
  hooks.removeAllContentTypeParsers()
  hooks.addContentTypeParser('*', (_request, _payload, done) => done(null))

  hooks.post('/webhook', {
    config: { readGuard: { requireContentLength: true, bodyTimeout: 2_000 } }
  }, async (request, reply) => {
    const body = await request.readRawBody({ limit: 65_536 })
    const expected = createHmac('sha256', process.env.SECRET ?? 'not so secret').update(body).digest()
    const given = Buffer.from(String(request.headers['x-signature']), 'hex')
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return reply.code(401).send({ error: 'wrong signature' })
    try {
      return { event: JSON.parse(body.toString()).event }
    } catch {
      return reply.code(400).send({ error: 'no JSON' })
    }
  })
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
