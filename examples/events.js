// Server-sent events, which may be silent for any time. PORT=3000 node examples/events.js
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard)

// Only a client that stops taking events is cut off, here after five seconds.
app.get('/events', { config: { readGuard: { responseIdleTimeout: 5_000 } } }, (_request, reply) => {
  return reply.type('text/event-stream').send(Readable.from(ticks()))
})

async function * ticks () {
  try {
    for (let tick = 0; ; tick++) {
      yield `data: ${tick}\n\n`
      await delay(1_000)
    }
  } finally {
    app.log.info('the client has left')
  }
}

await app.listen({ port: Number(process.env.PORT ?? 3000) })
