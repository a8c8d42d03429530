// Uploads to tRPC procedures. PORT=3000 node examples/trpc.js
import { initTRPC } from '@trpc/server'
import { fastifyTRPCPlugin } from '@trpc/server/adapters/fastify'
import { octetInputParser } from '@trpc/server/http'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard)

const trpc = initTRPC.create()
const router = trpc.router({
  upload: trpc.procedure.input(octetInputParser).mutation(async ({ input }) => {
    let bytes = 0
    for await (const chunk of input) bytes += chunk.length
    return { bytes }
  })
})

// A route that a plugin makes gets its limits from a hook that is added before it.
app.addHook('onRoute', (route) => {
  if (route.url.startsWith('/trpc')) route.config = { ...route.config, readGuard: { bodyIdleTimeout: 1_000, bodyLimit: 50_000_000 } }
})

// Without a parser Fastify answers 415; this one leaves the stream to tRPC.
app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))
await app.register(fastifyTRPCPlugin, { prefix: '/trpc', trpcOptions: { router } })

await app.listen({ port: Number(process.env.PORT ?? 3000) })
