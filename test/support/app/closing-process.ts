import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import fastify from 'fastify'
import readGuard from '../../../lib/index.js'

/*
 * A process whose only client leaves while its handler hangs, and whose application closes then. When it ends, it tells what was reached.
 */

const app = fastify()
const closed: string[] = []
process.on('exit', () => { process.stdout.write(JSON.stringify(closed)) })
await app.register(readGuard)
app.addHook('onClose', async () => { closed.push('the application') })
const reached = new Promise<void>((resolve) => {
  app.get('/', () => {
    resolve()
    return new Promise<never>(() => {})
  })
})
await app.listen({ host: '127.0.0.1', port: 0 })
const { port } = app.server.address() as AddressInfo // it listens on TCP
const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
await reached
client.destroy()
await once(client, 'close')
await app.close()
closed.push('what waited for it')
