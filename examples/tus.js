// Uploads that can be resumed. PORT=3000 node examples/tus.js
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard)

const tus = new Server({ path: '/files', datastore: new FileStore({ directory: './files' }) })
const upload = { bodyIdleTimeout: 1_000, minBodyRate: { bytesPerSecond: 1_000, gracePeriod: 10_000 } }

app.addContentTypeParser('application/offset+octet-stream', (_request, _payload, done) => done(null))
app.all('/files', ({ raw }, reply) => { tus.handle(raw, reply.raw) })
app.all('/files/*', { config: { readGuard: upload } }, ({ raw }, reply) => { tus.handle(raw, reply.raw) })

await app.listen({ port: Number(process.env.PORT ?? 3000) })
