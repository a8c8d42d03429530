// An upload that is streamed to a file as it arrives. PORT=3000 FILE=./upload node examples/stream.js
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard, { bodyIdleTimeout: 1_000 })

const file = process.env.FILE ?? join(tmpdir(), 'upload')
app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))

// No total time: an upload may take hours, as long as it sends 1 KB/s.
app.put('/upload', {
  config: { readGuard: { bodyLimit: 5_000_000_000, bodyTimeout: 0, minBodyRate: { bytesPerSecond: 1_000, gracePeriod: 30_000 } } }
}, async (request) => {
  try {
    await pipeline(request.raw, createWriteStream(file))
    return { received: request.readGuard.received }
  } catch (error) {
    await rm(file, { force: true })
    throw error
  }
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
