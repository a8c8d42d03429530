// The shortest server with the guard. PORT=3000 node examples/basic.js
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard, { headersTimeout: 2_000, bodyIdleTimeout: 1_000 })

app.post('/notes', async (request, reply) => {
  return reply.code(201).send({ saved: request.body })
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
