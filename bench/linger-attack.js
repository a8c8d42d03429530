// What clients hold that never stop sending after their answer. Run `npm run build` first, then
// `node bench/linger-attack.js [clients]`; `ulimit -n` must be above their number.
import { availableParallelism } from 'node:os'
import fastify from 'fastify'
import readGuard from 'fastify-read-guard'
import { attack, attackedRoutes, ways } from '../test/support/linger-attack.js'
import { table } from './table.js'

const count = Number(process.argv[2] ?? 2_000)
/** What takes Node's parser a microsecond for a few bytes is a matter of its time, which a tenth of the clients use up. */
const busy = ['chunks', 'requests']
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`

const rows = []
for (const way of ways) {
  const app = fastify()
  await app.register(readGuard, { logLimit: false })
  attackedRoutes(app)
  await app.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 })
  const clients = busy.includes(way) ? count / 10 : count
  const held = await attack(app, way, clients)
  await app.close()
  rows.push([
    way, clients, held.answers, held.lingering, `${(held.longest / 1_000).toFixed(2)} s`, megabytes(held.read), megabytes(held.heap), megabytes(held.rss), megabytes(held.kernel),
    megabytes(held.heapLeft)
  ])
}
console.log(`Node ${process.versions.node}, ${availableParallelism()} cores, the default linger (2 s, 64 MiB)\n`)
console.log(table(['after the answer', 'clients', 'answered', 'lingered on', 'longest', 'most read', 'heap', 'RSS', 'TCP buffers', 'heap left'], rows))
