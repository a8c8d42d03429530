// Serves a file from memory, with the guard or without. Started by `slow-readers.js`, which is told the port.
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import fastify from 'fastify'
import readGuard from '../dist/index.js'

const [file = '', limit = ''] = process.argv.slice(2)
const app = fastify()
if (limit !== '') await app.register(readGuard, { responseIdleTimeout: Number(limit) })
const bytes = await readFile(file)
app.get(`/${basename(file)}`, (_request, reply) => reply.type('application/octet-stream').send(bytes))
await app.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 })
process.send?.(/** @type {import('node:net').AddressInfo} */ (app.server.address()).port) // it listens on a port
process.on('disconnect', () => process.exit())
