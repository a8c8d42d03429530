// Work that ends when its client leaves: a query, and a request to another server. PORT=3000 node examples/signal.js
import { once } from 'node:events'
import { createServer } from 'node:http'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard)

// Stands in for a database: a query that takes ten seconds, and can be cancelled.
const database = {
  /** @param {string} sql */
  start (sql) {
    /** @type {(error: Error) => void} */
    let fail
    /** @type {NodeJS.Timeout} */
    let timer
    const rows = new Promise((resolve, reject) => {
      fail = reject
      timer = setTimeout(() => resolve([{ sql }]), 10_000)
    })
    return {
      rows,
      /** @param {Error} reason */
      cancel (reason) {
        clearTimeout(timer)
        fail(reason)
        app.log.info(`cancelled: ${sql}`)
      }
    }
  }
}

app.get('/orders', async (request) => {
  const { signal } = request.readGuard
  const query = database.start('SELECT * FROM orders')
  signal.addEventListener('abort', () => query.cancel(signal.reason), { once: true })
  return await query.rows
})

// Stands in for another service, which never answers.
const service = createServer((request) => {
  request.socket.on('close', () => app.log.info('the other server was left'))
}).listen(0, '127.0.0.1')
await once(service, 'listening')
app.addHook('onClose', async () => { service.close() })
const { port } = /** @type {import('node:net').AddressInfo} */ (service.address()) // it listens on a port
process.env.PRICES_URL = `http://127.0.0.1:${port}/`

app.get('/prices', async (request) => {
  const response = await fetch(String(process.env.PRICES_URL), { signal: request.readGuard.signal })
  return await response.json()
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
