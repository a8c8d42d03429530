// A proxy to another server. PORT=3000 UPSTREAM=http://127.0.0.1:4000 node examples/proxy.js
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard)

await app.register(proxy, {
  upstream: process.env.UPSTREAM ?? 'http://127.0.0.1:4000',
  prefix: '/api',
  config: { readGuard: { bodyIdleTimeout: 1_000, bodyLimit: 10_000_000 } }
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
