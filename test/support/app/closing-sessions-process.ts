import { AsyncLocalStorage } from 'node:async_hooks'
import type { ServerHttp2Stream } from 'node:http2'
import fastify from 'fastify'
import readGuard from '../../../lib/index.js'

/*
 * A process whose HTTP/2 sessions close as soon as a read of theirs fails, or a handler says so. It writes its port, and stands
 * until its standard input ends. Whatever is begun has an async context of its own, which Node 20 keeps on the handle of each stream.
 */

new AsyncLocalStorage<string>().enterWith('of the process')

const app = fastify({ http2: true, forceCloseConnections: false })
await app.register(readGuard, { maxFailedReads: 1, requireContentLength: true, linger: false, resolution: 20, onAbort: () => {} })
app.post('/', async () => 'answered')
app.get('/', async () => 'answered')
app.get('/last', async (request) => {
  const { stream } = request.raw as unknown as { readonly stream: ServerHttp2Stream } // of the compatibility layer's class
  stream.session?.close()
  return 'the last'
})
const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
process.stdout.write(`${port}\n`)
process.stdin.on('end', () => { app.close().then(() => process.stdout.write('closed\n'), () => {}) }).resume()
