// Multipart uploads to disk, complete or not at all. PORT=3000 UPLOADS=./uploads node examples/upload.js
import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import multipart from '@fastify/multipart'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard, { bodyTimeout: 10_000, bodyIdleTimeout: 1_000 })

const uploads = process.env.UPLOADS ?? join(tmpdir(), 'uploads')
await mkdir(uploads, { recursive: true })
await app.register(multipart, { limits: { fileSize: 1_000_000 } })

// The files of a request are written to a folder of their own, which gets its name once the last byte is there. If the body
// fails before that (slow, cut off, too large, malformed), the loop throws, and the folder is removed.
app.post('/uploads', {
  config: { readGuard: { bodyLimit: 2_000_000, bodyTimeout: 0, minBodyRate: { bytesPerSecond: 1_000, gracePeriod: 2_000 } } }
}, async (request, reply) => {
  const unfinished = await mkdtemp(join(uploads, '.unfinished-'))
  try {
    let files = 0
    for await (const part of request.files()) {
      // The client's file name is never used as a path.
      await pipeline(part.file, createWriteStream(join(unfinished, String(files++))))
    }
    if (files === 0) throw Object.assign(new Error('no file'), { statusCode: 400 })
    const id = randomUUID()
    await rename(unfinished, join(uploads, id))
    return await reply.code(201).send({ id, files })
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw error
  }
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
