// An error handler that tells a failed read from other errors. PORT=3000 node examples/errors.js
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'
import { isReadError } from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard, { bodyIdleTimeout: 1_000 })

app.setErrorHandler((error, _request, reply) => {
  if (!isReadError(error)) return reply.send(error)
  const { statusCode, code, received, expected } = error
  return reply.code(statusCode ?? 500).send({ code, hint: `${received} of ${expected ?? 'unknown'} bytes arrived` })
})

app.post('/notes', async (request) => ({ saved: request.body }))

await app.listen({ port: Number(process.env.PORT ?? 3000) })
